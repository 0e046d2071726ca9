// Idea:  a register block over the batch: rows x 4 vectors of sums, so that one load of w_hh serves several sequences.
// Since: pack took one sequence through all steps before the next, and used each weight it loaded once.
// Why:   6 x 4 = 24 sums + 4 weights + 1 number = 29 of 32 registers, 24 multiply-adds for 10 loads; a panel's part of
//        w_hh stays in the first-level cache while the whole batch passes (product_depth in simd/product.h). The input
//        product is done for a few steps at a time, so that its sums are still in the cache when they are used.
// Price: steps are in lock-step for the batch; with few sequences the threads share out the panels of hidden units
//        instead and must meet after each step.
#pragma once

template <class T>
struct lstm_r4_batch : Plain<Lstm> {
  using Panels = LstmPanels<T>;
  static constexpr ptrdiff_t L = lanes<T>, width = Panels::width;
  static size_t packed_bytes(const Lstm& a) { return Panels::bytes(a); }
  static void prepare(const Lstm& a, void* packed, const Team& team) noexcept { Panels::prepare(a, packed, team); }

  // Steps whose input product is done together: about 128 rows, found by trying 32 to 512 at h = 256.
  static ptrdiff_t chunk(const Lstm& a) {
    ptrdiff_t steps = (127 + a.n) / (a.n > 0 ? a.n : 1);
    return steps < a.t ? steps : a.t;
  }
  static size_t scratch_bytes(const Lstm& a, int) {
    return size_t(Panels::count(a) * a.n * (chunk(a) * width + L)) * sizeof(T);
  }

  // What one member of the team does: some sequences of all panels, or all sequences of some panels.
  struct Part {
    Range rows, panels;
    ptrdiff_t count;  // rows
    T* sums;          // [panels][steps of a chunk][rows][4][lanes]
    T* cells;         // [panels][rows][lanes], c[t-1]
  };

  static void run(const Lstm& a, const Team& team) noexcept {
    bool by_batch = a.n >= 4 * team.size;  // then no member waits for another
    Part part;
    part.rows = by_batch ? share(a.n, team) : Range{0, a.n};
    part.panels = by_batch ? Range{0, Panels::count(a)} : share(Panels::count(a), team);
    part.count = part.rows.end - part.rows.begin;
    part.cells = static_cast<T*>(a.workspace.scratch) + part.rows.begin * Panels::count(a) * L;
    part.sums = static_cast<T*>(a.workspace.scratch) + a.n * Panels::count(a) * L +
                part.rows.begin * Panels::count(a) * chunk(a) * width;
    begin(a, part);
    for (ptrdiff_t t = 0; t < a.t; t++) {
      ptrdiff_t in_chunk = t % chunk(a);
      for (ptrdiff_t p = part.panels.begin; p < part.panels.end; p++) {
        if (in_chunk == 0) input_product(a, part, p, t);
        step(a, part, p, t, sums_of(a, part, p) + in_chunk * part.count * width);
      }
      if (!by_batch) team.barrier(&team);
    }
    end(a, part);
  }

  static T* sums_of(const Lstm& a, const Part& part, ptrdiff_t p) {
    return part.sums + p * chunk(a) * part.count * width;
  }

  // For the steps of the chunk that begins at t: sums = b_ih + b_hh + x * w_ih^T
  static void input_product(const Lstm& a, const Part& part, ptrdiff_t p, ptrdiff_t t) {
    Panels packed = Panels::of(a);
    T* sums = sums_of(a, part, p);
    ptrdiff_t steps = a.t - t < chunk(a) ? a.t - t : chunk(a), all = steps * part.count;
    for (ptrdiff_t row = 0; row < all; row++)
      for (int q = 0; q < 4; q++) store<T>(sums + row * width + q * L, load<T>(packed.bias + p * width + q * L));
    const T* x = static_cast<const T*>(a.x) + t * a.x_t + part.rows.begin * a.x_n;  // [steps, rows, i]
    // Equal distances from row to row make it one product; otherwise it is one for each step.
    bool even = part.count == 1 || a.x_t == part.count * a.x_n;
    ptrdiff_t rows = even ? all : part.count, x_row = part.count == 1 ? a.x_t : a.x_n;
    for (ptrdiff_t row = 0; row < all; row += rows)
      add_product<4, T>(sums + row * width, width, width, rows, true, x + row / part.count * a.x_t, x_row, 1,
                        packed.w_ih + p * a.i * width, a.i);
  }

