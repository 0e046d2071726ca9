// A product of few rows with packed weights, for the step of a recurrence: one sequence or a handful.
//
//   c[m, p, g] = c[m, p, g] + sum over k of x[m, k] * w[p, k, g]       g: one of G vectors of a panel, G gates
//
// With few rows every weight is used a few times only, so the time is that of reading the weights, and the rows are
// there to be served while they pass: all rows of a block take part in ONE pass, whatever has to give way for that:
//
//   sums held = rows x vectors; the fewer the rows, the more vectors of weights side by side (whole panels), the more
//   rows, the fewer (2 of 4 gates at a time, then the other 2): thin_vectors.
//
// Compared with add_product (product.h), which cuts the rows into blocks of 6 and brings the weights again for each.
// Every element of c is one sum with k ascending, here as there: both give the same bits.
#pragma once

// Rows of one pass: 2 vectors of weights + 1 number + 2 sums a row. 14 where there are 32 registers, 6 where 16.
constexpr int thin_rows = (isa_registers - 3) / 2;

// Vectors side by side, at most: 8 keep the multiply-adds busy. Panels side by side are also as many streams out of
// memory, and with 16 registers come CPUs that read 4 streams 1.3 times as fast as 2 from beyond the caches.
constexpr int thin_most = isa_registers == 16 ? 12 : 8;

// Vectors that M rows take side by side: whole panels, or a part of one that divides it.
// Registers: M * vectors sums, the smaller of both sides held, and one of the other at a time.
template <int M, int G>
constexpr int thin_vectors() {
  auto fits = [](int vectors) { return M * vectors + (M < vectors ? M : vectors) + 1 <= isa_registers; };
  for (int panels = thin_most / G; panels > 0; panels--)
    if (fits(panels * G)) return panels * G;
  for (int part = G - 1; part > 1; part--)
    if (G % part == 0 && fits(part)) return part;
  return 1;
}

// M rows x P panels x V vectors: sum[m][p * V + v] += x[m, k] * w[p, k, v]. `fetch` asks for the weights that lie
// `thin_ahead` further on: the second-level cache's own prefetching stays too near when they come from the third.
// With 16 registers that holds for a single panel only: several, side by side, come faster unasked (a GRU's step of 24
// MB: 1.30 ms instead of 1.58).
constexpr ptrdiff_t thin_ahead = 8192;  // bytes; 4 to 16 KB do the same

// Vectors in a line of the cache.
constexpr int line_vectors = isa_vector_bytes > 0 && isa_vector_bytes < 64 ? 64 / isa_vector_bytes : 1;

// Weights of up to this many bytes, passed over again and again by one core, stay in its second-level cache (1 to 2 MB
// on servers, half a MB on CPUs with 16 registers): asking for them ahead would only cost.
constexpr ptrdiff_t thin_near = isa_registers == 32 ? 3 << 19 : 3 << 17;

template <bool fetch, int P, int V, int M, class T>
inline __attribute__((always_inline)) void multiply_thin(Block<M, P * V, T>& b, const T* x, ptrdiff_t x_row, const T* w,
                                                         ptrdiff_t w_panel, ptrdiff_t w_k, ptrdiff_t depth) {
  const T* from[P];
  UNROLL for (int p = 0; p < P; p++) from[p] = w + p * w_panel;
  for (ptrdiff_t k = 0; k < depth; k++) {
    if constexpr (fetch && (isa_registers == 32 || P == 1))
      UNROLL for (int p = 0; p < P; p++) UNROLL for (int v = 0; v < V; v += line_vectors)
          __builtin_prefetch(reinterpret_cast<const char*>(from[p] + v * lanes<T>) + thin_ahead, 0, 2);
    if constexpr (M < P * V) {
      T number[M];
      UNROLL for (int m = 0; m < M; m++) number[m] = x[m * x_row + k];
      UNROLL for (int p = 0; p < P; p++) UNROLL for (int v = 0; v < V; v++) {
        vec<T> weights = load<T>(from[p] + v * lanes<T>);
        UNROLL for (int m = 0; m < M; m++) b.sum[m][p * V + v] += number[m] * weights;
      }
    } else {
      vec<T> weights[P * V];
      UNROLL for (int p = 0; p < P; p++) UNROLL for (int v = 0; v < V; v++) weights[p * V + v] =
          load<T>(from[p] + v * lanes<T>);
      UNROLL for (int m = 0; m < M; m++) {
        T number = x[m * x_row + k];
        UNROLL for (int v = 0; v < P * V; v++) b.sum[m][v] += number * weights[v];
      }
    }
    UNROLL for (int p = 0; p < P; p++) from[p] += w_k;
  }
}

// Where the operands of a thin product lie. Rows of x may be anywhere; weights are [panel][k][G][lanes].
template <class T>
struct Thin {
  T* c;  // [panel][row][G][lanes]
  ptrdiff_t c_panel, c_row;
  const T* x;
  ptrdiff_t x_row;
  const T* w;
  ptrdiff_t w_panel, depth;
};

template <bool fetch, int M, int P, int V, int G, class T>
inline void thin_block(const Thin<T>& t, ptrdiff_t row, int first) {
  constexpr ptrdiff_t L = lanes<T>;
  T* c = t.c + row * t.c_row + first * L;
  Block<M, P * V, T> b;
  UNROLL for (int m = 0; m < M; m++) UNROLL for (int p = 0; p < P; p++) UNROLL for (int v = 0; v < V; v++)
      b.sum[m][p * V + v] = load<T>(c + p * t.c_panel + m * t.c_row + v * L);
  multiply_thin<fetch, P, V>(b, t.x + row * t.x_row, t.x_row, t.w + first * L, t.w_panel, G * L, t.depth);
  UNROLL for (int m = 0; m < M; m++) UNROLL for (int p = 0; p < P; p++) UNROLL for (int v = 0; v < V; v++)
      store<T>(c + p * t.c_panel + m * t.c_row + v * L, b.sum[m][p * V + v]);
}

// Panels that one pass takes side by side for so many rows: thin_product is called for at most so many.
template <int G>
inline int thin_panels(ptrdiff_t rows) {
  int panels = 1;
  if (rows <= thin_rows)
    with_int<thin_rows>(rows, [&](auto m) {
      constexpr int vectors = thin_vectors<decltype(m)::value, G>();
      if (vectors > G) panels = vectors / G;
    });
  return panels;
}

// `panels` panels from t.c, t.w on, at most thin_panels<G>(rows) of them, for any number of rows.
template <bool fetch, int G, class T>
inline void thin_product(const Thin<T>& t, ptrdiff_t rows, ptrdiff_t panels) {
  for_row_blocks<thin_rows>(rows, [&](auto m, ptrdiff_t row) {
    constexpr int M = decltype(m)::value, vectors = thin_vectors<M, G>();
    if constexpr (vectors >= G) {
      with_int<vectors / G>(panels, [&](auto p) { thin_block<fetch, M, decltype(p)::value, G, G>(t, row, 0); });
    } else {
      for (int first = 0; first < G; first += vectors) thin_block<fetch, M, 1, vectors, G>(t, row, first);
    }
  });
}
