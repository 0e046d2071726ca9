// Idea:  only d' must be found step by step; its products with x, h and w_ih are one big product each, for some steps
//        at a time. The gate gradients are computed in vectors, and d' * w_hh in register blocks over the batch.
// Since: naive made one dot product for each number.
// Why:   almost all of the work is in add_product (simd/product.h), at the speed of its register block.
// Price: weights are packed, and x and h once more as the right-hand side of the weights' gradients; d' of a few steps
//        lies in scratch memory.
#pragma once

template <class T>
struct lstm_backward_r1_fast : Plain<LstmBackward> {
  using A = LstmBackward;
  static constexpr int V = 2;
  static constexpr ptrdiff_t L = lanes<T>, width = panel_width<V, T>;

  // A row of d': each gate's h units rounded up to whole vectors, with zeros beyond. It is longer still, because
  // `weights` reads whole vectors from any unit on, and so that the distance of rows is no power of 2, which would put
  // all of them into one set of the cache.
  static constexpr ptrdiff_t G = rows_for<V>, G_vectors = (G + L - 1) / L;  // rows of dw that are done together
  static ptrdiff_t units(const A& a) { return (a.h + L - 1) / L * L; }
  static ptrdiff_t depth(const A& a) { return 4 * units(a); }
  static ptrdiff_t d_row(const A& a) { return depth(a) + G_vectors * L; }
  static ptrdiff_t h_panels(const A& a) { return panel_count<V, T>(a.h); }
  static ptrdiff_t i_panels(const A& a) { return panel_count<V, T>(a.i); }

  // Steps done between two rounds of the big products: about 256 rows, so that d' stays in the second-level cache
  // (256 rows of 4 KB at h = 256) and the sums of dw, which pass through memory each time, do so seldom.
  static ptrdiff_t chunk(const A& a) {
    ptrdiff_t steps = (255 + a.n) / (a.n > 0 ? a.n : 1);
    return steps < a.t ? steps : a.t;
  }

  // packed = w_hh [h_panels][depth][V][lanes], w_ih [i_panels][depth][V][lanes]
  static size_t packed_bytes(const A& a) { return size_t((h_panels(a) + i_panels(a)) * depth(a) * width) * sizeof(T); }
  static T* panel_of(const A& a, ptrdiff_t p) {
    return static_cast<T*>(const_cast<void*>(a.workspace.packed)) + p * depth(a) * width;
  }
  static void prepare(const A& a, void* packed, const Team& team) noexcept {
    Range mine = share(h_panels(a) + i_panels(a), team);
    for (ptrdiff_t p = mine.begin; p < mine.end; p++) {
      T* panel = static_cast<T*>(packed) + p * depth(a) * width;
      bool hidden = p < h_panels(a);
      const T* w = static_cast<const T*>(hidden ? a.w_hh : a.w_ih);
      ptrdiff_t columns = hidden ? a.h : a.i;
      for (ptrdiff_t q = 0; q < 4; q++) {
        T* rows = panel + q * units(a) * width;
        pack_panel<V, T>(w + q * a.h * columns, columns, 1, a.h, columns, hidden ? p : p - h_panels(a), rows);
        for (ptrdiff_t k = a.h * width; k < units(a) * width; k++) rows[k] = T(0);
      }
    }
  }

  // scratch = d' [chunk * n][d_row], dh and dc [n][h_panels * width] each, the right-hand sides of dw
  // [h_panels + i_panels][chunk * n][V][lanes], and each member's columns of d' [chunk * n][G] + one vector
  static ptrdiff_t columns_size(const A& a) { return (chunk(a) * a.n * G + L) / L * L + L; }
  static size_t scratch_bytes(const A& a, int threads) {
    ptrdiff_t row = d_row(a) + (h_panels(a) + i_panels(a)) * width;
    return size_t(chunk(a) * a.n * row + 2 * a.n * h_panels(a) * width + threads * columns_size(a)) * sizeof(T);
  }
  static T* d_of(const A& a, ptrdiff_t row) { return static_cast<T*>(a.workspace.scratch) + row * d_row(a); }
  static T* dh_of(const A& a, ptrdiff_t n) { return d_of(a, chunk(a) * a.n) + n * h_panels(a) * width; }
  static T* dc_of(const A& a, ptrdiff_t n) { return dh_of(a, a.n + n); }
  static T* right_of(const A& a, ptrdiff_t p) { return dc_of(a, a.n) + p * chunk(a) * a.n * width; }
  static T* columns_of(const A& a, ptrdiff_t rank) {
    return right_of(a, h_panels(a) + i_panels(a)) + rank * columns_size(a);
  }

