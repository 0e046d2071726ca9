// A product with packed weights, for every operator that multiplies many rows by the same matrix:
//
//   c[m, n] = c[m, n] + sum over k of x[m, k] * w[k, n]
//
// The weights come in panels of V vectors: panel p holds the columns [p * V * lanes, (p+1) * V * lanes) as
// [k][V][lanes], filled up with zeros. Every element of c is one sum with k ascending, whatever the number of rows
// and the place of a row among them: a sequence's result does not depend on its neighbours in the batch.
#pragma once

// Vectors that a block takes of a panel of V: all of them, but 2 and then the other 2 of 4 where there are 16
// registers. A block of 2 rows x 4 vectors would load the panel for every 2 rows; with 6 x 2 an LSTM's product is 1.3
// times as fast.
template <int V>
constexpr int block_part = isa_registers == 16 && V == 4 ? 2 : V;

// Rows of a block: rows x vectors sums + its vectors of weights + 1 number within the registers (see block.h).
//   32 registers: 14 rows for V = 2, 6 for V = 4      16 registers: 6 rows for V = 2 or 4, 4 for V = 3
// V = 1 would leave room for more than the 14 that are unrolled.
template <int V>
constexpr int rows_for = V == 1 ? block_rows : (isa_registers - 1 - block_part<V>) / block_part<V>;

// A panel is walked through in parts of so many vectors, 64 bytes each: 32 KB of weights stay in the first-level cache
// while all rows pass. Where many panels share the rows, 128 KB, which stay in the second-level cache, are 3 to 5 %
// faster, because sums go to and from c a quarter as often (simd/matrix.h); Winograd's products lose by them.
constexpr ptrdiff_t product_near = 512, product_far = 2048;

template <int V, class T>
constexpr ptrdiff_t panel_width = V * lanes<T>;

template <int V, class T>
constexpr ptrdiff_t panel_count(ptrdiff_t columns) {
  return (columns + panel_width<V, T> - 1) / panel_width<V, T>;
}

template <int N>
struct Int {
  static constexpr int value = N;
};

template <int Most, class F>
inline void with_int(ptrdiff_t n, F f) {
  if (n == Most) f(Int<Most>{});
  else if constexpr (Most > 1) with_int<Most - 1>(n, f);
}

// f(Int<M>, first row) for blocks of at most Most rows that differ by at most one row: 32 rows by 6 are 6 6 5 5 5 5,
// not 6 6 6 6 6 2, because a block of 2 rows loads as many weights as one of 6.
template <int Most, class F>
inline void for_row_blocks(ptrdiff_t rows, F f) {
  ptrdiff_t blocks = (rows + Most - 1) / Most;
  for (ptrdiff_t b = 0; b < blocks; b++) {
    ptrdiff_t first = rows * b / blocks, end = rows * (b + 1) / blocks;
    with_int<Most>(end - first, [&](auto m) { f(m, first); });
  }
}

// Unrolled, or the sums would live in memory: an array stays in registers only if every index is a constant.
template <int M, int V, class T>
inline __attribute__((always_inline)) void load_block(Block<M, V, T>& b, const T* c, ptrdiff_t c_row) {
#pragma GCC unroll 16
  for (int m = 0; m < M; m++)
#pragma GCC unroll 16
    for (int v = 0; v < V; v++) b.sum[m][v] = load<T>(c + m * c_row + v * lanes<T>);
}

template <int M, int V, class T>
inline __attribute__((always_inline)) void clear_block(Block<M, V, T>& b) {
#pragma GCC unroll 16
  for (int m = 0; m < M; m++)
#pragma GCC unroll 16
    for (int v = 0; v < V; v++) b.sum[m][v] = vec<T>{};
}

template <int M, int V, class T>
inline __attribute__((always_inline)) void store_block(const Block<M, V, T>& b, T* c, ptrdiff_t c_row) {
#pragma GCC unroll 16
  for (int m = 0; m < M; m++)
#pragma GCC unroll 16
    for (int v = 0; v < V; v++) store<T>(c + m * c_row + v * lanes<T>, b.sum[m][v]);
}

