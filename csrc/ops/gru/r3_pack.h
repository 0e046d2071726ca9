// Idea:  w_hh packed too, and both interleaved by gate (GruPanels in steps.h): a panel holds one vector of units of all
//        three gates, and their four sums n r z q.
// Since: gates loaded w_hh along k and had to add up the lanes of each dot product, then came back for the gates.
// Why:   the lanes are units now: h[k] is broadcast, three vectors of weights are read one after the other, and the
// sums
//        stand in registers when the gates want them.
// Price: weights are packed beforehand; still one sequence at a time, so each weight loaded is used once, and three
//        chains of dependent multiply-adds are less than half of what keeps the units busy (see block.h).
#pragma once

template <class T>
struct gru_r3_pack : Plain<Gru> {
  using Panels = GruPanels<T>;
  static constexpr ptrdiff_t L = lanes<T>, width = Panels::width, size = Panels::sums;
  static const char* supports(const Gru& a) {
    return a.before ? "its weights are packed for a reset gate after the product" : nullptr;
  }
  static size_t packed_bytes(const Gru& a) { return Panels::bytes(a); }
  static void prepare(const Gru& a, void* packed, const Team& team) noexcept { Panels::prepare(a, packed, team); }
  static size_t scratch_bytes(const Gru& a, int) { return size_t(Panels::count(a) * a.t * a.n * size) * sizeof(T); }

  // [panels][t, n][4][lanes]
  static T* sums_of(const Gru& a, ptrdiff_t p, ptrdiff_t t, ptrdiff_t n) {
    return static_cast<T*>(a.workspace.scratch) + ((p * a.t + t) * a.n + n) * size;
  }

  static void run(const Gru& a, const Team& team) noexcept {
    Range mine = share(Panels::count(a), team), batch = share(a.n, team);
    for (ptrdiff_t p = mine.begin; p < mine.end; p++) input_panel(a, p);
    team.barrier(&team);
    for (ptrdiff_t n = batch.begin; n < batch.end; n++) sequence(a, n);
  }

  // Panel p for all steps: sums = biases, and n r z += x * w_ih^T
  static void input_panel(const Gru& a, ptrdiff_t p) {
    Panels packed = Panels::of(a);
    for (ptrdiff_t row = 0; row < a.t * a.n; row++)
      for (ptrdiff_t g = 0; g < 4; g++)
        store<T>(sums_of(a, p, 0, row) + g * L, load<T>(packed.bias + p * size + g * L));
    bool even = a.n == 1 || a.x_t == a.n * a.x_n;  // equal distances from row to row: one product for all steps
    ptrdiff_t rows = even ? a.t * a.n : a.n, x_row = a.n == 1 ? a.x_t : a.x_n;
    for (ptrdiff_t row = 0; row < a.t * a.n; row += rows)
      add_product<3, T>(sums_of(a, p, 0, row), size, width, rows, true, static_cast<const T*>(a.x) + row / a.n * a.x_t,
                        x_row, 1, packed.w_ih + p * a.i * width, a.i);
  }

  static void sequence(const Gru& a, ptrdiff_t n) {
    const T* h0 = static_cast<const T*>(a.h0);  // [n, h] or null
    T* h = static_cast<T*>(a.hn) + n * a.h;     // the state
    for (ptrdiff_t u = 0; u < a.h; u++) h[u] = h0 ? h0[n * a.h + u] : T(0);
    for (ptrdiff_t t = 0; t < a.t; t++) {
      T* y = static_cast<T*>(a.y) + t * a.y_t + n * a.y_n;
      if (!is_valid(a, t, n)) {
        gru_r0_naive<T>::nothing(a, t, n, y);
        continue;
      }
      for (ptrdiff_t p = 0; p < Panels::count(a); p++) units(a, t, n, p, h, y);
      for (ptrdiff_t u = 0; u < a.h; u++) h[u] = y[u];
    }
  }

  // The units of panel p: h[t] into y.
  static void units(const Gru& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t p, const T* h, T* y) {
    ptrdiff_t u = p * L, count = a.h - u;
    const T* sums = sums_of(a, p, t, n);
    Block<1, 3, T> b;  // r z q
    for (int g = 0; g < 3; g++) b.sum[0][g] = load<T>(sums + (g + 1) * L);
    multiply_add(b, h, 0, 1, Panels::of(a).w_hh + p * a.h * width, a.h);
    vec<T> r = sigmoid<T>(b.sum[0][0]), z = sigmoid<T>(b.sum[0][1]), q = b.sum[0][2];
    vec<T> v = tanh<T>(load<T>(sums) + r * q), kept[4] = {r, z, v, q};
    store_lanes<T>(y + u, v + z * (load_lanes<T>(h + u, count) - v), count);
    for (int g = 0; g < 4 && a.gates; g++)
      store_lanes<T>(gru_r0_naive<T>::gates_of(a, t, n) + g * a.h + u, kept[g], count);
  }
};