  static void run(const A& a, const Team& team) noexcept {
    bool by_batch = a.n >= 4 * team.size;  // then no member waits for another between the steps of a chunk
    Range rows = by_batch ? share(a.n, team) : Range{0, a.n};
    Range panels = by_batch ? Range{0, h_panels(a)} : share(h_panels(a), team);
    begin(a, rows, panels);
    if (a.t == 0) clear(a, team);
    for (ptrdiff_t end = a.t; end > 0; end -= chunk(a)) {
      ptrdiff_t first = end > chunk(a) ? end - chunk(a) : 0;
      for (ptrdiff_t t = end - 1; t >= first; t--) {
        gate_gradients(a, t, t - first, rows, panels);
        if (!by_batch) team.barrier(&team);
        back_one_step(a, t - first, rows, panels);
      }
      Range right = share(h_panels(a) + i_panels(a), team), items = share(4 * groups(a), team);
      for (ptrdiff_t p = right.begin; p < right.end; p++) pack_rows(a, first, end, p);
      team.barrier(&team);
      if (a.dx) inputs(a, first, end, team);
      for (ptrdiff_t item = items.begin; item < items.end; item++)
        weights(a, first, end, item / groups(a), item % groups(a), columns_of(a, team.rank));
      team.barrier(&team);  // the next chunk overwrites d'
    }
    finish(a, rows, panels);
  }

  static ptrdiff_t least(ptrdiff_t x, ptrdiff_t y) { return x < y ? x : y; }

  // What arrives at the last step from beyond it: dhn and dcn.
  static void begin(const A& a, Range rows, Range panels) {
    const T* dhn = static_cast<const T*>(a.dhn);  // [n, h] or null
    const T* dcn = static_cast<const T*>(a.dcn);  // [n, h] or null
    for (ptrdiff_t n = rows.begin; n < rows.end; n++) {
      for (ptrdiff_t u = panels.begin * width; u < panels.end * width; u++) {
        dh_of(a, n)[u] = dhn && u < a.h ? dhn[n * a.h + u] : T(0);
        dc_of(a, n)[u] = dcn && u < a.h ? dcn[n * a.h + u] : T(0);
      }
    }
  }

  // d' of step t; nothing of dh remains, since all of it goes through w_hh.
  static void gate_gradients(const A& a, ptrdiff_t t, ptrdiff_t in_chunk, Range rows, Range panels) {
    const T* c0 = static_cast<const T*>(a.c0);                        // [n, h] or null
    const T* dy = static_cast<const T*>(a.dy);                        // [t, n, h] or null
    const T* cells = static_cast<const T*>(a.cells) + t * a.cells_t;  // [n, h]
    const T* gates = static_cast<const T*>(a.gates) + t * a.gates_t;  // [n, 4, h]
    for (ptrdiff_t n = rows.begin; n < rows.end; n++) {
      Range steps = valid_steps(a, n);
      const T* before = t > steps.begin ? cells - a.cells_t : c0;  // c[t-1] [n, h], or null
      for (ptrdiff_t u = panels.begin * width; u < least(panels.end * width, a.h); u += L) {
        ptrdiff_t count = least(a.h - u, L);
        vec<T> gate[4], d[4] = {};
        if (t < steps.begin || t >= steps.end) {
          for (int q = 0; q < 4; q++) store<T>(d_of(a, in_chunk * a.n + n) + q * units(a) + u, d[q]);
          continue;
        }
        vec<T> dh = load<T>(dh_of(a, n) + u);
        if (dy) dh += load_some<T>(dy + t * a.dy_t + n * a.dy_n + u, count);
        store<T>(dh_of(a, n) + u, vec<T>{});
        for (int q = 0; q < 4; q++) gate[q] = load_some<T>(gates + (n * 4 + q) * a.h + u, count);
        vec<T> c_before = before ? load_some<T>(before + n * a.h + u, count) : vec<T>{};
        vec<T> c = load_some<T>(cells + n * a.h + u, count);
        vec<T> dc = load_some<T>(dc_of(a, n) + u, count);
        unit_gradients(gate, c_before, c, dh, dc, d);
        store_some<T>(dc_of(a, n) + u, dc, count);
        for (int q = 0; q < 4; q++) store<T>(d_of(a, in_chunk * a.n + n) + q * units(a) + u, d[q]);
      }
    }
  }

  // The formulas of lstm_backward.h; dc is that of c[t] as the later steps gave it, and becomes that of c[t-1].
  static void unit_gradients(const vec<T> (&gate)[4], vec<T> c_before, vec<T> c, vec<T> dh, vec<T>& dc,
                             vec<T> (&d)[4]) {
    vec<T> i = gate[0], f = gate[1], g = gate[2], o = gate[3], tanh_c = tanh<T>(c);
    dc += dh * o * (T(1) - tanh_c * tanh_c);
    d[0] = dc * g * i * (T(1) - i);
    d[1] = dc * c_before * f * (T(1) - f);
    d[2] = dc * i * (T(1) - g * g);
    d[3] = dh * tanh_c * o * (T(1) - o);
    dc *= f;
  }

