// Backward through time, shared by the fast rungs of rnn_backward, lstm_backward and gru_backward.
//
// Only d', the gradients of the sums, must be found step by step; its products with x, h and w_ih are one big product
// each, for some steps at a time. A cell says how many sums a unit has (gates: blocks of d'), which blocks in a row
// belong to w_ih and to w_hh, which block of rows of the weights each of these is, and how d' of one vector of units is
// computed:
//
//   struct Cell {
//     static constexpr int gates, ih_first, ih_count, hh_first, hh_count, ih_order[ih_count], hh_order[hh_count];
//     // dh arrives at h[t]; writes d[gates], returns what goes to h[t-1] by another way than w_hh. dc: of a cell with
//     // a second state, the gradient of c[t] as later steps gave it; it becomes that of c[t-1]
//     static vec<T> unit(const A& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t u, ptrdiff_t count, vec<T> dh, vec<T>* d,
//                        vec<T>& dc);
//     static void fetch(const A& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t u);  // asks for what unit() will read
//     static T* db(const A& a, int which);      // of b_ih (0), of b_hh (1); or null
//     static const T* dcn(const A& a);          // what arrives at, and where to write what leaves the second state
//     static T* dc0(const A& a);                // [n, h], or null
//     static constexpr bool two_states;         // is there one?
//     // A GRU with the reset gate before the product has a second way: block `second` of d' goes through row block
//     // `second_order` of w_hh to q, before the rest of d' is known, and the right-hand side of that block's dw is q.
//     static constexpr int second, second_order;      // second < 0: there is none
//     static vec<T> unit2(const A& a, t, n, u, count, vec<T> dq, vec<T>* d);   // as unit
//     static const T* q(const A& a, ptrdiff_t t, ptrdiff_t n);
//   };
#pragma once
#include "../../simd/repeats.h"

// A matrix's columns as panels of at most 4 vectors (2 where there are 16 registers) whose widths differ by at most
// one: 65 columns of 16 lanes are 3 + 2 vectors, where panels of 2 vectors would make 6 of them, and blocks of 6 x 4 or
// 9 x 3 sums load less than those of 14 x 2. Panel p of `depth` rows begins at begin(p) * lanes * depth.
template <class T>
struct Columns {
  static constexpr int most = isa_registers == 32 ? 4 : 2;
  ptrdiff_t columns;
  ptrdiff_t vectors() const { return (columns + lanes<T> - 1) / lanes<T>; }
  ptrdiff_t panels() const { return (vectors() + most - 1) / most; }
  ptrdiff_t begin(ptrdiff_t p) const { return vectors() * p / panels(); }
  ptrdiff_t size(ptrdiff_t p) const { return begin(p + 1) - begin(p); }
  // Columns of panel p that there are.
  ptrdiff_t valid(ptrdiff_t p) const {
    ptrdiff_t end = begin(p + 1) * lanes<T>;
    return (end < columns ? end : columns) - begin(p) * lanes<T>;
  }
};

// `valid` numbers -> V whole vectors, the others 0.
template <class T>
inline void copy_row(const T* from, ptrdiff_t valid, T* to, ptrdiff_t vectors) {
  for (ptrdiff_t v = 0; v < vectors; v++) {
    ptrdiff_t left = valid - v * lanes<T>;
    store<T>(to + v * lanes<T>, left > 0 ? load_lanes<T>(from + v * lanes<T>, left) : vec<T>{});
  }
}

template <class Cell, class A, class T>
struct ThroughTime : Plain<A> {
  using Cut = Columns<T>;
  static constexpr ptrdiff_t L = lanes<T>;
  static ptrdiff_t least(ptrdiff_t x, ptrdiff_t y) { return x < y ? x : y; }

  // Units whose rows of dw are done together: one vector, or more where that is shorter than a block of rows. With 16
  // registers 24, which are 4 blocks of 6 rows: the whole of backward takes 5 to 9 % less than by 2 blocks of 4.
  static constexpr ptrdiff_t G_vectors = isa_registers == 16 && L > 1 ? 24 / L : L < 8 ? 8 / L : 1, G = G_vectors * L;

  // A row of d': each block's h units, the blocks one behind the other without gaps, so that the products sum over
  // nothing but them (with blocks of whole vectors the backward pass of an LSTM of 130 units took 8 % longer). The
  // row is longer, because `weights` reads whole groups from any unit on, and so that the distance of rows is no power
  // of 2, which would put all of them into one set of the cache.
  static ptrdiff_t d_row(const A& a) { return Cell::gates * a.h + G; }

