// What recurrent operators share: which steps of a sequence count, weights with the gates of a unit side by side, and
// the product of several panels of them.
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

// Rows of `depth` numbers -> the lanes of to[k * to_k]; row_of(l): where that of lane l lies, or null: zeros. Squares
// of lanes x lanes are turned over in registers, because number by number packing takes longer than a step of the
// recurrence.
template <class T, class F>
inline void pack_lanes(F row_of, ptrdiff_t depth, T* to, ptrdiff_t to_k) {
  constexpr ptrdiff_t L = lanes<T>;
  for (ptrdiff_t k = 0; k < depth; k += L) {
    ptrdiff_t some = depth - k < L ? depth - k : L;
    vec<T> row[L];
    for (ptrdiff_t l = 0; l < L; l++) {
      const T* from = row_of(l);
      row[l] = from ? load_lanes<T>(from + k, some) : vec<T>{};
    }
    transpose<T>(row);
    for (ptrdiff_t j = 0; j < some; j++) store<T>(to + (k + j) * to_k, row[j]);
  }
}

// `count` rows of w, of `depth` numbers each, one behind the other.
template <class T>
inline void pack_rows(const T* w, ptrdiff_t count, ptrdiff_t depth, T* to, ptrdiff_t to_k) {
  pack_lanes<T>([=](ptrdiff_t l) -> const T* { return l < count ? w + l * depth : nullptr; }, depth, to, to_k);
}

// w [blocks of h rows][depth] -> a panel [depth][G][lanes] of units u .. u + lanes: gate g is row block order[g]. Lanes
// beyond h are filled with zeros.
template <int G, class T>
inline void pack_gates(const T* w, const int (&order)[G], ptrdiff_t h, ptrdiff_t depth, ptrdiff_t u, T* panel) {
  constexpr ptrdiff_t L = lanes<T>;
  for (ptrdiff_t g = 0; g < G; g++) pack_rows<T>(w + (order[g] * h + u) * depth, h - u, depth, panel + g * L, G * L);
}

// The same for one gate and V vectors of units: [depth][V][lanes].
template <int V, class T>
inline void pack_units(const T* w, ptrdiff_t h, ptrdiff_t depth, ptrdiff_t u, T* panel) {
  constexpr ptrdiff_t L = lanes<T>;
  for (ptrdiff_t v = 0; v < V; v++) pack_rows<T>(w + (u + v * L) * depth, h - u - v * L, depth, panel + v * L, V * L);
}

// ---- the product of neighbouring panels, for any number of rows: few of them by one pass (thin.h) ----

// Panels that add_products takes side by side.
template <int V>
inline ptrdiff_t panels_at_once(ptrdiff_t rows) {
  return rows >= 1 && rows <= rows_for<V> && rows <= thin_rows ? thin_panels<V>(rows) : 1;
}

// `panels` neighbouring panels of the product, added to what c holds: the same bits as from add_product. far: the
// weights do not stay in the second-level cache from one pass to the next. Panels are walked through in parts of 128
// KB: backward through time is 2 % faster than by parts of 32 KB, forward it makes no difference.
template <int V, class T>
inline void add_products(T* c, ptrdiff_t c_panel, ptrdiff_t c_row, ptrdiff_t rows,  // c[panels][rows][V * lanes]
                         const T* x, ptrdiff_t x_row,                               // x[rows, depth]
                         const T* w, ptrdiff_t w_panel, ptrdiff_t depth,            // [panels][depth][V][lanes]
                         ptrdiff_t panels, bool far) {
  bool thin = rows >= 1 && rows <= rows_for<V> && rows <= thin_rows;
  ptrdiff_t most = panels_at_once<V>(rows);
  for (ptrdiff_t p = 0; p < panels; p += most) {
    Thin<T> product{c + p * c_panel, c_panel, c_row, x, x_row, w + p * w_panel, w_panel, depth};
    ptrdiff_t some = panels - p < most ? panels - p : most;
    if (thin && far) thin_product<true, V>(product, rows, some);
    else if (thin) thin_product<false, V>(product, rows, some);
    else add_product<V, T, product_far>(product.c, c_row, panel_width<V, T>, rows, true, x, x_row, 1, product.w, depth);
  }
}

