// Idea:  hold a whole block of c in registers: block_rows rows x block_vectors vectors (simd/block.h).
// Since: r2_vec holds one vector of sums, so each number of b that it loads is used once.
// Why:   with AVX-512, 28 sums keep both FMA units busy (8 would do) and 16 loads feed 28 FMAs, where r2 had 1 for 1.
// Price: each panel of b (all k, as wide as the block) is first copied to scratch, once per call; the copy of a large
//        b with few rows of a costs more than the product, and for large k neither panel nor rows stay in L1.
#pragma once

template <class T>
struct gemm_r3_tile : Plain<Gemm> {
  static constexpr ptrdiff_t width = block_vectors * lanes<T>;

  static size_t scratch_bytes(const Gemm& g, int threads) { return size_t(threads) * g.k * width * sizeof(T); }

  static void run(const Gemm& g, const Team& team) noexcept {
    const T* b = static_cast<const T*>(g.b);                                    // [k, n]
    T* panel = static_cast<T*>(g.workspace.scratch) + team.rank * g.k * width;  // [k, width], this member's own
    Range columns = share(g.n, team, width);
    for (ptrdiff_t n = columns.begin; n < columns.end; n += width) {
      ptrdiff_t left = columns.end - n < width ? columns.end - n : width;
      for (ptrdiff_t k = 0; k < g.k; k++)
        for (ptrdiff_t j = 0; j < width; j++) panel[k * width + j] = j < left ? b[k * g.b_k + (n + j) * g.b_n] : T(0);
      ptrdiff_t m = 0;
      for (; m + block_rows <= g.m; m += block_rows) block<block_rows>(g, panel, m, n, left);
      for (; m < g.m; m++) block<1>(g, panel, m, n, left);
    }
  }

  template <int M>
  static void block(const Gemm& g, const T* panel, ptrdiff_t m0, ptrdiff_t n0, ptrdiff_t left) {
    const T* a = static_cast<const T*>(g.a) + m0 * g.a_m;  // [m, k]
    T* c = static_cast<T*>(g.c) + m0 * g.c_m + n0 * g.c_n;
    const T* bias = static_cast<const T*>(g.bias);
    Block<M, block_vectors, T> sums{};
    if (g.a_k == 1) multiply_add(sums, a, g.a_m, 1, panel, g.k);
    else multiply_add(sums, a, g.a_m, g.a_k, panel, g.k);
    vec<T> spilled[M][block_vectors];  // out of the registers, where sums cannot be counted by a loop
    __builtin_memcpy(spilled, sums.sum, sizeof spilled);
    for (int m = 0; m < M; m++)
      for (ptrdiff_t n = 0; n < left; n += lanes<T>) {
        ptrdiff_t count = left - n < lanes<T> ? left - n : lanes<T>;
        T* out = c + m * g.c_m + n * g.c_n;
        vec<T> sum = spilled[m][n / lanes<T>];
        if (bias) sum += load_strided<T>(bias + n0 + n, 1, count);
        if (g.accumulate) sum += load_strided<T>(out, g.c_n, count);
        store_strided<T>(out, sum, g.c_n, count);
      }
  }
};