  // The recurrent weights. Where they meet few rows at a time: panels of equal width, V vectors each, because thin.h
  // takes several of them side by side; otherwise the panels that fit the number of units best.
  static constexpr int wide = Cut::most;
  static bool is_thin(const A& a) { return a.n <= thin_rows; }
  static bool is_wide(const A& a) {
    ptrdiff_t rest = Cut{a.h}.vectors() % wide;
    return rest == 0 || rest == 3;
  }
  static ptrdiff_t h_width(const A& a) { return (is_wide(a) ? wide : 2) * L; }
  static ptrdiff_t h_panels(const A& a) { return is_thin(a) ? (a.h + h_width(a) - 1) / h_width(a) : Cut{a.h}.panels(); }
  static ptrdiff_t h_begin(const A& a, ptrdiff_t p) { return is_thin(a) ? p * h_width(a) : Cut{a.h}.begin(p) * L; }
  static ptrdiff_t h_row(const A& a) { return h_begin(a, h_panels(a)); }  // a row of dh and dc
  static ptrdiff_t h_depth(const A& a) { return Cell::hh_count * a.h; }
  static constexpr bool two = Cell::second >= 0;
  static ptrdiff_t i_depth(const A& a) { return Cell::ih_count * a.h; }

  // Right-hand sides of dw: x, h[t-1], and q.
  static Cut cut_of(const A& a, int which) { return Cut{which == 0 ? a.i : a.h}; }
  static constexpr int sides = two ? 3 : 2;

  // Steps done between two rounds of the big products: about 256 rows, so that d' stays in the second-level cache
  // and the sums of dw, which pass through memory each time, do so seldom.
  static ptrdiff_t chunk(const A& a) {
    ptrdiff_t steps = (255 + a.n) / (a.n > 0 ? a.n : 1);
    return steps < a.t ? steps : a.t;
  }

  // packed = w_hh [h_panels][h_depth][V][lanes], the same of w_hn [h][V][lanes] if there is a second way, and
  // w_ih [panels][i_depth][vectors][lanes]
  static ptrdiff_t q_depth(const A& a) { return two ? a.h : 0; }
  static size_t packed_bytes(const A& a) {
    return size_t(h_row(a) * (h_depth(a) + q_depth(a)) + cut_of(a, 0).vectors() * L * i_depth(a)) * sizeof(T);
  }
  static T* packed_of(const A& a) { return static_cast<T*>(const_cast<void*>(a.workspace.packed)); }
  static T* h_panel(const A& a, T* packed, ptrdiff_t p) { return packed + h_begin(a, p) * h_depth(a); }
  static T* q_panel(const A& a, T* packed, ptrdiff_t p) {
    return packed + h_row(a) * h_depth(a) + h_begin(a, p) * q_depth(a);
  }
  static T* i_panel(const A& a, T* packed, ptrdiff_t p) {
    return packed + h_row(a) * (h_depth(a) + q_depth(a)) + cut_of(a, 0).begin(p) * L * i_depth(a);
  }
  static void prepare(const A& a, void* packed, const Team& team) noexcept {
    constexpr int order[1] = {two ? Cell::second_order : 0};
    T* to = static_cast<T*>(packed);
    Cut cut = cut_of(a, 0);
    ptrdiff_t qs = two ? h_panels(a) : 0;
    auto width = [&](ptrdiff_t p) { return h_begin(a, p + 1) - h_begin(a, p); };
    auto valid = [&](ptrdiff_t p) { return least(width(p), a.h - h_begin(a, p)); };
    Range mine = share(h_panels(a) + qs + cut.panels(), team);
    for (ptrdiff_t p = mine.begin; p < mine.end; p++) {
      ptrdiff_t q = p - h_panels(a), i = q - qs;
      if (q < 0)
        pack<Cell::hh_count>(a, a.w_hh, a.h, Cell::hh_order, h_begin(a, p), valid(p), width(p) / L, h_panel(a, to, p));
      else if (i < 0) pack<1>(a, a.w_hh, a.h, order, h_begin(a, q), valid(q), width(q) / L, q_panel(a, to, q));
      else
        pack<Cell::ih_count>(a, a.w_ih, a.i, Cell::ih_order, cut.begin(i) * L, cut.valid(i), cut.size(i),
                             i_panel(a, to, i));
    }
  }
  template <int N>
  static void pack(const A& a, const void* w, ptrdiff_t columns, const int (&order)[N], ptrdiff_t first,
                   ptrdiff_t valid, ptrdiff_t vectors, T* panel) {
    for (ptrdiff_t g = 0; g < N; g++) {
      const T* from = static_cast<const T*>(w) + order[g] * a.h * columns + first;  // [h, columns]
      for (ptrdiff_t k = 0; k < a.h; k++)
        copy_row<T>(from + k * columns, valid, panel + (g * a.h + k) * vectors * L, vectors);
    }
  }

