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

// The general form: the rows of the block are the cells of a grid, R down and C right (pixels of an image).
//   sum[i * C + j][v] += x[i * x_down + j * x_right + k * x_k] * w[k * V * lanes + v * lanes ...] for k in [0, depth)
template <int R, int C, int M, int V, class T>
inline __attribute__((always_inline)) void multiply_grid(Block<M, V, T>& b, const T* x, ptrdiff_t x_down,
                                                         ptrdiff_t x_right, ptrdiff_t x_k, const T* w,
                                                         ptrdiff_t depth) {
  static_assert(R * C == M);
  for (ptrdiff_t k = 0; k < depth; k++) {
    vec<T> wv[V];
#pragma GCC unroll 16
    for (int v = 0; v < V; v++) wv[v] = load<T>(w + (k * V + v) * lanes<T>);
#pragma GCC unroll 16
    for (int i = 0; i < R; i++)
#pragma GCC unroll 16
      for (int j = 0; j < C; j++) {
        T xm = x[i * x_down + j * x_right + k * x_k];
#pragma GCC unroll 16
        for (int v = 0; v < V; v++) b.sum[i * C + j][v] += xm * wv[v];
      }
  }
}

// One row of cells: sum[m][v] += x[m * x_row + k * x_k] * w[k * V * lanes + v * lanes ...] for k in [0, depth)
template <int M, int V, class T>
inline __attribute__((always_inline)) void multiply_add(Block<M, V, T>& b, const T* x, ptrdiff_t x_row, ptrdiff_t x_k,
                                                        const T* w, ptrdiff_t depth) {
  multiply_grid<1, M>(b, x, 0, x_row, x_k, w, depth);
}
