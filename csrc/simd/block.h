// The register block, the heart of gemm, conv2d and lstm: M rows x V vectors of sums are held in registers while
// the loop runs over k; each step loads V vectors of packed weights, broadcasts one number per row, and does M*V
// multiply-adds.
//
//   how many sums:  an FMA takes 4 cycles and 2 start per cycle, so 8 independent sums keep the units busy; more
//                   sums make each load count for more multiply-adds.
//   AVX-512, NEON:  14 x 2 = 28 sums + 2 weights + 1 number = 31 of 32 registers; 16 loads feed 28 FMAs
//   AVX2, SSE:       6 x 2 = 12 sums + 2 weights + 1 number = 15 of 16 registers;  8 loads feed 12 FMAs
#pragma once

// Before every loop over a block: unrolled so early that the compiler sees an array of registers, not of memory.
#define UNROLL _Pragma("GCC unroll 16")

constexpr int block_vectors = 2;
constexpr int block_rows = isa_registers == 32 ? 14 : 6;

template <int M, int V, class T>
struct Block {
  vec<T> sum[M][V];
};

// sum += x * w, in place. GCC 12 otherwise lets sums of an unrolled loop wander through the registers: 16 are then too
// few, and every dozen multiply-adds come with a copy or two.
template <class T>
inline __attribute__((always_inline)) void add_product_to(vec<T>& sum, vec<T> x, vec<T> w) {
#if defined(__AVX2__) && !defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) asm("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(x), "x"(w));
  else asm("vfmadd231pd %2, %1, %0" : "+x"(sum) : "x"(x), "x"(w));
#else
  sum += x * w;
#endif
}

// Steps of k for each turn of the loop. With 16 registers a step is 12 multiply-adds and 8 loads; counters, pointers,
// the fetch and the jump are 7 instructions more, which matters where the core's other thread (often somebody else's)
// takes half of the six that start in a cycle: AMD EPYC Zen 3, 6 x 2 sums in L1: depth 24 1.16 times as fast with 4
// steps as with 1, depth 64 and 320 1.1 times.
constexpr int block_steps = isa_vector_bytes == 32 && isa_registers == 16 ? 4 : 1;

// The general form: the rows of the block are the cells of a grid, R down and C right (pixels of an image).
//   sum[i * C + j][v] += x[i * x_down + j * x_right + k * x_k] * w[k * V * lanes + v * lanes ...] for k in [0, depth)
// fetch: `ahead` is memory that will be needed later; each step asks for so many vectors there and moves on by ahead_k.
// Any address will do: a prefetch never fails. W: vectors of w at each k, if there are more than the block takes. S:
// steps of a turn; 1 for sums of 9 or 12, which would be turns of 4 and a rest (3 -> 64 channels on 224x224: 0.8 times
// as fast).
template <int R, int C, int fetch, int W = 0, int S = block_steps, int M, int V, class T>
inline __attribute__((always_inline)) void multiply_grid(Block<M, V, T>& b, const T* x, ptrdiff_t x_down,
                                                         ptrdiff_t x_right, ptrdiff_t x_k, const T* w, ptrdiff_t depth,
                                                         const T* ahead, ptrdiff_t ahead_k) {
  static_assert(R * C == M);
  // One pointer for every three cells in a row: an x86 address can add x_right once or twice (index times 4 or 8) to a
  // pointer. One register per cell would not fit, and reloading them would cost more than these additions.
  constexpr int thirds = (C + 2) / 3;
  const T* p[R * thirds];
  UNROLL for (int i = 0; i < R; i++) UNROLL for (int j = 0; j < thirds; j++) p[i * thirds + j] =
      x + i * x_down + 3 * j * x_right;
  ptrdiff_t k = 0;
  if constexpr (S > 1)
    if (x_k == 1)
      for (; k + S <= depth; k += S) {
        UNROLL for (int i = 0; i < R * thirds; i++) asm("" : "+r"(p[i]));
        constexpr int line = 64 / int(sizeof(T)), lines = (fetch * S * lanes<T> + line - 1) / line;
        UNROLL for (int f = 0; f < lines; f++) __builtin_prefetch(ahead + f * line);
        UNROLL for (int s = 0; s < S; s++) {
          vec<T> wv[V];
          UNROLL for (int v = 0; v < V; v++) wv[v] = load<T>(w + (s * (W ? W : V) + v) * lanes<T>);
          UNROLL for (int i = 0; i < R; i++) UNROLL for (int j = 0; j < C; j++) {
            vec<T> xm = broadcast<T>(p[i * thirds + j / 3][j % 3 * x_right + s]);
            UNROLL for (int v = 0; v < V; v++) add_product_to<T>(b.sum[i * C + j][v], xm, wv[v]);
          }
        }
        UNROLL for (int i = 0; i < R * thirds; i++) p[i] += S;
        w += S * (W ? W : V) * lanes<T>;
        ahead += S * ahead_k;
      }
  for (; k < depth; k++) {
    // Opaque: the compiler would rather have one register per cell.
    UNROLL for (int i = 0; i < R * thirds; i++) asm("" : "+r"(p[i]));
    UNROLL for (int f = 0; f < fetch; f++) __builtin_prefetch(ahead + f * lanes<T>);
    vec<T> wv[V];
    UNROLL for (int v = 0; v < V; v++) wv[v] = load<T>(w + v * lanes<T>);
    UNROLL for (int i = 0; i < R; i++) UNROLL for (int j = 0; j < C; j++) {
      T xm = p[i * thirds + j / 3][j % 3 * x_right];
      UNROLL for (int v = 0; v < V; v++) b.sum[i * C + j][v] += xm * wv[v];
    }
    UNROLL for (int i = 0; i < R * thirds; i++) p[i] += x_k;
    w += (W ? W : V) * lanes<T>;
    ahead += ahead_k;
  }
}

// One row of cells: sum[m][v] += x[m * x_row + k * x_k] * w[k * V * lanes + v * lanes ...] for k in [0, depth)
template <int M, int V, class T>
inline __attribute__((always_inline)) void multiply_add(Block<M, V, T>& b, const T* x, ptrdiff_t x_row, ptrdiff_t x_k,
                                                        const T* w, ptrdiff_t depth) {
  multiply_grid<1, M, false>(b, x, 0, x_row, x_k, w, depth, w, 0);
}