  // Step t of the units of panel p; sums are [rows][4][lanes].
  static void step(const Lstm& a, const Part& part, ptrdiff_t p, ptrdiff_t t, T* sums) {
    const T* h0 = static_cast<const T*>(a.h0);                          // [n, h] or null
    T* y = static_cast<T*>(a.y) + t * a.y_t + part.rows.begin * a.y_n;  // [rows, h]
    const T* w_hh = Panels::of(a).w_hh + p * a.h * width;
    const T* h = t > 0 ? y - a.y_t : h0 ? h0 + part.rows.begin * a.h : nullptr;  // h[t-1], [rows, h]
    if (h) add_product<4, T>(sums, width, width, part.count, true, h, t > 0 ? a.y_n : a.h, 1, w_hh, a.h);
    finish_units(a, part, p, t, sums, y);
  }

  // From the sums to the gates, c and h. In two passes, so that the chain of operations of a row is half as long and
  // more rows are under way at a time (96 cycles a row became 84).
  static void finish_units(const Lstm& a, const Part& part, ptrdiff_t p, ptrdiff_t t, T* sums, T* y) {
    ptrdiff_t u = p * L, count = a.h - u < L ? a.h - u : L;
    T* cells = part.cells + p * part.count * L;
    for (ptrdiff_t row = 0; row < part.count; row++) {
      vec<T> gate[4], cell = load<T>(cells + row * L);
      for (int q = 0; q < 4; q++) gate[q] = load<T>(sums + row * width + q * L);
      lstm_gates<T>(gate, cell);
      store<T>(sums + row * width + 3 * L, gate[3]);
      store<T>(cells + row * L, cell);
      ptrdiff_t n = part.rows.begin + row;
      if (a.gates)
        for (int q = 0; q < 4; q++)
          store_some<T>(static_cast<T*>(a.gates) + t * a.gates_t + (n * 4 + q) * a.h + u, gate[q], count);
      if (a.cells) store_some<T>(static_cast<T*>(a.cells) + t * a.cells_t + n * a.h + u, cell, count);
    }
    for (ptrdiff_t row = 0; row < part.count; row++) {
      vec<T> o = load<T>(sums + row * width + 3 * L), cell = load<T>(cells + row * L);
      store_some<T>(y + row * a.y_n + u, o * tanh<T>(cell), count);
    }
  }

  static void begin(const Lstm& a, const Part& part) {
    const T* c0 = static_cast<const T*>(a.c0);  // [n, h] or null
    for (ptrdiff_t p = part.panels.begin; p < part.panels.end; p++)
      for (ptrdiff_t row = 0; row < part.count; row++)
        for (ptrdiff_t u = p * L; u < (p + 1) * L; u++)
          part.cells[(p * part.count + row) * L + u % L] = c0 && u < a.h ? c0[(part.rows.begin + row) * a.h + u] : T(0);
  }

  static void end(const Lstm& a, const Part& part) {
    const T* h0 = static_cast<const T*>(a.h0);  // [n, h] or null
    const T* last = static_cast<const T*>(a.y) + (a.t - 1) * a.y_t;
    for (ptrdiff_t p = part.panels.begin; p < part.panels.end; p++)
      for (ptrdiff_t row = 0; row < part.count; row++)
        for (ptrdiff_t u = p * L; u < (p + 1) * L && u < a.h; u++) {
          ptrdiff_t n = part.rows.begin + row;
          static_cast<T*>(a.cn)[n * a.h + u] = part.cells[(p * part.count + row) * L + u % L];
          static_cast<T*>(a.hn)[n * a.h + u] = a.t > 0 ? last[n * a.y_n + u] : h0 ? h0[n * a.h + u] : T(0);
        }
  }
};
