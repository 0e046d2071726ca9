// Backward through time for cells whose one state is h, shared by the fast rungs of rnn_backward and gru_backward.
//
// Only d', the gradients of the sums, must be found step by step; its products with x, h and w_ih are one big product
// each, for some steps at a time. A cell says how many sums a unit has (gates: blocks of d'), which blocks in a row
// belong to w_ih and to w_hh, which block of rows of the weights each of these is, and how d' of one vector of units is
// computed:
//
//   struct Cell {
//     static constexpr int gates, ih_first, ih_count, hh_first, hh_count, ih_order[ih_count], hh_order[hh_count];
//     // dh arrives at h[t]; writes d[gates], returns what goes to h[t-1] by another way than w_hh
//     static vec<T> unit(const A& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t u, ptrdiff_t count, vec<T> dh, vec<T>* d);
//     static T* db(const A& a, int which);      // of b_ih (0), of b_hh (1); or null
//     // A GRU with the reset gate before the product has a second way: block `second` of d' goes through row block
//     // `second_order` of w_hh to q, before the rest of d' is known, and the right-hand side of that block's dw is q.
//     static constexpr int second, second_order;      // second < 0: there is none
//     static vec<T> unit2(const A& a, t, n, u, count, vec<T> dq, vec<T>* d);   // as unit
//     static const T* q(const A& a, ptrdiff_t t, ptrdiff_t n);
//   };
#pragma once

template <class Cell, class A, class T>
struct ThroughTime : Plain<A> {
  static constexpr int V = 2;
  static constexpr ptrdiff_t L = lanes<T>, width = panel_width<V, T>;

  // A row of d': each block's h units rounded up to whole vectors, with zeros beyond. It is longer still, because
  // `weights` reads whole vectors from any unit on, and so that the distance of rows is no power of 2, which would put
  // all of them into one set of the cache.
  static constexpr ptrdiff_t G = rows_for<V>, G_vectors = (G + L - 1) / L;  // rows of dw that are done together
  static ptrdiff_t units(const A& a) { return (a.h + L - 1) / L * L; }
  static ptrdiff_t d_row(const A& a) { return Cell::gates * units(a) + G_vectors * L; }
  static ptrdiff_t h_panels(const A& a) { return panel_count<V, T>(a.h); }
  static ptrdiff_t i_panels(const A& a) { return panel_count<V, T>(a.i); }
  static ptrdiff_t h_depth(const A& a) { return Cell::hh_count * units(a); }
  static constexpr bool two = Cell::second >= 0;
  static ptrdiff_t q_panels(const A& a) { return two ? h_panels(a) : 0; }
  static ptrdiff_t i_depth(const A& a) { return Cell::ih_count * units(a); }

  // Steps done between two rounds of the big products: about 256 rows, so that d' stays in the second-level cache
  // and the sums of dw, which pass through memory each time, do so seldom.
  static ptrdiff_t chunk(const A& a) {
    ptrdiff_t steps = (255 + a.n) / (a.n > 0 ? a.n : 1);
    return steps < a.t ? steps : a.t;
  }

  // packed = w_hh [h_panels][h_depth][V][lanes], w_ih [i_panels][i_depth][V][lanes], w_hn [q_panels][units][V][lanes]
  static size_t packed_bytes(const A& a) {
    return size_t((h_panels(a) * h_depth(a) + i_panels(a) * i_depth(a) + q_panels(a) * units(a)) * width) * sizeof(T);
  }
  static T* h_panel(const A& a, void* packed, ptrdiff_t p) { return static_cast<T*>(packed) + p * h_depth(a) * width; }
  static T* i_panel(const A& a, void* packed, ptrdiff_t p) {
    return h_panel(a, packed, h_panels(a)) + p * i_depth(a) * width;
  }
  static T* q_panel(const A& a, void* packed, ptrdiff_t p) {
    return i_panel(a, packed, i_panels(a)) + p * units(a) * width;
  }
  static void prepare(const A& a, void* packed, const Team& team) noexcept {
    constexpr int order[1] = {two ? Cell::second_order : 0};
    Range mine = share(h_panels(a) + i_panels(a) + q_panels(a), team);
    for (ptrdiff_t p = mine.begin; p < mine.end; p++) {
      ptrdiff_t i = p - h_panels(a), q = i - i_panels(a);
      if (i < 0) pack<Cell::hh_count>(a, a.w_hh, a.h, Cell::hh_order, p, h_panel(a, packed, p));
      else if (q < 0) pack<Cell::ih_count>(a, a.w_ih, a.i, Cell::ih_order, i, i_panel(a, packed, i));
      else pack<1>(a, a.w_hh, a.h, order, q, q_panel(a, packed, q));
    }
  }
  template <int N>
  static void pack(const A& a, const void* w, ptrdiff_t columns, const int (&order)[N], ptrdiff_t p, T* panel) {
    for (ptrdiff_t g = 0; g < N; g++) {
      T* rows = panel + g * units(a) * width;
      pack_panel<V, T>(static_cast<const T*>(w) + order[g] * a.h * columns, columns, 1, a.h, columns, p, rows);
      for (ptrdiff_t k = a.h * width; k < units(a) * width; k++) rows[k] = T(0);
    }
  }