  // Where rows of x occur again (simd/repeats.h) their d' are added up first, over all chunks, and dw_ih is one product
  // of these sums with the distinct rows.
  using Rows = Repeats<T>;
  static ptrdiff_t most(const A& a) { return a.dw_ih ? Rows::most(a.t * a.n) : 0; }
  static ptrdiff_t repeats_size(const A& a) {
    if (most(a) == 0) return 0;
    return most(a) * (Cell::ih_count * groups(a) * G + side_row(a, 0)) + Rows::memory(a.t * a.n, a.i);
  }

  // scratch = d' [chunk * n][d_row], dh [n][h_row], and dc and dq if there are such, the right-hand sides of dw
  // [sides][panels][chunk * n][vectors][lanes], sums of dw if they cannot stand in dw, of repeated rows the sums
  // of d' [ih_count][groups][most][G] and the distinct ones [panels][most][vectors][lanes], and each member's columns
  // of d' [chunk * n][G]
  static ptrdiff_t states(const A& a) { return a.n * h_row(a) * (1 + (Cell::two_states ? 1 : 0) + (two ? 1 : 0)); }
  static ptrdiff_t side_row(const A& a, int which) { return cut_of(a, which).vectors() * L; }
  static size_t scratch_bytes(const A& a, int threads) {
    ptrdiff_t rights = 0, sums = 0;
    for (int which = 0; which < sides; which++) rights += side_row(a, which);
    for (int which = 0; which < 2; which++) sums += sums_size(a, which);
    return size_t(chunk(a) * a.n * (d_row(a) + rights + threads * G) + states(a) + sums + repeats_size(a)) * sizeof(T);
  }
  static T* d_of(const A& a, ptrdiff_t row) { return static_cast<T*>(a.workspace.scratch) + row * d_row(a); }
  static T* dh_of(const A& a, ptrdiff_t n) { return d_of(a, chunk(a) * a.n) + n * h_row(a); }
  static T* second_of(const A& a, ptrdiff_t n) { return dh_of(a, a.n + n); }  // dc or dq
  static T* right_of(const A& a, int which, ptrdiff_t p) {
    T* to = d_of(a, chunk(a) * a.n) + states(a);
    for (int s = 0; s < which; s++) to += chunk(a) * a.n * side_row(a, s);
    return to + chunk(a) * a.n * cut_of(a, which).begin(p) * L;
  }
  static T* columns_of(const A& a, ptrdiff_t rank) {
    return right_of(a, sides, 0) + sums_size(a, 0) + sums_size(a, 1) + repeats_size(a) + rank * chunk(a) * a.n * G;
  }
  static Rows rows_of(const A& a) {
    return Rows::in(right_of(a, sides, 0) + sums_size(a, 0) + sums_size(a, 1), a.t * a.n, a.i);
  }
  static bool repeats(const A& a) { return most(a) > 0 && rows_of(a).found(); }
  // Of block g of d' and units u ..; of panel p of x.
  static T* repeated_d(const A& a, int g, ptrdiff_t u) {
    T* first = right_of(a, sides, 0) + sums_size(a, 0) + sums_size(a, 1) + Rows::memory(a.t * a.n, a.i);
    return first + ((g - Cell::ih_first) * groups(a) + u / G) * most(a) * G;
  }
  static T* repeated_x(const A& a, ptrdiff_t p) {
    return repeated_d(a, Cell::ih_first + Cell::ih_count, 0) + most(a) * cut_of(a, 0).begin(p) * L;
  }

