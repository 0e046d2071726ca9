// Idea:  x[t] * w_ih^T does not wait for h[t-1]: it is one matrix product for all steps and sequences at once.
// Since: naive computed it row by row inside the loop over time, and read all of w_ih for each row.
// Why:   a block of rows in registers shares every weight it loads (simd/product.h): half of the work at full speed.
// Price: the sums of all steps, [t, n, 3h], lie in memory until they are used; the half with h is as slow as before.
#pragma once

template <class T>
struct gru_r1_input_gemm : Plain<Gru> {
  static constexpr int V = 2;
  static ptrdiff_t panels(const Gru& a) { return panel_count<V, T>(3 * a.h); }
  static ptrdiff_t row_size(const Gru& a) { return panels(a) * panel_width<V, T>; }  // 3h, rounded up

  // w_ih^T as panels of neighbouring rows of w_ih.
  static size_t packed_bytes(const Gru& a) { return size_t(row_size(a) * a.i) * sizeof(T); }
  static void prepare(const Gru& a, void* packed, const Team& team) noexcept {
    constexpr ptrdiff_t width = panel_width<V, T>;
    Range mine = share(panels(a), team);
    for (ptrdiff_t p = mine.begin; p < mine.end; p++)
      pack_units<V, T>(static_cast<const T*>(a.w_ih), 3 * a.h, a.i, p * width,
                       static_cast<T*>(packed) + p * width * a.i);
  }
  // sums [t, n, row_size], and z and q of each sequence [n][2][h]
  static size_t scratch_bytes(const Gru& a, int) { return size_t(a.t * a.n * row_size(a) + 2 * a.n * a.h) * sizeof(T); }
  static T* sums_of(const Gru& a, ptrdiff_t t, ptrdiff_t n) {
    return static_cast<T*>(a.workspace.scratch) + (t * a.n + n) * row_size(a);
  }

  static void run(const Gru& a, const Team& team) noexcept {
    Range mine = share(panels(a), team), batch = share(a.n, team);
    for (ptrdiff_t p = mine.begin; p < mine.end; p++) input_panel(a, p);
    team.barrier(&team);
    for (ptrdiff_t n = batch.begin; n < batch.end; n++) sequence(a, n);
  }

  // The columns of panel p, for all steps: sums = b_ih + x * w_ih^T
  static void input_panel(const Gru& a, ptrdiff_t p) {
    constexpr ptrdiff_t width = panel_width<V, T>;
    const T* b_ih = static_cast<const T*>(a.b_ih);  // [3h] or null
    const T* panel = static_cast<const T*>(a.workspace.packed) + p * width * a.i;
    ptrdiff_t size = row_size(a), first = p * width;
    for (ptrdiff_t row = 0; row < a.t * a.n; row++)
      for (ptrdiff_t j = first; j < first + width; j++) sums_of(a, 0, row)[j] = b_ih && j < 3 * a.h ? b_ih[j] : T(0);
    bool even = a.n == 1 || a.x_t == a.n * a.x_n;  // equal distances from row to row: really one product
    ptrdiff_t rows = even ? a.t * a.n : a.n, x_row = a.n == 1 ? a.x_t : a.x_n;
    for (ptrdiff_t row = 0; row < a.t * a.n; row += rows)
      add_product<V, T>(sums_of(a, 0, row) + first, size, width, rows, true,
                        static_cast<const T*>(a.x) + row / a.n * a.x_t, x_row, 1, panel, a.i);
  }

  static void sequence(const Gru& a, ptrdiff_t n) {
    const T* h0 = static_cast<const T*>(a.h0);  // [n, h] or null
    T* h = static_cast<T*>(a.hn) + n * a.h;     // the state
    for (ptrdiff_t u = 0; u < a.h; u++) h[u] = h0 ? h0[n * a.h + u] : T(0);
    for (ptrdiff_t t = 0; t < a.t; t++) {
      T* y = static_cast<T*>(a.y) + t * a.y_t + n * a.y_n;
      if (is_valid(a, t, n)) step(a, t, n, h, y);
      else gru_r0_naive<T>::nothing(a, t, n, y);
      for (ptrdiff_t u = 0; u < a.h && is_valid(a, t, n); u++) h[u] = y[u];
    }
  }

  static void step(const Gru& a, ptrdiff_t t, ptrdiff_t n, const T* h, T* y) {
    const T* sums = sums_of(a, t, n);
    T* z = sums_of(a, a.t, 0) + 2 * n * a.h;
    T* q = z + a.h;
    for (ptrdiff_t u = 0; u < a.h; u++) {
      y[u] = scalar_sigmoid<T>(sums[u] + gru_r0_naive<T>::hidden_sum(a, u, h));  // r
      z[u] = scalar_sigmoid<T>(sums[a.h + u] + gru_r0_naive<T>::hidden_sum(a, a.h + u, h));
      q[u] = a.before ? y[u] * h[u] : gru_r0_naive<T>::hidden_sum(a, 2 * a.h + u, h);
    }
    for (ptrdiff_t u = 0; u < a.h; u++) {
      T r = y[u], s = a.before ? gru_r0_naive<T>::hidden_sum(a, 2 * a.h + u, q) : r * q[u];
      T v = scalar_tanh<T>(sums[2 * a.h + u] + s);
      y[u] = v + z[u] * (h[u] - v);
      if (!a.gates) continue;
      T* gates = gru_r0_naive<T>::gates_of(a, t, n) + u;
      gates[0] = r, gates[a.h] = z[u], gates[2 * a.h] = v, gates[3 * a.h] = q[u];
    }
  }
};