// One block of rows of one panel, or of V of its W vectors. Its sums start from c, or, if not `accumulate`, from
// `start`, a row of numbers, or 0. Where the matrix ends within the panel, vectors are loaded and stored in part. past:
// c goes past the caches. finish: these sums are whole, and are finished in registers; or null.
template <int M, int V, int W, class T>
__attribute__((noinline)) void add_product_block(T* c, ptrdiff_t c_row, ptrdiff_t columns, bool accumulate,
                                                 const T* start, const T* x, ptrdiff_t x_row, ptrdiff_t x_k,
                                                 const T* panel, ptrdiff_t depth, const T* ahead, ptrdiff_t ahead_k,
                                                 bool past, const Finish<T>* finish) {
  bool whole = columns >= panel_width<V, T>;
  auto left = [=](int v) { return columns < v * lanes<T> ? 0 : columns - v * lanes<T>; };  // from vector v on
  auto count = [=](int v) { return left(v) < lanes<T> ? left(v) : lanes<T>; };
  Block<M, V, T> b;
  if (accumulate && whole) {
    load_block(b, c, c_row);
  } else if (accumulate) {
    UNROLL for (int m = 0; m < M; m++) UNROLL for (int v = 0; v < V; v++) b.sum[m][v] =
        load_n<T>(c + m * c_row + v * lanes<T>, count(v));
  } else if (start) {
    UNROLL for (int v = 0; v < V; v++) {
      vec<T> first = load_n<T>(start + v * lanes<T>, count(v));
      UNROLL for (int m = 0; m < M; m++) b.sum[m][v] = first;
    }
  } else {
    clear_block(b);
  }
  if (finish) {  // what the end of the block will read and write, from wherever it is, while it multiplies
    UNROLL for (int m = 0; m < M; m++) UNROLL for (int v = 0; v < V; v++) {
      if (finish->adds) __builtin_prefetch(finish->add(c + m * c_row + v * lanes<T>));
      if (!past) __builtin_prefetch(c + m * c_row + v * lanes<T>, 1);
    }
  }
  multiply_grid<1, M, true, W>(b, x, 0, x_row, x_k, panel, depth, ahead, isa_registers == 32 ? lanes<T> : ahead_k);
  if (finish) {
    UNROLL for (int m = 0; m < M; m++) UNROLL for (int v = 0; v < V; v++) {
      const T* add = finish->add(c + m * c_row + v * lanes<T>);
      if (finish->adds) b.sum[m][v] += whole ? load<T>(add) : load_n<T>(add, count(v));
      b.sum[m][v] = finish->clamp(b.sum[m][v]);
    }
  }
  if (whole && past) {
    UNROLL for (int m = 0; m < M; m++) UNROLL for (int v = 0; v < V; v++)
        stream<T>(c + m * c_row + v * lanes<T>, b.sum[m][v]);
  } else if (whole) {
    store_block(b, c, c_row);
  } else {
    UNROLL for (int m = 0; m < M; m++) UNROLL for (int v = 0; v < V; v++)
        store_n<T>(c + m * c_row + v * lanes<T>, b.sum[m][v], count(v));
  }
}

// What a product asks for while it runs, because it will be wanted next. Not more than there is: asking for memory that
// the process does not have costs a walk through the page tables each time.
struct Ahead {
  bool panel;      // what lies behind the panel
  ptrdiff_t rows;  // or this many rows behind those of x, if their numbers lie in one line
};

// A part has V vectors for each of its steps: so many numbers of what follows does a block fetch in each. Either a
// vector, until all is fetched; or, where there are 16 registers, as little as is left to each if all blocks share it,
// because more than a core can have under way at a time would hold up the rows that meet it.
template <int V, class T>
inline ptrdiff_t fetch_step(ptrdiff_t rows) {
  if (isa_registers == 32) return lanes<T>;
  ptrdiff_t blocks = (rows + rows_for<V> - 1) / rows_for<V> * (V / block_part<V>);
  ptrdiff_t step = blocks > 0 ? (V * lanes<T> + blocks - 1) / blocks : lanes<T>;
  return step < lanes<T> ? step : lanes<T>;
}

