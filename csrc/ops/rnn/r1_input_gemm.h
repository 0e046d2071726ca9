// Idea:  x[t] * w_ih^T does not wait for h[t-1]: it is one matrix product for all steps and sequences at once.
// Since: naive computed it row by row inside the loop over time, and read all of w_ih for each row.
// Why:   a block of rows in registers shares every weight it loads (simd/product.h): half of the work at full speed.
// Price: the sums of all steps lie in y until they are used; the half with h is as slow as before.
#pragma once

template <class T>
struct rnn_r1_input_gemm : Plain<Rnn> {
  static constexpr int V = 2;
  static constexpr ptrdiff_t width = panel_width<V, T>;
  static ptrdiff_t panels(const Rnn& a) { return panel_count<V, T>(a.h); }

  // w_ih^T as panels of neighbouring rows of w_ih.
  static size_t packed_bytes(const Rnn& a) { return size_t(panels(a) * width * a.i) * sizeof(T); }
  static void prepare(const Rnn& a, void* packed, const Team& team) noexcept {
    Range mine = share(panels(a), team);
    for (ptrdiff_t p = mine.begin; p < mine.end; p++)
      pack_units<V, T>(static_cast<const T*>(a.w_ih), a.h, a.i, p * width, static_cast<T*>(packed) + p * width * a.i);
  }

  static void run(const Rnn& a, const Team& team) noexcept {
    Range mine = share(panels(a), team), batch = share(a.n, team);
    for (ptrdiff_t p = mine.begin; p < mine.end; p++)
      for (ptrdiff_t t = 0; t < a.t; t++) input_panel(a, p, t);
    team.barrier(&team);
    for (ptrdiff_t n = batch.begin; n < batch.end; n++) sequence(a, n);
  }

  // The columns of panel p: y[t] = b_ih + b_hh + x[t] * w_ih^T
  static void input_panel(const Rnn& a, ptrdiff_t p, ptrdiff_t t) {
    const T* b_ih = static_cast<const T*>(a.b_ih);  // [h] or null
    const T* b_hh = static_cast<const T*>(a.b_hh);  // [h] or null
    T* y = static_cast<T*>(a.y) + t * a.y_t;        // [n, h]
    ptrdiff_t first = p * width, columns = a.h - first < width ? a.h - first : width;
    for (ptrdiff_t n = 0; n < a.n; n++)
      for (ptrdiff_t u = first; u < first + columns; u++)
        y[n * a.y_n + u] = (b_ih ? b_ih[u] : T(0)) + (b_hh ? b_hh[u] : T(0));
    add_product<V, T>(y + first, a.y_n, columns, a.n, true, static_cast<const T*>(a.x) + t * a.x_t, a.x_n, 1,
                      static_cast<const T*>(a.workspace.packed) + first * a.i, a.i);
  }

  static void sequence(const Rnn& a, ptrdiff_t n) {
    const T* h0 = static_cast<const T*>(a.h0);  // [n, h] or null
    T* h = static_cast<T*>(a.hn) + n * a.h;     // the state
    for (ptrdiff_t u = 0; u < a.h; u++) h[u] = h0 ? h0[n * a.h + u] : T(0);
    for (ptrdiff_t t = 0; t < a.t; t++) {
      T* y = static_cast<T*>(a.y) + t * a.y_t + n * a.y_n;
      bool valid = is_valid(a, t, n);
      for (ptrdiff_t u = 0; u < a.h; u++) y[u] = valid ? rnn_r0_naive<T>::unit(a, y[u] + hidden_sum(a, u, h)) : T(0);
      for (ptrdiff_t u = 0; u < a.h && valid; u++) h[u] = y[u];
    }
  }

  static T hidden_sum(const Rnn& a, ptrdiff_t u, const T* h) {
    const T* w_hh = static_cast<const T*>(a.w_hh) + u * a.h;
    T s = T(0);
    for (ptrdiff_t k = 0; k < a.h; k++) s += h[k] * w_hh[k];
    return s;
  }
};