  // scratch = d' [chunk * n][d_row], dh [n][h_panels * width], the right-hand sides of dw
  // [h_panels + i_panels + q_panels][chunk * n][V][lanes], dq [n][q_panels * width], and each member's columns of d'
  // [chunk * n][G] + one vector
  static ptrdiff_t columns_size(const A& a) { return (chunk(a) * a.n * G + L) / L * L + L; }
  static ptrdiff_t rights(const A& a) { return h_panels(a) + i_panels(a) + q_panels(a); }
  static size_t scratch_bytes(const A& a, int threads) {
    ptrdiff_t row = d_row(a) + rights(a) * width, states = (h_panels(a) + q_panels(a)) * width;
    return size_t(chunk(a) * a.n * row + a.n * states + threads * columns_size(a)) * sizeof(T);
  }
  static T* d_of(const A& a, ptrdiff_t row) { return static_cast<T*>(a.workspace.scratch) + row * d_row(a); }
  static T* dh_of(const A& a, ptrdiff_t n) { return d_of(a, chunk(a) * a.n) + n * h_panels(a) * width; }
  static T* right_of(const A& a, ptrdiff_t p) { return dh_of(a, a.n) + p * chunk(a) * a.n * width; }
  static T* dq_of(const A& a, ptrdiff_t n) { return right_of(a, rights(a)) + n * q_panels(a) * width; }
  static T* columns_of(const A& a, ptrdiff_t rank) { return dq_of(a, a.n) + rank * columns_size(a); }

  // As in the forward pass (ops/gru/steps.h): sequences are shared out while w_hh fits into everybody's cache.
  static bool by_batch(const A& a, const Team& team) {
    return a.n >= 4 * team.size && size_t(h_panels(a) * h_depth(a) * width) * sizeof(T) <= (1 << 20);
  }