  // The sums of dw pass from chunk to chunk in dw itself where its rows are whole vectors; otherwise in scratch memory,
  // in rows that are: a row's last vector would be a matter of single numbers every time.
  static ptrdiff_t dw_rows(const A& a, int which) {
    return (which ? Cell::hh_count + (two ? 1 : 0) : Cell::ih_count) * a.h;
  }
  static bool in_place(const A& a, int which) { return (which ? a.h : a.i) % L == 0 || chunk(a) >= a.t; }
  static ptrdiff_t sums_size(const A& a, int which) {
    return in_place(a, which) ? 0 : dw_rows(a, which) * side_row(a, which);
  }
  static T* dw_of(const A& a, int which) { return static_cast<T*>(which ? a.dw_hh : a.dw_ih); }
  static T* sums_of(const A& a, int which) {
    if (in_place(a, which)) return dw_of(a, which);
    return right_of(a, sides, 0) + (which ? sums_size(a, 0) : 0);
  }

  // As in the forward pass (ops/gru/steps.h): sequences are shared out while w_hh fits into everybody's cache.
  static bool by_batch(const A& a, const Team& team) {
    return a.n >= 4 * team.size && size_t(h_row(a) * h_depth(a)) * sizeof(T) <= (1 << 20);
  }

  static void run(const A& a, const Team& team) noexcept {
    bool alone = by_batch(a, team);
    Range rows = alone ? share(a.n, team) : Range{0, a.n};
    Range panels = alone ? Range{0, h_panels(a)} : share(h_panels(a), team);
    begin(a, rows, panels);
    find_repeats(a, team);
    if (a.t == 0) clear(a, team);
    for (ptrdiff_t end = a.t; end > 0; end -= chunk(a)) {
      ptrdiff_t first = end > chunk(a) ? end - chunk(a) : 0;
      for (ptrdiff_t t = end - 1; t >= first; t--) {
        gate_gradients(a, t, t - first, rows, panels);
        if (!alone) team.barrier(&team);
        if constexpr (two) {
          second_way(a, t, t - first, rows, panels);
          if (!alone) team.barrier(&team);
        }
        back_one_step(a, t - first, rows, panels);
      }
      for (int which = repeats(a) ? 1 : 0; which < sides; which++) {
        Range mine = share(cut_of(a, which).panels(), team);
        for (ptrdiff_t p = mine.begin; p < mine.end; p++) pack_right(a, first, end, which, p);
      }
      team.barrier(&team);
      if (a.dx) inputs(a, first, end, team);
      Range items = share(Cell::gates * groups(a), team);
      for (ptrdiff_t item = items.begin; item < items.end; item++)
        weights(a, first, end, int(item / groups(a)), item % groups(a) * G, columns_of(a, team.rank));
      team.barrier(&team);  // the next chunk overwrites d'
    }
    finish(a, rows, panels, team);
  }

  static void find_repeats(const A& a, const Team& team) {
    if (most(a) == 0) return;
    const T* x = static_cast<const T*>(a.x);
    Rows same = rows_of(a);
    if (team.rank == 0)
      same.find(a.n, [&](ptrdiff_t t, ptrdiff_t n) { return is_valid(a, t, n) ? x + t * a.x_t + n * a.x_n : nullptr; });
    team.barrier(&team);
    if (!same.found()) return;
    Cut cut = cut_of(a, 0);
    Range mine = share(cut.panels(), team);
    for (ptrdiff_t p = mine.begin; p < mine.end; p++)
      for (ptrdiff_t k = 0; k < *same.count; k++)
        copy_row<T>(same.rows + k * a.i + cut.begin(p) * L, cut.valid(p), repeated_x(a, p) + k * cut.size(p) * L,
                    cut.size(p));
  }

  // What arrives at the last step from beyond it: dhn and dcn.
  static void begin(const A& a, Range rows, Range panels) {
    const T* dhn = static_cast<const T*>(a.dhn);  // [n, h] or null
    Range all = {h_begin(a, panels.begin), h_begin(a, panels.end)};
    for (ptrdiff_t n = rows.begin; n < rows.end; n++) {
      T *dh = dh_of(a, n), *dc = Cell::two_states ? second_of(a, n) : nullptr;
      for (ptrdiff_t u = all.begin; u < all.end; u++) {
        dh[u] = dhn && u < a.h ? dhn[n * a.h + u] : T(0);
        if constexpr (Cell::two_states) {
          const T* dcn = Cell::dcn(a);
          dc[u] = dcn && u < a.h ? dcn[n * a.h + u] : T(0);
        }
      }
    }
  }

