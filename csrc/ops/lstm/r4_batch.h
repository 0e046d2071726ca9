// Idea:  a register block over the batch: rows x 4 vectors of sums, so that one load of w_hh serves several sequences.
// Since: pack took one sequence through all steps before the next, and used each weight it loaded once.
// Why:   6 x 4 = 24 sums + 4 weights + 1 number = 29 of 32 registers, 24 multiply-adds for 10 loads; a panel's part of
//        w_hh stays in the first-level cache while the whole batch passes (product_near in simd/product.h). The input
//        product is done for a few steps at a time, so that its sums are still in the cache when they are used.
// Price: steps are in lock-step for the batch; with few sequences the threads share out the panels of hidden units
//        instead and must meet after each step.
#pragma once

template <class T>
struct lstm_r4_batch : Plain<Lstm> {
  using Panels = LstmPanels<T>;
  using Part = LstmPart<T>;
  static constexpr ptrdiff_t width = Panels::width;
  static size_t packed_bytes(const Lstm& a) { return Panels::bytes(a); }
  static void prepare(const Lstm& a, void* packed, const Team& team) noexcept {
    Panels::prepare(a, packed, team, Panels::tail(a));
  }
  static size_t scratch_bytes(const Lstm& a, int) { return Part::scratch_bytes(a); }

  static void run(const Lstm& a, const Team& team) noexcept {
    bool by_batch = a.n >= 4 * team.size;  // then no member waits for another
    Part part = Part::of(a, by_batch ? share(a.n, team) : Range{0, a.n},
                         by_batch ? Range{0, Panels::count(a)} : share(Panels::count(a), team),
                         Panels::tail(a) ? Panels::count(a) - 1 : -1);
    Part::repeated(a).find(a, team, Panels::tail(a));
    part.begin(a);
    if (a.lengths && !by_batch) team.barrier(&team);
    for (ptrdiff_t t = 0; t < a.t; t++) {
      ptrdiff_t in_chunk = t % part.steps;
      for (ptrdiff_t p = part.panels.begin; p < part.panels.end; p++) {
        if (in_chunk == 0) part.input_product(a, p, t);
        step(a, part, p, t, part.sums_of(p) + in_chunk * part.count * width);
      }
      if (Part::keeps_apart(a)) part.keep(a, t);
      if (!by_batch) team.barrier(&team);
    }
    part.end(a);
  }

  // Step t of the units of panel p; sums are [rows][4][lanes].
  static void step(const Lstm& a, const Part& part, ptrdiff_t p, ptrdiff_t t, T* sums) {
    const T* h0 = static_cast<const T*>(a.h0);                                            // [n, h] or null
    const T* y = static_cast<const T*>(a.y) + (t - 1) * a.y_t + part.rows.begin * a.y_n;  // [rows, h]
    const T* h = t > 0 ? y : h0 ? h0 + part.rows.begin * a.h : nullptr;                   // h[t-1]
    ptrdiff_t h_row = t > 0 ? a.y_n : a.h;
    if (a.lengths) h = part.state(a, t, 0), h_row = a.h;
    const T* w_hh = Panels::of(a).w_hh + p * a.h * width;
    if (h && p == part.tail) Panels::add_last(a, sums, width, part.count, h, h_row, w_hh, a.h);
    else if (h) add_product<4, T>(sums, width, width, part.count, true, h, h_row, 1, w_hh, a.h);
    part.finish_units(a, p, t, sums);
  }
};