  static void run(const A& a, const Team& team) noexcept {
    bool alone = by_batch(a, team);
    Range rows = alone ? share(a.n, team) : Range{0, a.n};
    Range panels = alone ? Range{0, h_panels(a)} : share(h_panels(a), team);
    begin(a, rows, panels);
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
      Range right = share(rights(a), team), items = share(Cell::gates * groups(a), team);
      for (ptrdiff_t p = right.begin; p < right.end; p++) pack_rows(a, first, end, p);
      team.barrier(&team);
      if (a.dx) inputs(a, first, end, team);
      for (ptrdiff_t item = items.begin; item < items.end; item++)
        weights(a, first, end, int(item / groups(a)), item % groups(a), columns_of(a, team.rank));
      team.barrier(&team);  // the next chunk overwrites d'
    }
    for (ptrdiff_t n = rows.begin; n < rows.end && a.dh0; n++)
      for (ptrdiff_t u = panels.begin * width; u < least(panels.end * width, a.h); u++)
        static_cast<T*>(a.dh0)[n * a.h + u] = dh_of(a, n)[u];
  }

  static ptrdiff_t least(ptrdiff_t x, ptrdiff_t y) { return x < y ? x : y; }

  // What arrives at the last step from beyond it: dhn.
  static void begin(const A& a, Range rows, Range panels) {
    const T* dhn = static_cast<const T*>(a.dhn);  // [n, h] or null
    for (ptrdiff_t n = rows.begin; n < rows.end; n++)
      for (ptrdiff_t u = panels.begin * width; u < panels.end * width; u++)
        dh_of(a, n)[u] = dhn && u < a.h ? dhn[n * a.h + u] : T(0);
  }

  // d' of step t; of dh remains what does not go through w_hh.
  static void gate_gradients(const A& a, ptrdiff_t t, ptrdiff_t in_chunk, Range rows, Range panels) {
    const T* dy = static_cast<const T*>(a.dy);  // or null
    for (ptrdiff_t n = rows.begin; n < rows.end; n++) {
      bool valid = is_valid(a, t, n);
      for (ptrdiff_t u = panels.begin * width; u < least(panels.end * width, a.h); u += L) {
        ptrdiff_t count = a.h - u;
        vec<T> d[Cell::gates] = {};
        if (valid) {
          vec<T> dh = load<T>(dh_of(a, n) + u);
          if (dy) dh += load_lanes<T>(dy + t * a.dy_t + n * a.dy_n + u, count);
          store<T>(dh_of(a, n) + u, Cell::unit(a, t, n, u, count, dh, d));
        }
        for (int g = 0; g < Cell::gates; g++) store<T>(d_of(a, in_chunk * a.n + n) + g * units(a) + u, d[g]);
      }
    }
  }

  // dq = d' of block `second` * w_hh, and the blocks that follow from it.
  static void second_way(const A& a, ptrdiff_t t, ptrdiff_t in_chunk, Range rows, Range panels) {
    ptrdiff_t count = panels.end - panels.begin, size = count * units(a) * width;
    for (ptrdiff_t n = rows.begin; n < rows.end; n++)
      for (ptrdiff_t u = panels.begin * width; u < panels.end * width; u++) dq_of(a, n)[u] = T(0);
    if (count > 0)
      add_products<V, T>(dq_of(a, rows.begin) + panels.begin * width, width, q_panels(a) * width, rows.end - rows.begin,
                         d_of(a, in_chunk * a.n + rows.begin) + Cell::second * units(a), d_row(a),
                         q_panel(a, const_cast<void*>(a.workspace.packed), panels.begin), units(a) * width, units(a),
                         count, size * ptrdiff_t(sizeof(T)) > thin_near);
    for (ptrdiff_t n = rows.begin; n < rows.end; n++)
      for (ptrdiff_t u = panels.begin * width; u < least(panels.end * width, a.h) && is_valid(a, t, n); u += L) {
        T *row = d_of(a, in_chunk * a.n + n) + u, *dh = dh_of(a, n) + u;
        vec<T> d[Cell::gates];
        for (int g = 0; g < Cell::gates; g++) d[g] = load<T>(row + g * units(a));
        store<T>(dh, load<T>(dh) + Cell::unit2(a, t, n, u, a.h - u, load<T>(dq_of(a, n) + u), d));
        for (int g = 0; g < Cell::gates; g++) store<T>(row + g * units(a), d[g]);
      }
  }

  // dh of step t-1 += d'[t] * w_hh
  static void back_one_step(const A& a, ptrdiff_t in_chunk, Range rows, Range panels) {
    if (panels.begin < panels.end)
      add_products<V, T>(dh_of(a, rows.begin) + panels.begin * width, width, h_panels(a) * width, rows.end - rows.begin,
                         d_of(a, in_chunk * a.n + rows.begin) + Cell::hh_first * units(a), d_row(a),
                         h_panel(a, const_cast<void*>(a.workspace.packed), panels.begin), h_depth(a) * width,
                         h_depth(a), panels.end - panels.begin,
                         (panels.end - panels.begin) * h_depth(a) * width * ptrdiff_t(sizeof(T)) > thin_near);
  }

  // dx = d' * w_ih, each member some of the steps.
  static void inputs(const A& a, ptrdiff_t first, ptrdiff_t end, const Team& team) {
    Range steps = share(end - first, team);
    ptrdiff_t all = (steps.end - steps.begin) * a.n;
    // Equal distances from row to row make it one product; otherwise it is one for each step.
    bool even = a.n == 1 || a.dx_t == a.n * a.dx_n;
    ptrdiff_t rows = even ? all : a.n, dx_row = a.n == 1 ? a.dx_t : a.dx_n;
    for (ptrdiff_t row = 0; row < all; row += rows)
      for (ptrdiff_t p = 0; p < i_panels(a); p++) {
        T* dx = static_cast<T*>(a.dx) + (first + steps.begin + row / a.n) * a.dx_t + p * width;
        const T* d = d_of(a, steps.begin * a.n + row) + Cell::ih_first * units(a);
        add_product<V, T>(dx, dx_row, least(a.i - p * width, width), rows, false, d, d_row(a), 1,
                          i_panel(a, const_cast<void*>(a.workspace.packed), p), i_depth(a));
      }
  }

  // Panel p of h[t-1] or, behind these, of x, then of q, of the chunk's rows: the right-hand side of dw. At steps that
  // are not valid 0, because there x may be anything, and 0 times NaN would be NaN.
  static void pack_rows(const A& a, ptrdiff_t first, ptrdiff_t end, ptrdiff_t p) {
    bool hidden = p < h_panels(a), of_q = p >= h_panels(a) + i_panels(a);
    ptrdiff_t behind = of_q ? h_panels(a) + i_panels(a) : hidden ? 0 : h_panels(a);
    ptrdiff_t column = (p - behind) * width, columns = (hidden || of_q ? a.h : a.i) - column;
    for (ptrdiff_t t = first; t < end; t++) {
      T* to = right_of(a, p) + (t - first) * a.n * width;
      if (!a.lengths && !of_q && (t > 0 || !hidden)) {
        const T* from = hidden ? static_cast<const T*>(a.y) + (t - 1) * a.y_t : static_cast<const T*>(a.x) + t * a.x_t;
        pack_panel<V, T>(from + column, hidden ? a.y_n : a.x_n, 1, a.n, columns, 0, to);
        continue;
      }
      for (ptrdiff_t n = 0; n < a.n; n++, to += width) {
        const T* from = static_cast<const T*>(a.x) + t * a.x_t + n * a.x_n;
        if (hidden) from = state_before<T>(a, t, n);
        if constexpr (two)
          if (of_q) from = Cell::q(a, t, n);
        if (from && is_valid(a, t, n)) pack_panel<V, T>(from + column, 0, 1, 1, columns, 0, to);
        else
          for (ptrdiff_t k = 0; k < width; k++) to[k] = T(0);
      }
    }
  }

  // dw_hh, dw_ih and db of a group of at most G units of block g of d'. Their columns are copied together first: the
  // product runs down the rows, and at the distance of a row every number would lie in another page.
  static ptrdiff_t groups(const A& a) { return (a.h + G - 1) / G; }
  static void weights(const A& a, ptrdiff_t first, ptrdiff_t end, int g, ptrdiff_t group, T* columns) {
    ptrdiff_t u = a.h * group / groups(a), count = a.h * (group + 1) / groups(a) - u;
    ptrdiff_t rows = (end - first) * a.n;
    bool accumulate = end < a.t;  // onto the sums of the chunks before
    vec<T> sum[G_vectors] = {};
    for (ptrdiff_t row = 0; row < rows; row++)
      for (ptrdiff_t v = 0; v < G_vectors; v++) {
        vec<T> d = load<T>(d_of(a, row) + g * units(a) + u + v * L);
        store<T>(columns + row * G + v * L, d);  // what is beyond G, the next row overwrites
        sum[v] += d;
      }
    for (int which = 0; which < 2; which++) {
      int in = g - (which ? Cell::hh_first : Cell::ih_first);
      bool apart = two && which && g == Cell::second;  // its right-hand side is q
      if (!apart && (in < 0 || in >= (which ? Cell::hh_count : Cell::ih_count))) continue;
      int block = apart ? Cell::second_order : which ? Cell::hh_order[in] : Cell::ih_order[in];
      ptrdiff_t row = block * a.h + u, size = which ? a.h : a.i;
      ptrdiff_t right = apart ? h_panels(a) + i_panels(a) : which ? 0 : h_panels(a);
      if (T* db = Cell::db(a, which))
        for (ptrdiff_t k = 0; k < count; k++)
          db[row + k] = (accumulate ? db[row + k] : T(0)) + get_lane<T>(sum[k / L], k % L);
      T* dw = static_cast<T*>(which ? a.dw_hh : a.dw_ih);
      for (ptrdiff_t p = 0; p < panel_count<V, T>(size) && dw; p++)
        add_product<V, T>(dw + row * size + p * width, size, least(size - p * width, width), count, accumulate, columns,
                          1, G, right_of(a, right + p), rows);
    }
  }

  // No steps: the gradients of the weights are 0.
  static void clear(const A& a, const Team& team) {
    if (team.rank != 0) return;
    for (int which = 0; which < 2; which++) {
      ptrdiff_t rows = (which ? Cell::hh_count + (two ? 1 : 0) : Cell::ih_count) * a.h;
      T *dw = static_cast<T*>(which ? a.dw_hh : a.dw_ih), *db = Cell::db(a, which);
      if (dw) __builtin_memset(dw, 0, size_t(rows * (which ? a.h : a.i)) * sizeof(T));
      if (db) __builtin_memset(db, 0, size_t(rows) * sizeof(T));
    }
  }
};