  static Range units_of(const A& a, Range panels) {
    return {h_begin(a, panels.begin), least(h_begin(a, panels.end), a.h)};
  }

  // d' of step t; of dh remains what does not go through w_hh.
  // On a copy of the arguments: a store of a vector may change anything whose address is known, and each number of
  // `a` would be read again after it.
  static void gate_gradients(const A& args, ptrdiff_t t, ptrdiff_t in_chunk, Range rows, Range panels) {
    const A a = args;
    const T* dy = static_cast<const T*>(a.dy);  // or null
    Range mine = units_of(a, panels);
    // Where rows lie takes divisions: asked once, not for each vector (half the time of an Elman layer's gates).
    T *d_rows = d_of(a, in_chunk * a.n), *dh_rows = dh_of(a, 0),
      *dc_rows = Cell::two_states ? second_of(a, 0) : nullptr;
    ptrdiff_t d_step = d_row(a), dh_step = h_row(a);
    for (ptrdiff_t n = rows.begin; n < rows.end; n++) {
      bool valid = is_valid(a, t, n);
      T *to = d_rows + n * d_step, *dh_row = dh_rows + n * dh_step;
      T* dc_row = Cell::two_states ? dc_rows + n * dh_step : nullptr;
      const T* dy_row = dy ? dy + t * a.dy_t + n * a.dy_n : nullptr;
      for (ptrdiff_t u = mine.begin; u < mine.end; u += L) {
        ptrdiff_t count = a.h - u;
        vec<T> d[Cell::gates] = {};
        if (valid) {
          if constexpr (isa_registers == 16) Cell::fetch(a, t, n + 2, u);  // from far: 1.03 (GRU) to 1.05 times as fast
          vec<T> dh = load<T>(dh_row + u), dc = {};
          if (dy) dh += load_lanes<T>(dy_row + u, count);
          if constexpr (Cell::two_states) dc = load<T>(dc_row + u);
          store<T>(dh_row + u, Cell::unit(a, t, n, u, count, dh, d, dc));
          if constexpr (Cell::two_states) store<T>(dc_row + u, dc);
        }
        for (int g = 0; g < Cell::gates; g++) store_lanes<T>(to + g * a.h + u, d[g], count);
      }
    }
  }

  // to += d' of some blocks * w, for some panels of units
  static void product(const A& a, T* to, const T* d, const T* w, ptrdiff_t depth, Range rows, Range panels) {
    if (!is_thin(a)) {
      Cut cut{a.h};
      T* first = to + rows.begin * h_row(a);
      for (ptrdiff_t p = panels.begin; p < panels.end; p++)
        panel_product(cut, p, first, h_row(a), cut.size(p) * L, rows.end - rows.begin, true, d, d_row(a), 1,
                      w + h_begin(a, p) * depth, depth);
      return;
    }
    ptrdiff_t count = panels.end - panels.begin, size = depth * h_width(a);
    bool far = count * size * ptrdiff_t(sizeof(T)) > thin_near;
    T* c = to + rows.begin * h_row(a) + panels.begin * h_width(a);
    auto times = [&](auto v) {
      add_products<decltype(v)::value, T>(c, h_width(a), h_row(a), rows.end - rows.begin, d, d_row(a),
                                          w + panels.begin * size, size, depth, count, far);
    };
    if (count == 0) return;
    if (is_wide(a)) times(Int<wide>{});
    else times(Int<2>{});
  }

  // dq = d' of block `second` * w_hh, and the blocks that follow from it.
  static void second_way(const A& a, ptrdiff_t t, ptrdiff_t in_chunk, Range rows, Range panels) {
    Range mine = units_of(a, panels), all = {h_begin(a, panels.begin), h_begin(a, panels.end)};
    T *d_rows = d_of(a, in_chunk * a.n), *dh_rows = dh_of(a, 0), *dq_rows = second_of(a, 0);
    ptrdiff_t d_step = d_row(a), dh_step = h_row(a);
    for (ptrdiff_t n = rows.begin; n < rows.end; n++)
      for (ptrdiff_t u = all.begin; u < all.end; u++) dq_rows[n * dh_step + u] = T(0);
    product(a, dq_rows, d_rows + rows.begin * d_step + Cell::second * a.h, q_panel(a, packed_of(a), 0), a.h, rows,
            panels);
    for (ptrdiff_t n = rows.begin; n < rows.end; n++) {
      if (!is_valid(a, t, n)) continue;
      for (ptrdiff_t u = mine.begin; u < mine.end; u += L) {
        T *row = d_rows + n * d_step + u, *dh = dh_rows + n * dh_step + u;
        vec<T> d[Cell::gates];
        for (int g = 0; g < Cell::gates; g++) d[g] = load_lanes<T>(row + g * a.h, a.h - u);
        store<T>(dh, load<T>(dh) + Cell::unit2(a, t, n, u, a.h - u, load<T>(dq_rows + n * dh_step + u), d));
        for (int g = 0; g < Cell::gates; g++) store_lanes<T>(row + g * a.h, d[g], a.h - u);
      }
    }
  }