// ---- the tail: the last panel, where the units that are left fill a part of its vectors only ----
//
// Of 130 units 2 are left for a ninth vector of 16 lanes: 8 sums of 4 gates, which took 4 vectors. With many rows the
// gates of these units stand side by side in as few vectors as they fill, [depth][vectors][lanes]. The sums lie in the
// row as ever, [G][lanes], and are moved together before the product and apart behind it, so that each is the same
// chain of additions and has the same bits. Forward passes on Zen 4 (AVX-512): an LSTM of 130 units 1.12 times as
// fast, one of 100 units 1.13.

// How many vectors the tail has for `rows` rows of i inputs and h units; 0: it is a panel like the others. Moving the
// sums costs a row about 4 * G steps of the panel in either product.
template <int G, class T>
inline ptrdiff_t tail_vectors(ptrdiff_t i, ptrdiff_t h, ptrdiff_t rows) {
  constexpr ptrdiff_t L = lanes<T>;
  ptrdiff_t vectors = (h % L * G + L - 1) / L;
  bool pays = rows > thin_rows && (G - vectors) * (i + h) >= 8 * L;
  return vectors > 0 && vectors < G && pays ? vectors : 0;
}

// As pack_gates, for the tail: units u .. h.
template <int G, class T>
inline void pack_tail(const T* w, const int (&order)[G], ptrdiff_t h, ptrdiff_t depth, ptrdiff_t u, ptrdiff_t vectors,
                      T* panel) {
  constexpr ptrdiff_t L = lanes<T>;
  ptrdiff_t left = h - u;
  for (ptrdiff_t v = 0; v < vectors; v++) {
    auto row_of = [&](ptrdiff_t l) -> const T* {
      ptrdiff_t j = v * L + l;
      return j < G * left ? w + (order[j / left] * h + u + j % left) * depth : nullptr;
    };
    pack_lanes<T>(row_of, depth, panel + v * L, vectors * L);
  }
}

// As add_product, for the tail of `left` units.
template <int G, class T>
inline void add_tail(T* c, ptrdiff_t c_row, ptrdiff_t rows,  // c[rows][G][lanes]
                     const T* x, ptrdiff_t x_row,            // x[rows, depth]
                     const T* w, ptrdiff_t depth,            // [depth][vectors][lanes]
                     ptrdiff_t left, ptrdiff_t vectors) {
  constexpr ptrdiff_t L = lanes<T>;
  auto move = [=](ptrdiff_t from, ptrdiff_t to) {
    for (ptrdiff_t row = 0; row < rows; row++) {
      vec<T> gate[G];
      UNROLL for (ptrdiff_t g = 0; g < G; g++) gate[g] = load<T>(c + row * c_row + g * from);
      UNROLL for (ptrdiff_t g = 0; g < G; g++) store<T>(c + row * c_row + g * to, gate[g]);
    }
  };
  move(L, left);  // what a gate has beyond its units is overwritten by the next gate
  with_int<G - 1>(vectors, [&](auto v) {
    add_product<decltype(v)::value, T>(c, c_row, vectors * L, rows, true, x, x_row, 1, w, depth);
  });
  move(left, L);
}

// ---- backward ----

// h[t-1] of sequence n at a valid step t, or null: zeros.
template <class T, class A>
inline const T* state_before(const A& a, ptrdiff_t t, ptrdiff_t n) {
  if (t > valid_steps(a, n).begin) return static_cast<const T*>(a.y) + (t - 1) * a.y_t + n * a.y_n;
  return a.h0 ? static_cast<const T*>(a.h0) + n * a.h : nullptr;
}
