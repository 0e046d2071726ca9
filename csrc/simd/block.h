// The register block, the heart of gemm, conv2d and lstm: M rows x V vectors of sums are held in registers while
// the loop runs over k; each step loads V vectors of packed weights, broadcasts one number per row, and does M*V
// multiply-adds.
//
//   how many sums:  an FMA takes 4 cycles and 2 start per cycle, so 8 independent sums keep the units busy; more
//                   sums make each load count for more multiply-adds.
//   AVX-512, NEON:  14 x 2 = 28 sums + 2 weights + 1 number = 31 of 32 registers; 16 loads feed 28 FMAs
//   AVX2, SSE:       6 x 2 = 12 sums + 2 weights + 1 number = 15 of 16 registers;  8 loads feed 12 FMAs
#pragma once

constexpr int block_vectors = 2;
constexpr int block_rows = isa_registers == 32 ? 14 : 6;

template <int M, int V, class T>
struct Block {
  vec<T> sum[M][V];
};

// A part of a block whose rows form a rectangle, `columns` wide: row m of the block is (m / columns, m % columns).
// conv2d's rows are pixels; where the kernel hangs over the edge of the image some of them take no part.
template <int columns_, int top_, int bottom_, int left_, int right_>
struct Part {
  static constexpr int columns = columns_, top = top_, bottom = bottom_, left = left_, right = right_;
};

// One step in k of multiply_part.
template <class P, int M, int V, class T>
inline __attribute__((always_inline)) void multiply_step(Block<M, V, T>& b, const T* x, ptrdiff_t x_down,
                                                         ptrdiff_t x_right, const T* w) {
  vec<T> wv[V];
  for (int v = 0; v < V; v++) wv[v] = load<T>(w + v * lanes<T>);
#pragma GCC unroll 16
  for (int i = P::top; i < P::bottom; i++)
#pragma GCC unroll 16
    for (int j = P::left; j < P::right; j++) {
      T xm = x[i * x_down + j * x_right];
      for (int v = 0; v < V; v++) b.sum[i * P::columns + j][v] += xm * wv[v];
    }
}

// sum[i, j][v] += x[i * x_down + j * x_right + k * x_k] * w[k * V * lanes + v * lanes ...] for (i, j) in P, k in [0, depth)
// dense: x_k is 1, known to the compiler: four steps in k share the addresses.
template <class P, bool dense, int M, int V, class T>
inline __attribute__((always_inline)) void multiply_part(Block<M, V, T>& b, const T* x, ptrdiff_t x_down,
                                                         ptrdiff_t x_right, ptrdiff_t x_k, const T* w,
                                                         ptrdiff_t depth) {
  constexpr int width = V * lanes<T>;
  ptrdiff_t k = 0;
  if constexpr (dense)
    for (; k + 4 <= depth; k += 4) {
#pragma GCC unroll 4
      for (int u = 0; u < 4; u++) multiply_step<P>(b, x + k + u, x_down, x_right, w + (k + u) * width);
    }
  for (; k < depth; k++) multiply_step<P>(b, x + k * (dense ? 1 : x_k), x_down, x_right, w + k * width);
}

// sum[m][v] += x[m * x_row + k * x_k] * w[k * V * lanes + v * lanes ...] for k in [0, depth)
template <int M, int V, class T>
inline __attribute__((always_inline)) void multiply_add(Block<M, V, T>& b, const T* x, ptrdiff_t x_row, ptrdiff_t x_k,
                                                        const T* w, ptrdiff_t depth) {
  using Whole = Part<M, 0, 1, 0, M>;
  if (x_k == 1) multiply_part<Whole, true>(b, x, 0, x_row, 1, w, depth);
  else multiply_part<Whole, false>(b, x, 0, x_row, x_k, w, depth);
}