  // dh of step t-1 += d'[t] * w_hh
  static void back_one_step(const A& a, ptrdiff_t in_chunk, Range rows, Range panels) {
    product(a, dh_of(a, 0), d_of(a, in_chunk * a.n + rows.begin) + Cell::hh_first * a.h, h_panel(a, packed_of(a), 0),
            h_depth(a), rows, panels);
  }

  // Panel p of a product, into rows of c. short_by_one: without its last vector.
  static void panel_product(const Cut& cut, ptrdiff_t p, T* c, ptrdiff_t c_row, ptrdiff_t columns, ptrdiff_t rows,
                            bool accumulate, const T* x, ptrdiff_t x_row, ptrdiff_t x_k, const T* panel,
                            ptrdiff_t depth, bool short_by_one = false) {
    with_int<Cut::most>(cut.size(p), [&](auto v) {
      constexpr int V = decltype(v)::value;
      T* to = c + cut.begin(p) * L;
      if (!short_by_one) return add_product<V, T>(to, c_row, columns, rows, accumulate, x, x_row, x_k, panel, depth);
      if constexpr (V > 1)
        add_product<V - 1, T, product_near, V>(to, c_row, (V - 1) * L, rows, accumulate, x, x_row, x_k, panel, depth);
    });
  }

  // dx = d' * w_ih, each member some of the steps.
  static void inputs(const A& a, ptrdiff_t first, ptrdiff_t end, const Team& team) {
    Cut cut = cut_of(a, 0);
    Range steps = share(end - first, team);
    ptrdiff_t all = (steps.end - steps.begin) * a.n;
    // Equal distances from row to row make it one product; otherwise it is one for each step.
    bool even = a.n == 1 || a.dx_t == a.n * a.dx_n;
    ptrdiff_t rows = even ? all : a.n, dx_row = a.n == 1 ? a.dx_t : a.dx_n;
    for (ptrdiff_t row = 0; row < all; row += rows)
      for (ptrdiff_t p = 0; p < cut.panels(); p++) {
        T* dx = static_cast<T*>(a.dx) + (first + steps.begin + row / a.n) * a.dx_t;
        const T* d = d_of(a, steps.begin * a.n + row) + Cell::ih_first * a.h;
        panel_product(cut, p, dx, dx_row, cut.valid(p), rows, false, d, d_row(a), 1, i_panel(a, packed_of(a), p),
                      i_depth(a));
      }
  }

  // Panel p of x (which = 0), of h[t-1] (1) or of q (2), of the chunk's rows: the right-hand sides of dw. At steps that
  // are not valid 0, because there x may be anything, and 0 times NaN would be NaN.
  static void pack_right(const A& a, ptrdiff_t first, ptrdiff_t end, int which, ptrdiff_t p) {
    with_int<Cut::most>(cut_of(a, which).size(p), [&](auto v) {
      T* to = right_of(a, which, p);
      for (ptrdiff_t t = first; t < end; t++, to += a.n * decltype(v)::value * L) {
        if (a.lengths || which == 2) pack_some<decltype(v)::value>(a, t, which, p, to);
        else pack_step<decltype(v)::value>(a, t, which, p, to);
      }
    });
  }

