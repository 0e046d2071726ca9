// Idea:  x[t] * w_ih^T does not wait for h[t-1]: it is one matrix product for all steps and sequences at once.
// Since: naive computed it row by row inside the loop over time, and read all of w_ih for each row.
// Why:   a block of rows in registers shares every weight it loads (simd/product.h): half of the work at full speed.
// Price: the sums of all steps, [t, n, 4h], lie in memory until they are used; the half with h is as slow as before.
#pragma once

template <class T>
struct lstm_r1_input_gemm : Plain<Lstm> {
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

  static void sequence(const Lstm& a, ptrdiff_t n, const T* sums) {
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
      const T* row = sums + (t * a.n + n) * row_size(a);
      for (ptrdiff_t u = 0; u < a.h; u++) y[t * a.y_t + u] = unit(a, t, n, u, row, h, c[u]);
    }
    if (a.t > 0)
      for (ptrdiff_t u = 0; u < a.h; u++) hn[u] = y[(a.t - 1) * a.y_t + u];
  }

  // h[t] of unit u in sequence n; c is c[t-1] before and c[t] after.
  static T unit(const Lstm& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t u, const T* row, const T* h, T& c) {
    T i = scalar_sigmoid<T>(sum(a, 0 * a.h + u, row, h));
    T f = scalar_sigmoid<T>(sum(a, 1 * a.h + u, row, h));
    T g = scalar_tanh<T>(sum(a, 2 * a.h + u, row, h));
    T o = scalar_sigmoid<T>(sum(a, 3 * a.h + u, row, h));
    c = f * c + i * g;
    if (a.gates) {
      T* gates = static_cast<T*>(a.gates) + t * a.gates_t + n * 4 * a.h + u;
      gates[0] = i, gates[a.h] = f, gates[2 * a.h] = g, gates[3 * a.h] = o;
    }
    if (a.cells) static_cast<T*>(a.cells)[t * a.cells_t + n * a.h + u] = c;
    return o * scalar_tanh<T>(c);
  }

  static T sum(const Lstm& a, ptrdiff_t j, const T* row, const T* h) {
    const T* w_hh = static_cast<const T*>(a.w_hh) + j * a.h;
    T s = row[j];
    for (ptrdiff_t k = 0; k < a.h; k++) s += h[k] * w_hh[k];
    return s;
  }
};
