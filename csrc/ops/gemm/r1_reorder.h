// Idea:  exchange the inner loops, so that the innermost one runs along a row of b and of c.
// Since: r0_naive walks down a column of b, and every addition waits for the one before it.
// Why:   neighbours in memory and independent sums: the compiler turns the inner loop into vectors by itself.
// Price: c is read and written once for each k: two loads and a store for one vector of multiply-adds.
#pragma once

template <class T>
struct gemm_r1_reorder : Plain<Gemm> {
  static void run(const Gemm& g, const Team& team) noexcept {
    const T* a = static_cast<const T*>(g.a);        // [m, k]
    const T* b = static_cast<const T*>(g.b);        // [k, n]
    const T* bias = static_cast<const T*>(g.bias);  // [n] or null
    T* c = static_cast<T*>(g.c);                    // [m, n]
    Range rows = share(g.m, team);
    for (ptrdiff_t m = rows.begin; m < rows.end; m++) {
      T* out = c + m * g.c_m;
      for (ptrdiff_t n = 0; n < g.n; n++) {
        T start = bias ? bias[n] : T(0);
        out[n * g.c_n] = g.accumulate ? out[n * g.c_n] + start : start;
      }
      for (ptrdiff_t k = 0; k < g.k; k++)
        if (g.b_n == 1 && g.c_n == 1) add_row(a[m * g.a_m + k * g.a_k], b + k * g.b_k, 1, out, 1, g.n);
        else add_row(a[m * g.a_m + k * g.a_k], b + k * g.b_k, g.b_n, out, g.c_n, g.n);
    }
  }

  // always_inline: where the strides are the constant 1, the compiler sees it and can use vectors.
  static inline __attribute__((always_inline)) void add_row(T x, const T* __restrict b, ptrdiff_t b_n, T* __restrict c,
                                                            ptrdiff_t c_n, ptrdiff_t count) {
    for (ptrdiff_t n = 0; n < count; n++) c[n * c_n] += x * b[n * b_n];
  }
};
