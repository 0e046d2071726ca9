// Idea:  w_hh packed too, and both interleaved by gate: a panel holds one vector of units of all four gates.
// Since: gates loaded w_hh along k and had to add up the lanes of each dot product, then came back for the gates.
// Why:   the lanes are units now: h[k] is broadcast, four vectors of weights are read one after the other, and the
//        four sums stand in four registers when the gates want them.
// Price: weights are packed beforehand; still one sequence at a time, so each weight loaded is used once, and four
//        chains of dependent multiply-adds are half of what keeps the units busy (see block.h).
#pragma once

template <class T>
struct lstm_r3_pack : Plain<Lstm> {
  static const char* supports(const Lstm& a) { return a.lengths ? "all sequences must have t steps" : nullptr; }
  using Panels = LstmPanels<T>;
  static size_t packed_bytes(const Lstm& a) { return Panels::bytes(a); }
  static void prepare(const Lstm& a, void* packed, const Team& team) noexcept { Panels::prepare(a, packed, team); }

  // sums [panels][t, n][4][lanes], and each sequence's c [n][panels * lanes]
  static ptrdiff_t sums_size(const Lstm& a) { return Panels::count(a) * a.t * a.n * Panels::width; }
  static size_t scratch_bytes(const Lstm& a, int) {
    return size_t(sums_size(a) + a.n * Panels::count(a) * lanes<T>) * sizeof(T);
  }

  static void run(const Lstm& a, const Team& team) noexcept {
    Range mine = share(Panels::count(a), team);
    for (ptrdiff_t p = mine.begin; p < mine.end; p++) input_panel(a, p);
    team.barrier(&team);
    Range batch = share(a.n, team);
    for (ptrdiff_t n = batch.begin; n < batch.end; n++) sequence(a, n);
  }

  static T* sums_of(const Lstm& a, ptrdiff_t p) {
    return static_cast<T*>(a.workspace.scratch) + p * a.t * a.n * Panels::width;
  }

  // Panel p for all steps: sums = b_ih + b_hh + x * w_ih^T
  static void input_panel(const Lstm& a, ptrdiff_t p) {
    Panels packed = Panels::of(a);
    T* sums = sums_of(a, p);
    for (ptrdiff_t row = 0; row < a.t * a.n; row++)
      for (int q = 0; q < 4; q++)
        store<T>(sums + row * Panels::width + q * lanes<T>, load<T>(packed.bias + p * Panels::width + q * lanes<T>));
    const T* x = static_cast<const T*>(a.x);  // [t, n, i]
    const T* panel = packed.w_ih + p * a.i * Panels::width;
    bool even = a.n == 1 || a.x_t == a.n * a.x_n;  // equal distances from row to row: one product for all steps
    ptrdiff_t rows = even ? a.t * a.n : a.n, x_row = a.n == 1 ? a.x_t : a.x_n;
    for (ptrdiff_t row = 0; row < a.t * a.n; row += rows)
      add_product<4, T>(sums + row * Panels::width, Panels::width, Panels::width, rows, true, x + row / a.n * a.x_t,
                        x_row, 1, panel, a.i);
  }

  static void sequence(const Lstm& a, ptrdiff_t n) {
    constexpr ptrdiff_t L = lanes<T>;
    const T* h0 = static_cast<const T*>(a.h0);  // [n, h] or null
    const T* c0 = static_cast<const T*>(a.c0);  // [n, h] or null
    T* y = static_cast<T*>(a.y) + n * a.y_n;    // [t, h]
    T* c = static_cast<T*>(a.workspace.scratch) + sums_size(a) + n * Panels::count(a) * L;
    for (ptrdiff_t u = 0; u < Panels::count(a) * L; u++) c[u] = c0 && u < a.h ? c0[n * a.h + u] : T(0);
    for (ptrdiff_t t = 0; t < a.t; t++) {
      const T* h = t > 0 ? y + (t - 1) * a.y_t : h0 ? h0 + n * a.h : nullptr;  // h[t-1]
      for (ptrdiff_t p = 0; p < Panels::count(a); p++) units(a, t, n, p, h, y + t * a.y_t, c + p * L);
    }
    for (ptrdiff_t u = 0; u < a.h; u++) {
      static_cast<T*>(a.cn)[n * a.h + u] = c[u];
      static_cast<T*>(a.hn)[n * a.h + u] = a.t > 0 ? y[(a.t - 1) * a.y_t + u] : h0 ? h0[n * a.h + u] : T(0);
    }
  }

  // The units of panel p; c is their c[t-1] before and c[t] after.
  static void units(const Lstm& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t p, const T* h, T* y, T* c) {
    constexpr ptrdiff_t L = lanes<T>;
    const T* sums = sums_of(a, p) + (t * a.n + n) * Panels::width;
    Block<1, 4, T> b;
    for (int q = 0; q < 4; q++) b.sum[0][q] = load<T>(sums + q * L);
    if (h) multiply_add(b, h, 0, 1, Panels::of(a).w_hh + p * a.h * Panels::width, a.h);
    vec<T> cell = load<T>(c);
    ptrdiff_t u = p * L, count = a.h - u < L ? a.h - u : L;
    store_some<T>(y + u, lstm_cell<T>(b.sum[0], cell), count);
    store<T>(c, cell);
    if (a.gates)
      for (int q = 0; q < 4; q++)
        store_some<T>(static_cast<T*>(a.gates) + t * a.gates_t + (n * 4 + q) * a.h + u, b.sum[0][q], count);
    if (a.cells) store_some<T>(static_cast<T*>(a.cells) + t * a.cells_t + n * a.h + u, cell, count);
  }
};
