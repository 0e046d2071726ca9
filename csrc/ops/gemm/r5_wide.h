// Idea:  a block of 6 rows x 4 vectors instead of 14 x 2.
// Since: r4_pack loads 2 vectors of b and 14 numbers of a for 28 multiply-adds; this block 4 and 6 for 24. A tile of
//        64 rows walks through a part of a panel that lies in L1, and fetches the next part meanwhile (simd/matrix.h).
// Why:   fewer loads per multiply-add (some CPUs also run at a higher clock then); 6 rows that lie a power of two apart
//        still fit side by side into one set of L1, where 14 push each other out; and a b that comes from L3 is read
//        once for 64 rows. 1024 x 1024 x 1024: 163 instead of 147 GFLOP/s, 32 x 1024 x 1024: 160 instead of 110.
// Price: sums wait in c after each 128 steps of k, in L1. Chosen only where there are 32 registers.
#pragma once

template <class T>
struct gemm_r5_wide : Plain<Gemm> {
  static constexpr bool epilogue = true;
  using M = Matrix<T>;

  static const char* supports(const Gemm& g) {
    return g.c_n != 1 ? "wants rows of c that lie side by side (c_n = 1)" : nullptr;
  }

  static const char* declines(const Gemm& g) {
    if (isa_registers < 32) return "16 registers hold no larger block than that of pack";
    return g.m * g.n * g.k < 8192 ? "for so small a product pack has less to begin with" : nullptr;
  }

  // Sums that start from c get the bias when they are whole.
  static bool late_bias(const Gemm& g) { return g.accumulate && g.bias; }

  static M matrix(const Gemm& g) {
    Finish<T> epilogue(g);
    epilogue.simple &= !late_bias(g);
    bool last = epilogue.simple && !g.accumulate;
    return {g.m, g.n, g.k, static_cast<T*>(g.c), g.c_m, static_cast<const T*>(g.bias), g.accumulate, epilogue, last};
  }
  static size_t packed_bytes(const Gemm& g) { return matrix(g).packed_bytes(); }
  static void prepare(const Gemm& g, void* packed, const Team& team) noexcept {
    matrix(g).pack(static_cast<const T*>(g.b), g.b_k, g.b_n, static_cast<T*>(packed), team);
  }
  static size_t scratch_bytes(const Gemm& g, int threads) {
    return g.a_k == 1 ? 0 : size_t(threads) * M::copy_size * sizeof(T);
  }

  static void run(const Gemm& g, const Team& team) noexcept {
    T* copy = static_cast<T*>(g.workspace.scratch) + team.rank * M::copy_size;
    product(matrix(g), g, team, static_cast<const T*>(g.workspace.packed), copy);
  }

  // weights: see Matrix::run. copy: room for a tile of a.
  template <class Weights>
  static void product(const M& matrix, const Gemm& g, const Team& team, Weights weights, T* copy) noexcept {
    const T *a = static_cast<const T*>(g.a), *bias = static_cast<const T*>(g.bias);
    auto rows = [&](ptrdiff_t m, ptrdiff_t count, ptrdiff_t k, ptrdiff_t depth, ptrdiff_t& row, ptrdiff_t& step) {
      row = g.a_m, step = 1;
      if (g.a_k == 1) return a + m * g.a_m + k;
      row = 1, step = count;  // a transposed matrix (the gradient of a weight): into the order [k][row]
      copy_transposed(a + m * g.a_m + k * g.a_k, g.a_m, g.a_k, count, depth, copy);
      return static_cast<const T*>(copy);
    };
    auto finish = [&](ptrdiff_t m, ptrdiff_t count, ptrdiff_t n, ptrdiff_t columns) {
      if (matrix.epilogue.simple) return;
      T* to = static_cast<T*>(g.c) + m * g.c_m + n;
      if (late_bias(g))
        for (ptrdiff_t i = 0; i < count; i++)
          for (ptrdiff_t j = 0; j < columns; j++) to[i * g.c_m + j] += bias[n + j];
      finish_sums<T>(g, to, 1, 0, count, g.c_m, columns);
    };
    matrix.run(team, weights, rows, finish);
  }

  static void copy_transposed(const T* a, ptrdiff_t a_m, ptrdiff_t a_k, ptrdiff_t count, ptrdiff_t depth,
                              T* to) noexcept {
    for (ptrdiff_t k = 0; k < depth; k++, a += a_k, to += count)
      if (a_m == 1) __builtin_memcpy(to, a, size_t(count) * sizeof(T));
      else
        for (ptrdiff_t m = 0; m < count; m++) to[m] = a[m * a_m];
  }
};