  // All rows of step t are valid and lie at equal distances. (Asked row by row where they lie and whether they are
  // valid, copying them was a seventh of an Elman layer's backward pass.) Its next columns are the next panel's.
  template <int V>
  static void pack_step(const A& a, ptrdiff_t t, int which, ptrdiff_t p, T* to) {
    Cut cut = cut_of(a, which);
    const T* from = which ? state_before<T>(a, t, 0) : static_cast<const T*>(a.x) + t * a.x_t;  // or null
    ptrdiff_t n = a.n, valid = cut.valid(p), row = !which ? a.x_n : from == a.h0 ? a.h : a.y_n;
    if (!from) {
      __builtin_memset(to, 0, size_t(n * V * L) * sizeof(T));
    } else if (valid == V * L) {
      from += cut.begin(p) * L;
      for (ptrdiff_t k = 0; k < n; k++, from += row, to += V * L) {
        __builtin_prefetch(from + V * L);
        UNROLL for (int v = 0; v < V; v++) store<T>(to + v * L, load<T>(from + v * L));
      }
    } else {
      from += cut.begin(p) * L;
      for (ptrdiff_t k = 0; k < n; k++, from += row, to += V * L) copy_row<T>(from, valid, to, V);
    }
  }

  template <int V>
  static void pack_some(const A& a, ptrdiff_t t, int which, ptrdiff_t p, T* to) {
    Cut cut = cut_of(a, which);
    ptrdiff_t column = cut.begin(p) * L;
    for (ptrdiff_t n = 0; n < a.n; n++, to += V * L) {
      const T* from = static_cast<const T*>(a.x) + t * a.x_t + n * a.x_n;
      if (which == 1) from = state_before<T>(a, t, n);
      if constexpr (two)
        if (which == 2) from = Cell::q(a, t, n);
      bool some = from && is_valid(a, t, n);
      copy_row<T>(some ? from + column : nullptr, some ? cut.valid(p) : 0, to, V);
    }
  }

  // dw_hh, dw_ih and db of at most G units, u and those behind it, of block g of d'. Their columns are copied together
  // first: the product runs down the rows, and at the distance of a row every number would lie in another page.
  static ptrdiff_t groups(const A& a) { return (a.h + G - 1) / G; }
  static void weights(const A& a, ptrdiff_t first, ptrdiff_t end, int g, ptrdiff_t u, T* columns) {
    ptrdiff_t count = least(G, a.h - u), rows = (end - first) * a.n;
    bool accumulate = end < a.t;  // onto the sums of the chunks before
    bool apart_x = repeats(a) && g >= Cell::ih_first && g < Cell::ih_first + Cell::ih_count;
    vec<T> sum[G_vectors] = {};
    const T* from = d_of(a, 0) + g * a.h + u;
    ptrdiff_t from_row = d_row(a);
    for (ptrdiff_t row = 0; row < rows; row++, from += from_row) UNROLL for (ptrdiff_t v = 0; v < G_vectors; v++) {
        vec<T> d = load<T>(from + v * L);
        store<T>(columns + row * G + v * L, d);
        sum[v] += d;
      }
    if (apart_x) repeated_weights(a, first, end, g, u, columns);
    for (int which = 0; which < 2; which++) {
      int in = g - (which ? Cell::hh_first : Cell::ih_first);
      bool apart = two && which && g == Cell::second;  // its right-hand side is q
      if (!apart && (in < 0 || in >= (which ? Cell::hh_count : Cell::ih_count))) continue;
      int block = apart ? Cell::second_order : which ? Cell::hh_order[in] : Cell::ih_order[in];
      ptrdiff_t row = block * a.h + u;
      if (T* db = Cell::db(a, which))
        for (ptrdiff_t k = 0; k < count; k++)
          db[row + k] = (accumulate ? db[row + k] : T(0)) + get_lane<T>(sum[k / L], k % L);
      if (!dw_of(a, which) || (which == 0 && apart_x)) continue;
      Cut cut = cut_of(a, which);
      ptrdiff_t c_row = in_place(a, which) ? cut.columns : side_row(a, which);
      T* c = sums_of(a, which) + row * c_row;
      for (ptrdiff_t p = 0; p < cut.panels(); p++) {
        const T* right = right_of(a, apart ? 2 : which, p);
        bool last = few(cut) > 0 && p == cut.panels() - 1;
        panel_product(cut, p, c, c_row, in_place(a, which) ? cut.valid(p) : cut.size(p) * L, count, accumulate, columns,
                      1, G, right, rows, last);
        if (last) few_columns(cut, c, c_row, count, accumulate, columns, right, rows);
      }
    }
  }

