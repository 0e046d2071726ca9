// What recurrent operators share: which steps of a sequence count, weights with the gates of a unit side by side, and a
// packed product for few rows.
#pragma once

// The valid steps of sequence n, in the order in which a kernel takes them; see lengths in ops/rnn/rnn.h.
template <class A>
inline Range valid_steps(const A& a, ptrdiff_t n) {
  if (!a.lengths) return {0, a.t};
  ptrdiff_t length = a.lengths[n];
  return a.at_end ? Range{a.t - length, a.t} : Range{0, length};
}

template <class A>
inline bool is_valid(const A& a, ptrdiff_t t, ptrdiff_t n) {
  Range steps = valid_steps(a, n);
  return t >= steps.begin && t < steps.end;
}

// All lanes in the common case, by the plain load and store: the others are slow where the ISA has no masks.
template <class T>
inline vec<T> load_lanes(const T* p, ptrdiff_t n) {
  return n >= lanes<T> ? load<T>(p) : load_n<T>(p, n);
}

template <class T>
inline void store_lanes(T* p, vec<T> v, ptrdiff_t n) {
  if (n >= lanes<T>) store<T>(p, v);
  else store_n<T>(p, v, n);
}

// w [blocks of h rows][depth] -> a panel [depth][G][lanes] of units u .. u + lanes: gate g is row block order[g]. Lanes
// beyond h are filled with zeros.
template <int G, class T>
inline void pack_gates(const T* w, const int (&order)[G], ptrdiff_t h, ptrdiff_t depth, ptrdiff_t u, T* panel) {
  constexpr ptrdiff_t L = lanes<T>;
  ptrdiff_t count = h - u < L ? h - u : L;
  for (ptrdiff_t g = 0; g < G; g++) {
    const T* rows = w + (order[g] * h + u) * depth;
    for (ptrdiff_t k = 0; k < depth; k++)
      for (ptrdiff_t l = 0; l < L; l++) panel[(k * G + g) * L + l] = l < count ? rows[l * depth + k] : T(0);
  }
}

// ---- the product of add_product (product.h), for few rows ----
//
// A block of M rows and one panel of V vectors has M * V sums. With 1 row and V = 3 that is 3 chains of dependent
// multiply-adds, where 8 are needed to keep the units busy (block.h). Blocks of P neighbouring panels have P times as
// many. Every sum still runs over k in ascending order: the same bits as add_product.

// Panels at a time, for about 12 sums: 12 sums + 2 rows + 1 weight = 15 of 16 registers.
template <int V>
constexpr ptrdiff_t panels_at_once(ptrdiff_t rows) {
  return rows < 1 || rows * V > 8 ? 1 : 12 / (rows * V);
}

// c[p * c_panel + m * c_row + j] += sum over k of x[m * x_row + k] * w[p * w_panel + k * V * lanes + j]
template <int M, int P, int V, class T>
inline void add_few(T* c, ptrdiff_t c_panel, ptrdiff_t c_row, const T* x, ptrdiff_t x_row, const T* w,
                    ptrdiff_t w_panel, ptrdiff_t depth) {
  constexpr ptrdiff_t L = lanes<T>;
  vec<T> sum[P][V][M];
  UNROLL for (int p = 0; p < P; p++) UNROLL for (int v = 0; v < V; v++) UNROLL for (int m = 0; m < M; m++)
      sum[p][v][m] = load<T>(c + p * c_panel + m * c_row + v * L);
  const T* at[P];
  UNROLL for (int p = 0; p < P; p++) at[p] = w + p * w_panel;
  for (ptrdiff_t k = 0; k < depth; k++) {
    UNROLL for (int p = 0; p < P; p++) UNROLL for (int v = 0; v < V; v++) {
      vec<T> weight = load<T>(at[p] + v * L);
      UNROLL for (int m = 0; m < M; m++) sum[p][v][m] += x[m * x_row + k] * weight;
    }
    UNROLL for (int p = 0; p < P; p++) at[p] += V * L;
  }
  UNROLL for (int p = 0; p < P; p++) UNROLL for (int v = 0; v < V; v++) UNROLL for (int m = 0; m < M; m++)
      store<T>(c + p * c_panel + m * c_row + v * L, sum[p][v][m]);
}

template <int M, int V, class T>
inline void add_few_panels(T* c, ptrdiff_t c_panel, ptrdiff_t c_row, const T* x, ptrdiff_t x_row, const T* w,
                           ptrdiff_t w_panel, ptrdiff_t depth, ptrdiff_t panels) {
  constexpr int P = panels_at_once<V>(M);
  for (ptrdiff_t p = 0; p < panels; p += P)
    with_int<P>(panels - p < P ? panels - p : P, [&](auto count) {
      add_few<M, decltype(count)::value, V, T>(c + p * c_panel, c_panel, c_row, x, x_row, w + p * w_panel, w_panel,
                                               depth);
    });
}

// `panels` neighbouring panels of the product, added to what c holds.
template <int V, class T>
inline void add_products(T* c, ptrdiff_t c_panel, ptrdiff_t c_row, ptrdiff_t rows,  // c[panels][rows][V * lanes]
                         const T* x, ptrdiff_t x_row,                               // x[rows, depth]
                         const T* w, ptrdiff_t w_panel, ptrdiff_t depth,            // [panels][depth][V][lanes]
                         ptrdiff_t panels) {
  constexpr int few = 8 / V;  // panels_at_once is 1 from here on
  if (rows >= 1 && rows <= few && panels > 1) {
    with_int<few>(rows, [&](auto m) {
      add_few_panels<decltype(m)::value, V, T>(c, c_panel, c_row, x, x_row, w, w_panel, depth, panels);
    });
    return;
  }
  for (ptrdiff_t p = 0; p < panels; p++)
    add_product<V, T>(c + p * c_panel, c_row, panel_width<V, T>, rows, true, x, x_row, 1, w + p * w_panel, depth);
}

// ---- backward ----

// h[t-1] of sequence n at a valid step t, or null: zeros.
template <class T, class A>
inline const T* state_before(const A& a, ptrdiff_t t, ptrdiff_t n) {
  if (t > valid_steps(a, n).begin) return static_cast<const T*>(a.y) + (t - 1) * a.y_t + n * a.y_n;
  return a.h0 ? static_cast<const T*>(a.h0) + n * a.h : nullptr;
}
