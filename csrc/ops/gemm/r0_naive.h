// Idea:  three loops, as in the textbook: for every output, walk along k.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: one load of a and one of b for each multiply-add, and a chain of dependent adds: the FMA's latency sets the
// pace.
#pragma once

template <class T>
struct gemm_r0_naive : Plain<Gemm> {
  static constexpr bool epilogue = true;
  static void run(const Gemm& g, const Team& team) noexcept {
    const T* a = static_cast<const T*>(g.a);        // [m, k]
    const T* b = static_cast<const T*>(g.b);        // [k, n]
    const T* bias = static_cast<const T*>(g.bias);  // [n] or null
    const T* add = static_cast<const T*>(g.add);    // as c, or null
    T* c = static_cast<T*>(g.c);                    // [m, n]
    Range rows = share(g.m, team);
    for (ptrdiff_t m = rows.begin; m < rows.end; m++)
      for (ptrdiff_t n = 0; n < g.n; n++) {
        T* out = c + m * g.c_m + n * g.c_n;
        T sum = g.accumulate ? *out : T(0);
        for (ptrdiff_t k = 0; k < g.k; k++) sum += a[m * g.a_m + k * g.a_k] * b[k * g.b_k + n * g.b_n];
        if (bias) sum += bias[n];
        if (add) sum += add[m * g.c_m + n * g.c_n];
        *out = scalar_activate<T>(sum, g.activation);
      }
  }
};