  // Columns in the last vector of a right-hand side, if they are so few that they are better done the other way round:
  // each as a row of a product whose columns are those of d'. (Of 130 units 2 would be a ninth vector of 16 lanes, and
  // an input of 2 numbers one of its own. Backward passes on Zen 4: an LSTM of 130 units 1.04 times as fast, a GRU of
  // 64 units on an input of 1 number 1.05, 100 units 1.01.)
  static ptrdiff_t few(const Cut& cut) {
    ptrdiff_t rest = cut.columns % L;
    return rest <= L / 4 ? rest : 0;
  }
  static void few_columns(const Cut& cut, T* c, ptrdiff_t c_row, ptrdiff_t count, bool accumulate, const T* columns,
                          const T* right, ptrdiff_t rows) {
    T turned[(L / 4 + 1) * G];  // [few][G]
    ptrdiff_t size = cut.size(cut.panels() - 1) * L, some = few(cut);
    c += cut.columns - some;
    for (ptrdiff_t j = 0; j < some; j++)
      for (ptrdiff_t k = 0; k < G; k++) turned[j * G + k] = accumulate && k < count ? c[k * c_row + j] : T(0);
    add_product<G_vectors, T>(turned, G, G, some, true, right + size - L, 1, size, columns, rows);
    for (ptrdiff_t j = 0; j < some; j++)
      for (ptrdiff_t k = 0; k < count; k++) c[k * c_row + j] = turned[j * G + k];
  }

  // Adds these columns of d' up by rows of x, and makes dw_ih of them when the last chunk is done.
  static void repeated_weights(const A& a, ptrdiff_t first, ptrdiff_t end, int g, ptrdiff_t u, const T* columns) {
    Rows same = rows_of(a);
    T* sums = repeated_d(a, g, u);
    const int32_t *id = same.ids + first * a.n, *last = same.ids + end * a.n;
    if (end == a.t) __builtin_memset(sums, 0, size_t(*same.count * G) * sizeof(T));
    for (; id < last; id++, columns += G) {
      if (*id < 0) continue;  // not valid
      T* to = sums + *id * G;
      UNROLL for (ptrdiff_t v = 0; v < G; v += L) store<T>(to + v, load<T>(to + v) + load<T>(columns + v));
    }
    if (first > 0) return;
    Cut cut = cut_of(a, 0);
    ptrdiff_t row = Cell::ih_order[g - Cell::ih_first] * a.h + u;
    for (ptrdiff_t p = 0; p < cut.panels(); p++)
      panel_product(cut, p, dw_of(a, 0) + row * a.i, a.i, cut.valid(p), least(G, a.h - u), false, sums, 1, G,
                    repeated_x(a, p), *same.count);
  }

  // No steps: the gradients of the weights are 0.
  static void clear(const A& a, const Team& team) {
    if (team.rank != 0) return;
    for (int which = 0; which < 2; which++) {
      T *dw = dw_of(a, which), *db = Cell::db(a, which);
      if (dw) __builtin_memset(dw, 0, size_t(dw_rows(a, which) * cut_of(a, which).columns) * sizeof(T));
      if (db) __builtin_memset(db, 0, size_t(dw_rows(a, which)) * sizeof(T));
    }
  }

  // dh0 and dc0, and dw where its sums are elsewhere.
  static void finish(const A& a, Range rows, Range panels, const Team& team) {
    Range mine = units_of(a, panels);
    for (ptrdiff_t n = rows.begin; n < rows.end; n++)
      for (ptrdiff_t u = mine.begin; u < mine.end; u++) {
        if (a.dh0) static_cast<T*>(a.dh0)[n * a.h + u] = dh_of(a, n)[u];
        if constexpr (Cell::two_states)
          if (T* dc0 = Cell::dc0(a)) dc0[n * a.h + u] = second_of(a, n)[u];
      }
    for (int which = 0; which < 2; which++) {
      if (!dw_of(a, which) || in_place(a, which) || (which == 0 && repeats(a))) continue;
      Range lines = share(dw_rows(a, which), team);
      ptrdiff_t columns = cut_of(a, which).columns;
      for (ptrdiff_t row = lines.begin; row < lines.end; row++)
        for (ptrdiff_t k = 0; k < columns; k += L)
          store_lanes<T>(dw_of(a, which) + row * columns + k, load<T>(sums_of(a, which) + row * side_row(a, which) + k),
                         columns - k);
    }
  }
};