  // dh of step t-1 += d'[t] * w_hh
  static void back_one_step(const A& a, ptrdiff_t in_chunk, Range rows, Range panels) {
    ptrdiff_t count = panels.end - panels.begin;
    if (count > 0)
      add_products<V, T>(dh_of(a, rows.begin) + panels.begin * width, width, h_panels(a) * width, rows.end - rows.begin,
                         d_of(a, in_chunk * a.n + rows.begin), d_row(a), panel_of(a, panels.begin), depth(a) * width,
                         depth(a), count, count * depth(a) * width * ptrdiff_t(sizeof(T)) > thin_near);
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
        add_product<V, T>(dx, dx_row, least(a.i - p * width, width), rows, false, d_of(a, steps.begin * a.n + row),
                          d_row(a), 1, panel_of(a, h_panels(a) + p), depth(a));
      }
  }

  // Panel p of h[t-1] or, behind these, of x, of the chunk's rows: the right-hand side of dw. At steps that are not
  // valid 0, because there x may be anything, and 0 times NaN would be NaN.
  static void pack_rows(const A& a, ptrdiff_t first, ptrdiff_t end, ptrdiff_t p) {
    bool hidden = p < h_panels(a);
    ptrdiff_t column = (hidden ? p : p - h_panels(a)) * width, columns = (hidden ? a.h : a.i) - column;
    for (ptrdiff_t t = first; t < end; t++) {
      T* to = right_of(a, p) + (t - first) * a.n * width;
      if (!a.lengths && (t > 0 || !hidden)) {
        const T* from = hidden ? static_cast<const T*>(a.y) + (t - 1) * a.y_t : static_cast<const T*>(a.x) + t * a.x_t;
        pack_panel<V, T>(from + column, hidden ? a.y_n : a.x_n, 1, a.n, columns, 0, to);
        continue;
      }
      for (ptrdiff_t n = 0; n < a.n; n++, to += width) {
        const T* from = hidden ? state_before<T>(a, t, n) : static_cast<const T*>(a.x) + t * a.x_t + n * a.x_n;
        if (from && is_valid(a, t, n)) pack_panel<V, T>(from + column, 0, 1, 1, columns, 0, to);
        else
          for (ptrdiff_t k = 0; k < width; k++) to[k] = T(0);
      }
    }
  }

  // dw_hh, dw_ih and db of a group of at most G units of gate q. Their columns of d' are copied together first: the
  // product runs down the rows, and at the distance of a row every number would lie in another page.
  static ptrdiff_t groups(const A& a) { return (a.h + G - 1) / G; }
  static void weights(const A& a, ptrdiff_t first, ptrdiff_t end, ptrdiff_t q, ptrdiff_t group, T* columns) {
    ptrdiff_t u = a.h * group / groups(a), count = a.h * (group + 1) / groups(a) - u;
    ptrdiff_t rows = (end - first) * a.n;
    bool accumulate = end < a.t;  // onto the sums of the chunks before
    vec<T> sum[G_vectors] = {};
    for (ptrdiff_t row = 0; row < rows; row++)
      for (ptrdiff_t v = 0; v < G_vectors; v++) {
        vec<T> d = load<T>(d_of(a, row) + q * units(a) + u + v * L);
        store<T>(columns + row * G + v * L, d);  // what is beyond G, the next row overwrites
        sum[v] += d;
      }
    if (a.db)
      for (ptrdiff_t g = 0; g < count; g++) {
        T* db = static_cast<T*>(a.db) + q * a.h + u + g;
        *db = (accumulate ? *db : T(0)) + get_lane<T>(sum[g / L], g % L);
      }
    for (ptrdiff_t p = 0; p < h_panels(a) + i_panels(a); p++) {
      bool hidden = p < h_panels(a);
      ptrdiff_t size = hidden ? a.h : a.i, column = (hidden ? p : p - h_panels(a)) * width;
      T* dw = static_cast<T*>(hidden ? a.dw_hh : a.dw_ih);
      if (dw)
        add_product<V, T>(dw + (q * a.h + u) * size + column, size, least(size - column, width), count, accumulate,
                          columns, 1, G, right_of(a, p), rows);
    }
  }

  // No steps: the gradients of the weights are 0.
  static void clear(const A& a, const Team& team) {
    if (team.rank != 0) return;
    if (a.dw_ih) __builtin_memset(a.dw_ih, 0, size_t(4 * a.h * a.i) * sizeof(T));
    if (a.dw_hh) __builtin_memset(a.dw_hh, 0, size_t(4 * a.h * a.h) * sizeof(T));
    if (a.db) __builtin_memset(a.db, 0, size_t(4 * a.h) * sizeof(T));
  }

  static void finish(const A& a, Range rows, Range panels) {
    for (ptrdiff_t n = rows.begin; n < rows.end; n++)
      for (ptrdiff_t u = panels.begin * width; u < least(panels.end * width, a.h); u++) {
        if (a.dh0) static_cast<T*>(a.dh0)[n * a.h + u] = dh_of(a, n)[u];
        if (a.dc0) static_cast<T*>(a.dc0)[n * a.h + u] = dc_of(a, n)[u];
      }
  }
};
