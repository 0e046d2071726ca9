// How the rungs from r3 on pack the weights: a panel holds one vector of hidden units of all four gates, so the four
// sums that a unit needs are finished at the same time, in neighbouring registers.
//
//   packed = bias [panels][4][lanes]  (b_ih + b_hh)
//            w_ih [panels][i][4][lanes]
//            w_hh [panels][h][4][lanes]          lanes beyond h are filled with zeros
//
// The rung batch packs the last panel of both as a tail where that pays (simd/recurrent.h).
#pragma once

template <class T>
struct LstmPanels {
  static constexpr ptrdiff_t L = lanes<T>, width = 4 * L;
  T* bias;
  T* w_ih;
  T* w_hh;

  static ptrdiff_t count(const Lstm& a) { return (a.h + L - 1) / L; }
  static size_t bytes(const Lstm& a) { return size_t(count(a) * width * (1 + a.i + a.h)) * sizeof(T); }
  static LstmPanels in(const Lstm& a, void* packed) {
    T* bias = static_cast<T*>(packed);
    T* w_ih = bias + count(a) * width;
    return {bias, w_ih, w_ih + count(a) * a.i * width};
  }
  static LstmPanels of(const Lstm& a) { return in(a, const_cast<void*>(a.workspace.packed)); }

  static ptrdiff_t tail(const Lstm& a) { return tail_vectors<4, T>(a.i, a.h, a.n); }

  // c += x * the tail, c[rows][4][lanes]
  static void add_last(const Lstm& a, T* c, ptrdiff_t c_row, ptrdiff_t rows, const T* x, ptrdiff_t x_row, const T* w,
                       ptrdiff_t depth) {
    add_tail<4, T>(c, c_row, rows, x, x_row, w, depth, a.h - (count(a) - 1) * L, tail(a));
  }

  static void prepare(const Lstm& a, void* packed, const Team& team, ptrdiff_t tail = 0) {
    LstmPanels to = in(a, packed);
    const T* b_ih = static_cast<const T*>(a.b_ih);  // [4h] or null
    const T* b_hh = static_cast<const T*>(a.b_hh);  // [4h] or null
    Range mine = share(count(a), team);
    for (ptrdiff_t p = mine.begin; p < mine.end; p++) {
      for (ptrdiff_t q = 0; q < 4; q++)
        for (ptrdiff_t l = 0; l < L; l++) {
          ptrdiff_t u = p * L + l, j = q * a.h + u;
          to.bias[p * width + q * L + l] = u < a.h ? (b_ih ? b_ih[j] : T(0)) + (b_hh ? b_hh[j] : T(0)) : T(0);
        }
      ptrdiff_t vectors = p == count(a) - 1 ? tail : 0;
      weights(static_cast<const T*>(a.w_ih), a.h, a.i, p, to.w_ih + p * a.i * width, vectors);
      weights(static_cast<const T*>(a.w_hh), a.h, a.h, p, to.w_hh + p * a.h * width, vectors);
    }
  }

  // w [4h, depth] -> panel [depth][4][lanes], or of a tail [depth][tail][lanes]
  static void weights(const T* w, ptrdiff_t h, ptrdiff_t depth, ptrdiff_t p, T* panel, ptrdiff_t tail = 0) {
    constexpr int ifgo[4] = {0, 1, 2, 3};
    if (tail) pack_tail<4, T>(w, ifgo, h, depth, p * L, tail, panel);
    else pack_gates<4, T>(w, ifgo, h, depth, p * L, panel);
  }
};
