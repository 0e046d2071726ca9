// Idea:  one step is one product, [x h] times [w_ih w_hh]; its sums stay in the first-level cache, and the gates follow
//        at once.
// Since: persistent did the product with x apart, for many steps, by way of scratch memory.
// Why:   with nothing to share between steps that only costs. Nothing is set up here, no memory is borrowed, and no
//        member of the team waits for another. A stream of single steps passes over the weights forwards and backwards
//        in turn as well, if the caller counts them (Lstm::pass).
// Price: w_ih is read anew for each step: for a single one, or two.
#pragma once

template <class T>
struct lstm_r6_step : Plain<Lstm> {
  using Panels = LstmPanels<T>;
  static constexpr ptrdiff_t L = lanes<T>, width = Panels::width;
  static size_t packed_bytes(const Lstm& a) { return Panels::bytes(a); }
  static void prepare(const Lstm& a, void* packed, const Team& team) noexcept { Panels::prepare(a, packed, team); }

  static const char* supports(const Lstm& a) {
    if (a.lengths) return "all sequences must have t steps";
    if (a.t > 2) return "reads w_ih anew in every step: for one or two steps only";
    if (a.n > thin_rows) return "all sequences must fit into one register block";
    return nullptr;
  }

  static void run(const Lstm& a, const Team& team) noexcept {
    Range mine = share(Panels::count(a), team);
    for (ptrdiff_t t = 0; t < a.t; t++) {
      if (t > 0) team.barrier(&team);
      int together = thin_panels<4>(a.n);
      bool back = (a.pass + t) % 2 != 0;
      for (ptrdiff_t done = 0; done < mine.end - mine.begin; done += together) {
        ptrdiff_t left = mine.end - mine.begin - done, count = left < together ? left : together;
        step(a, t, back ? mine.end - done - count : mine.begin + done, count);
      }
    }
  }

  // Step t of panels p .. p + count.
  static void step(const Lstm& a, ptrdiff_t t, ptrdiff_t p, ptrdiff_t count) {
    Panels packed = Panels::of(a);
    T sums[thin_most / 4 * thin_rows * width];  // [count][n][4][lanes]
    for (ptrdiff_t j = 0; j < count; j++)
      for (ptrdiff_t n = 0; n < a.n; n++)
        for (int q = 0; q < 4; q++)
          store<T>(sums + (j * a.n + n) * width + q * L, load<T>(packed.bias + (p + j) * width + q * L));
    const T* x = static_cast<const T*>(a.x) + t * a.x_t;     // [n, i]
    const T* h = static_cast<const T*>(t > 0 ? a.y : a.h0);  // [n, h]: of the step before, which is the first
    Thin<T> product{sums, a.n * width, width, x, a.x_n, packed.w_ih + p * a.i * width, a.i * width, a.i};
    thin_product<false, 4>(product, a.n, count);
    product.x = h, product.x_row = t > 0 ? a.y_n : a.h;
    product.w = packed.w_hh + p * a.h * width, product.w_panel = a.h * width, product.depth = a.h;
    if (h) thin_product<false, 4>(product, a.n, count);
    for (ptrdiff_t j = 0; j < count; j++)
      for (ptrdiff_t n = 0; n < a.n; n++) finish_unit(a, t, n, (p + j) * L, sums + (j * a.n + n) * width);
  }

  // Units u .. u + lanes of sequence n: from the sums to the gates, c and h.
  static void finish_unit(const Lstm& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t u, const T* sums) {
    const T* c = static_cast<const T*>(t > 0 ? a.cn : a.c0);  // [n, h] or null
    ptrdiff_t some = a.h - u < L ? a.h - u : L;
    vec<T> gate[4], cell = c ? load_some<T>(c + n * a.h + u, some) : vec<T>{};
    for (int q = 0; q < 4; q++) gate[q] = load<T>(sums + q * L);
    vec<T> h = lstm_cell<T>(gate, cell);
    store_some<T>(static_cast<T*>(a.y) + t * a.y_t + n * a.y_n + u, h, some);
    store_some<T>(static_cast<T*>(a.hn) + n * a.h + u, h, some);
    store_some<T>(static_cast<T*>(a.cn) + n * a.h + u, cell, some);
    lstm_keep<T>(a, t, n, u, some, gate, cell);
  }
};
