// Idea:  w_hh packed too (RnnPanels in steps.h): a panel holds two vectors of units.
// Since: gates loaded w_hh along k, and had to add up the lanes of each dot product.
// Why:   the lanes are units now: h[k] is broadcast, two vectors of weights are read one after the other, and the sums
//        stand in registers when the function is taken of them.
// Price: weights are packed beforehand; still one sequence at a time, so each weight loaded is used once, and two
// chains
//        of dependent multiply-adds are a quarter of what keeps the units busy (see block.h).
#pragma once

template <class T>
struct rnn_r3_pack : Plain<Rnn> {
  using Panels = RnnPanels<T>;
  static constexpr int V = Panels::V;
  static constexpr ptrdiff_t L = lanes<T>, width = Panels::width;
  static size_t packed_bytes(const Rnn& a) { return Panels::bytes(a); }
  static void prepare(const Rnn& a, void* packed, const Team& team) noexcept { Panels::prepare(a, packed, team); }
  static size_t scratch_bytes(const Rnn& a, int) { return size_t(Panels::count(a) * a.t * a.n * width) * sizeof(T); }

  // [panels][t, n][V][lanes]
  static T* sums_of(const Rnn& a, ptrdiff_t p, ptrdiff_t t, ptrdiff_t n) {
    return static_cast<T*>(a.workspace.scratch) + ((p * a.t + t) * a.n + n) * width;
  }

  static void run(const Rnn& a, const Team& team) noexcept {
    Range mine = share(Panels::count(a), team), batch = share(a.n, team);
    for (ptrdiff_t p = mine.begin; p < mine.end; p++) input_panel(a, p);
    team.barrier(&team);
    for (ptrdiff_t n = batch.begin; n < batch.end; n++) sequence(a, n);
  }

  // Panel p for all steps: sums = b_ih + b_hh + x * w_ih^T
  static void input_panel(const Rnn& a, ptrdiff_t p) {
    Panels packed = Panels::of(a);
    for (ptrdiff_t row = 0; row < a.t * a.n; row++)
      for (int v = 0; v < V; v++) store<T>(sums_of(a, p, 0, row) + v * L, load<T>(packed.bias + p * width + v * L));
    bool even = a.n == 1 || a.x_t == a.n * a.x_n;  // equal distances from row to row: one product for all steps
    ptrdiff_t rows = even ? a.t * a.n : a.n, x_row = a.n == 1 ? a.x_t : a.x_n;
    for (ptrdiff_t row = 0; row < a.t * a.n; row += rows)
      add_product<V, T>(sums_of(a, p, 0, row), width, width, rows, true, static_cast<const T*>(a.x) + row / a.n * a.x_t,
                        x_row, 1, packed.w_ih + p * a.i * width, a.i);
  }

  static void sequence(const Rnn& a, ptrdiff_t n) {
    const T* h0 = static_cast<const T*>(a.h0);  // [n, h] or null
    T* h = static_cast<T*>(a.hn) + n * a.h;     // the state
    for (ptrdiff_t u = 0; u < a.h; u++) h[u] = h0 ? h0[n * a.h + u] : T(0);
    for (ptrdiff_t t = 0; t < a.t; t++) {
      T* y = static_cast<T*>(a.y) + t * a.y_t + n * a.y_n;
      bool valid = is_valid(a, t, n);
      for (ptrdiff_t p = 0; p < Panels::count(a) && valid; p++) units(a, p, sums_of(a, p, t, n), h, y);
      for (ptrdiff_t u = 0; u < a.h; u++)
        if (valid) h[u] = y[u];
        else y[u] = T(0);
    }
  }

  // The units of panel p: h[t] into y.
  static void units(const Rnn& a, ptrdiff_t p, const T* sums, const T* h, T* y) {
    Block<1, V, T> b;
    for (int v = 0; v < V; v++) b.sum[0][v] = load<T>(sums + v * L);
    multiply_add(b, h, 0, 1, Panels::of(a).w_hh + p * a.h * width, a.h);
    for (int v = 0; v < V; v++) {
      ptrdiff_t u = p * width + v * L;
      vec<T> s = b.sum[0][v];
      if (u < a.h) store_lanes<T>(y + u, a.relu ? (s < T(0) ? vec<T>{} : s) : tanh<T>(s), a.h - u);
    }
  }
};