// One panel of the product, for the first `columns` of its columns; without `accumulate` what c held is ignored, and
// sums start from the row `start`, if there is one. finish: see add_product_block. W: vectors of the panel, if only the
// first V of them are wanted.
template <int V, class T, ptrdiff_t part_vectors = product_near, int W = V>
inline void add_product(T* c, ptrdiff_t c_row, ptrdiff_t columns, ptrdiff_t rows, bool accumulate,  // c[rows, columns]
                        const T* x, ptrdiff_t x_row, ptrdiff_t x_k,                                 // x[rows, depth]
                        const T* panel, ptrdiff_t depth,                                            // [depth][W][lanes]
                        Ahead wanted = {true, 0}, const T* start = nullptr, bool past = false,
                        const Finish<T>* finish = nullptr) {
  constexpr int some = block_part<V>;
  constexpr ptrdiff_t most = part_vectors / W;
  ptrdiff_t parts = depth > 0 ? (depth + most - 1) / most : 1;  // of nothing, the sum is 0
  for (ptrdiff_t p = 0; p < parts; p++) {
    ptrdiff_t k = depth * p / parts, part = depth * (p + 1) / parts - k;
    bool last = p == parts - 1, panels = wanted.panel || !last;
    const T* here = panel + k * panel_width<W, T>;
    ptrdiff_t at = 0, step = fetch_step<V, T>(rows);
    for_row_blocks<rows_for<V>>(rows, [&](auto m, ptrdiff_t first) {
      constexpr int M = decltype(m)::value;
      // Rows meet all of a panel's vectors while they are in the first-level cache.
      for (ptrdiff_t v = 0; v < V * lanes<T> && v < columns; v += some * lanes<T>) {
        // The first blocks fetch what comes next in memory, this panel's next part or the next panel.
        const T *ahead = here, *from = x + first * x_row + k * x_k;
        ptrdiff_t ahead_k = lanes<T>;
        if (panels && at < V * lanes<T>) ahead += (V * lanes<T> + at) * part, ahead_k = step;
        // Or each the rows behind its own: a vector for each step are as many rows as a vector has lanes.
        if (!panels && v == 0 && first + M + lanes<T> <= rows + wanted.rows) ahead = from + M * x_row;
        add_product_block<M, some, W, T>(c + first * c_row + v, c_row, columns - v, accumulate || k > 0,
                                         start ? start + v : nullptr, from, x_row, x_k, here + v, part, ahead, ahead_k,
                                         past, last ? finish : nullptr);
        at += step;
      }
    });
  }
}

// Packs panel p of w[k, n], k in [0, depth), n in [0, columns).
template <int V, class T>
inline void pack_panel(const T* w, ptrdiff_t w_k, ptrdiff_t w_n, ptrdiff_t depth, ptrdiff_t columns, ptrdiff_t p,
                       T* panel) {
  constexpr ptrdiff_t width = panel_width<V, T>;
  ptrdiff_t first = p * width, valid = columns - first < width ? columns - first : width;
  for (ptrdiff_t k = 0; k < depth; k++) {
    const T* from = w + k * w_k + first * w_n;
    if (w_n == 1 && valid == width)
      for (int v = 0; v < V; v++) store<T>(panel + k * width + v * lanes<T>, load<T>(from + v * lanes<T>));
    else
      for (ptrdiff_t n = 0; n < width; n++) panel[k * width + n] = n < valid ? from[n * w_n] : T(0);
  }
}

// One vector of columns, `steps` of k: from b[k, n], of which `count` columns exist, to rows that lie to_k apart.
template <class T>
inline void pack_columns(const T* b, ptrdiff_t b_k, ptrdiff_t b_n, ptrdiff_t steps, ptrdiff_t count, T* to,
                         ptrdiff_t to_k) {
  constexpr ptrdiff_t L = lanes<T>;
  ptrdiff_t i = 0;
  if (count > L) count = L;
  if constexpr (L > 1)
    if (b_k == 1)  // a transposed matrix: squares of L x L are turned in registers
      for (; i + L <= steps; i += L) {
        vec<T> square[L];
        UNROLL for (int j = 0; j < L; j++) square[j] = j < count ? load<T>(b + j * b_n + i) : vec<T>{};
        transpose<T>(square);
        UNROLL for (int j = 0; j < L; j++) store<T>(to + (i + j) * to_k, square[j]);
      }
  for (; i < steps; i++) store<T>(to + i * to_k, load_strided<T>(b + i * b_k, b_n, count));
}
