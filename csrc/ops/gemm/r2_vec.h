// Idea:  write the vector down: one register holds the sums of neighbouring columns while k runs.
// Since: r1_reorder keeps its sums in c and moves them to and fro for each k.
// Why:   per multiply-add only the vector of b is loaded, and a's number is broadcast by the same instruction.
// Price: one chain of dependent sums (an FMA takes 4 cycles, two could start in each), one load of b per FMA; where b
//        is a transposed matrix (b_n != 1, as in linear), each vector of b is gathered number by number: slower here
//        than r0_naive, because the transposed b suits its walk along k.
#pragma once

template <class T>
struct gemm_r2_vec : Plain<Gemm> {
  static void run(const Gemm& g, const Team& team) noexcept {
    const T* a = static_cast<const T*>(g.a);        // [m, k]
    const T* b = static_cast<const T*>(g.b);        // [k, n]
    const T* bias = static_cast<const T*>(g.bias);  // [n] or null
    T* c = static_cast<T*>(g.c);                    // [m, n]
    Range rows = share(g.m, team);
    for (ptrdiff_t n = 0; n < g.n; n += lanes<T>) {
      ptrdiff_t left = g.n - n < lanes<T> ? g.n - n : lanes<T>;
      for (ptrdiff_t m = rows.begin; m < rows.end; m++) {
        vec<T> sum{};
        if (left == lanes<T> && g.b_n == 1)
          for (ptrdiff_t k = 0; k < g.k; k++) sum += a[m * g.a_m + k * g.a_k] * load<T>(b + k * g.b_k + n);
        else
          for (ptrdiff_t k = 0; k < g.k; k++)
            sum += a[m * g.a_m + k * g.a_k] * load_strided<T>(b + k * g.b_k + n * g.b_n, g.b_n, left);
        T* out = c + m * g.c_m + n * g.c_n;
        if (bias) sum += load_strided<T>(bias + n, 1, left);
        if (g.accumulate) sum += load_strided<T>(out, g.c_n, left);
        store_strided<T>(out, sum, g.c_n, left);
      }
    }
  }
};
