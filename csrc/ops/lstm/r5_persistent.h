// Idea:  each core keeps its slice of the recurrent weights, the same panels in every step, in its own cache for the
//        whole sequence; the cores meet at a spin barrier once a step, when h is complete.
// Since: batch brought the weights again for every 6 sequences, and always from the first panel to the last.
// Why:   with few sequences the time is that of reading w_hh, once a step. Here one pass serves all sequences (thin.h),
//        and passes go forwards and backwards in turn: what one has read at its end is still in the cache and is what
//        the next one reads first. 2 MB in a 2 MB second-level cache: 115 GB/s instead of 75; 4 MB: 48 instead of 30.
// Price: a barrier a step (0.2 microseconds); for so few sequences only that a pass serves all of them at once.
#pragma once

template <class T>
struct lstm_r5_persistent : Plain<Lstm> {
  using Panels = LstmPanels<T>;
  using Part = LstmPart<T>;
  static constexpr ptrdiff_t width = Panels::width;
  static size_t packed_bytes(const Lstm& a) { return Panels::bytes(a); }
  static void prepare(const Lstm& a, void* packed, const Team& team) noexcept { Panels::prepare(a, packed, team); }
  static size_t scratch_bytes(const Lstm& a, int) { return Part::scratch_bytes(a); }

  static const char* supports(const Lstm& a) {
    if (a.lengths) return "all sequences must have t steps";
    if (a.n > thin_rows) return "all sequences must fit into one register block";
    return nullptr;
  }

  static void run(const Lstm& a, const Team& team) noexcept {
    Part part = Part::of(a, Range{0, a.n}, share(Panels::count(a), team));
    Part::repeated(a).find(a, team);
    part.begin(a);
    for (ptrdiff_t t = 0; t < a.t; t++) {
      if (t % part.steps == 0)
        for (ptrdiff_t p = part.panels.begin; p < part.panels.end; p++) part.input_product(a, p, t);
      step(a, part, t);
      if (Part::keeps_apart(a)) part.keep(a, t);
      team.barrier(&team);
    }
    part.end(a);
  }

  // A pass over the member's panels of w_hh, from the end that the last pass has left in the cache.
  static void step(const Lstm& a, const Part& part, ptrdiff_t t) {
    ptrdiff_t slice = (part.panels.end - part.panels.begin) * a.h * width * ptrdiff_t(sizeof(T));
    int together = thin_panels<4>(a.n);
    bool back = (a.pass + t) % 2 != 0, far = slice > thin_near;
    for (ptrdiff_t done = 0; done < part.panels.end - part.panels.begin; done += together) {
      ptrdiff_t left = part.panels.end - part.panels.begin - done, count = left < together ? left : together;
      units(a, part, t, back ? part.panels.end - done - count : part.panels.begin + done, count, far);
    }
  }

  // Step t of panels p .. p + count.
  static void units(const Lstm& a, const Part& part, ptrdiff_t t, ptrdiff_t p, ptrdiff_t count, bool far) {
    const T* y = static_cast<const T*>(a.y) + (t - 1) * a.y_t;  // [n, h]
    const T* h = t > 0 ? y : static_cast<const T*>(a.h0);       // h[t-1], or null
    ptrdiff_t panel = part.sums_of(1) - part.sums_of(0);
    T* sums = part.sums_of(p) + t % part.steps * a.n * width;
    Thin<T> product{sums, panel, width, h, t > 0 ? a.y_n : a.h, Panels::of(a).w_hh + p * a.h * width, a.h * width, a.h};
    if (h && far) thin_product<true, 4>(product, a.n, count);
    else if (h) thin_product<false, 4>(product, a.n, count);
    for (ptrdiff_t j = 0; j < count; j++) part.finish_units(a, p + j, t, sums + j * panel);
  }
};
