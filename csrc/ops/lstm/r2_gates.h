// Idea:  whole vectors: the dot products with h run along k in the lanes, and the gates of a vector of units are
//        computed together by the vector exp and tanh of simd/math.h, in one pass that also updates c and h.
// Since: input_gemm still had one number per instruction wherever h takes part.
// Why:   16 lanes (AVX-512) for each instruction of the recurrent half; libm's scalar exp and tanh are gone.
// Price: a load of w_hh for each multiply-add, the lanes of each dot product must be added up at its end, and all of
//        w_hh is read again for each sequence.
#pragma once

template <class T>
struct lstm_r2_gates : Plain<Lstm> {
  static const char* supports(const Lstm& a) { return a.lengths ? "all sequences must have t steps" : nullptr; }
  static constexpr int V = 2;
  static ptrdiff_t panels(const Lstm& a) { return panel_count<V, T>(4 * a.h); }
  static ptrdiff_t row_size(const Lstm& a) { return panels(a) * panel_width<V, T>; }  // 4h, rounded up

  // w_ih^T as panels; see pack_panel.
  static size_t packed_bytes(const Lstm& a) { return size_t(row_size(a) * a.i) * sizeof(T); }
  static void prepare(const Lstm& a, void* packed, const Team& team) noexcept {
    Range mine = share(panels(a), team);
    for (ptrdiff_t p = mine.begin; p < mine.end; p++)
      pack_panel<V, T>(static_cast<const T*>(a.w_ih), 1, a.i, a.i, 4 * a.h, p,
                       static_cast<T*>(packed) + p * panel_width<V, T> * a.i);
  }
  static size_t scratch_bytes(const Lstm& a, int) { return size_t(a.t * a.n * row_size(a)) * sizeof(T); }

  static void run(const Lstm& a, const Team& team) noexcept {
    T* sums = static_cast<T*>(a.workspace.scratch);  // [t, n, row_size]
    Range mine = share(panels(a), team);
    for (ptrdiff_t p = mine.begin; p < mine.end; p++) input_panel(a, p, sums);
    team.barrier(&team);
    Range batch = share(a.n, team);
    for (ptrdiff_t n = batch.begin; n < batch.end; n++) sequence(a, n, sums);
  }

  // The columns of panel p, for all steps: sums = b_ih + b_hh + x * w_ih^T
  static void input_panel(const Lstm& a, ptrdiff_t p, T* sums) {
    const T* b_ih = static_cast<const T*>(a.b_ih);  // [4h] or null
    const T* b_hh = static_cast<const T*>(a.b_hh);  // [4h] or null
    const T* panel = static_cast<const T*>(a.workspace.packed) + p * panel_width<V, T> * a.i;
    ptrdiff_t size = row_size(a), first = p * panel_width<V, T>;
    for (ptrdiff_t row = 0; row < a.t * a.n; row++)
      for (ptrdiff_t j = first; j < first + panel_width<V, T>; j++)
        sums[row * size + j] = j < 4 * a.h ? (b_ih ? b_ih[j] : T(0)) + (b_hh ? b_hh[j] : T(0)) : T(0);
    const T* x = static_cast<const T*>(a.x);  // [t, n, i]
    if (a.n == 1 || a.x_t == a.n * a.x_n) {   // equal distances from row to row: really one product
      add_product<V, T>(sums + first, size, panel_width<V, T>, a.t * a.n, true, x, a.n == 1 ? a.x_t : a.x_n, 1, panel,
                        a.i);
      return;
    }
    for (ptrdiff_t t = 0; t < a.t; t++)
      add_product<V, T>(sums + t * a.n * size + first, size, panel_width<V, T>, a.n, true, x + t * a.x_t, a.x_n, 1,
                        panel, a.i);
  }

  static void sequence(const Lstm& a, ptrdiff_t n, T* sums) {
    const T* h0 = static_cast<const T*>(a.h0);  // [n, h] or null
    const T* c0 = static_cast<const T*>(a.c0);  // [n, h] or null
    T* y = static_cast<T*>(a.y) + n * a.y_n;    // [t, h]
    T* hn = static_cast<T*>(a.hn) + n * a.h;    // [h]
    T* c = static_cast<T*>(a.cn) + n * a.h;     // [h]
    for (ptrdiff_t u = 0; u < a.h; u++) {
      c[u] = c0 ? c0[n * a.h + u] : T(0);
      hn[u] = h0 ? h0[n * a.h + u] : T(0);
    }
    for (ptrdiff_t t = 0; t < a.t; t++) {
      const T* h = t > 0 ? y + (t - 1) * a.y_t : hn;  // h[t-1]
      T* row = sums + (t * a.n + n) * row_size(a);
      for (ptrdiff_t u = 0; u < a.h; u++) add_dots(a, u, h, row);
      for (ptrdiff_t u = 0; u < a.h; u += lanes<T>) units(a, t, n, u, row, y + t * a.y_t, c);
    }
    if (a.t > 0)
      for (ptrdiff_t u = 0; u < a.h; u++) hn[u] = y[(a.t - 1) * a.y_t + u];
  }

  // The four dot products of unit u share each load of h.
  static void add_dots(const Lstm& a, ptrdiff_t u, const T* h, T* row) {
    const T* w = static_cast<const T*>(a.w_hh) + u * a.h;  // [4, h], a gate's row every h * h
    vec<T> dot[4] = {};
    ptrdiff_t k = 0;
    for (; k + lanes<T> <= a.h; k += lanes<T>)
      for (int q = 0; q < 4; q++) dot[q] += load<T>(h + k) * load<T>(w + q * a.h * a.h + k);
    if (k < a.h)
      for (int q = 0; q < 4; q++) dot[q] += load_n<T>(h + k, a.h - k) * load_n<T>(w + q * a.h * a.h + k, a.h - k);
    for (int q = 0; q < 4; q++) row[q * a.h + u] += sum_lanes<T>(dot[q]);
  }

  // Units u .. u + lanes, or as many as there are; c is c[t-1] before and c[t] after.
  static void units(const Lstm& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t u, const T* row, T* h, T* c) {
    ptrdiff_t count = a.h - u < lanes<T> ? a.h - u : lanes<T>;
    vec<T> gate[4], cell = load_n<T>(c + u, count);
    for (int q = 0; q < 4; q++) gate[q] = load_n<T>(row + q * a.h + u, count);
    store_some<T>(h + u, lstm_cell<T>(gate, cell), count);
    store_some<T>(c + u, cell, count);
    if (a.gates)
      for (int q = 0; q < 4; q++)
        store_some<T>(static_cast<T*>(a.gates) + t * a.gates_t + (n * 4 + q) * a.h + u, gate[q], count);
    if (a.cells) store_some<T>(static_cast<T*>(a.cells) + t * a.cells_t + n * a.h + u, cell, count);
  }
};
