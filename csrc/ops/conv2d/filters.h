// Packing: weights as they lie in PyTorch's order, filter after filter, to vectors of neighbouring output channels.
//
// A weight alone would be a load and a store, and one tap after the other would pass through all filters as many times.
// Instead squares of lanes x lanes numbers are turned in registers, a whole line of each filter at a time. Weights of
// one call, in training, are packed for it alone. AMD Zen 3, microseconds before and now,
// w in L3, as packed by r5_pack and (r10_taps):
//   64 -> 64 3x3       39 (75)       12 (15)        512 -> 512 1x1     215     70
//   256 -> 256 3x3    766 (1351)    204 (284)       320 -> 1280 1x1    638    102
//   turned round      854 (1193)    430 (440)       24 -> 144 1x1      3.7    1.0
// From memory its way sets the pace: 256 -> 256 3x3 830 (1350) and 575 (375), 256 -> 1024 1x1 386 and 277.
#pragma once

template <class T>
struct Filters {
  static constexpr ptrdiff_t L = lanes<T>;
  ptrdiff_t ic, kh, kw, w_i, w_h, w_w;  // of a filter
  ptrdiff_t to_i, to_h, to_w;           // steps of what is packed: number (oc, ic, h, k) goes to[ic * to_i + ... + oc]

  // wide: a multiple of L; tap (0, 0), input 0 of output channel i is at row[i], i < left. The others are zeros.
  __attribute__((noinline)) void pack(const T* const* row, ptrdiff_t left, ptrdiff_t wide, T* to) const noexcept {
    ptrdiff_t taps = kh * kw, step = kw > 1 ? w_w : kh > 1 ? w_h : 1;
    bool dense = step * step == 1 && (kh == 1 || kw == 1 || w_h == kw * w_w);
    if (L == 1 || !dense || (taps == 1 && w_i != 1)) return one_by_one(row, left, wide, to);
    if (step == 1 && w_i == taps) return runs(row, left, wide, 1, ic * taps, 1, to);  // inputs follow each other
    runs(row, left, wide, ic, taps, step, to);
  }
  // Filters that are w_o apart.
  void pack(const T* w, ptrdiff_t w_o, ptrdiff_t left, ptrdiff_t wide, T* to) const noexcept {
    const T* row[64];
    for (ptrdiff_t i = 0; i < wide; i++) row[i] = w + (i < left ? i : 0) * w_o;
    pack(row, left, wide, to);
  }
  // `length` numbers side by side of every filter, `from` numbers behind row[i]: number q to place[q].
  static void spread(const T* const* row, ptrdiff_t from, ptrdiff_t length, ptrdiff_t left, ptrdiff_t wide,
                     T* const* place) noexcept {
    for (ptrdiff_t o = 0; o < wide; o += L)
      for (ptrdiff_t q = 0; q < length; q += L)
        if (length - q >= L && left - o >= L) square(row + o, from + q, place + q, o);
        else rest(row + o, from + q, length - q, q, left - o, place + q, o);
  }

 private:
  void one_by_one(const T* const* row, ptrdiff_t left, ptrdiff_t wide, T* to) const noexcept {
    bool side_by_side = L > 1 && left >= wide;
    for (ptrdiff_t i = 1; i < wide && side_by_side; i++) side_by_side = row[i] == row[0] + i;
    for (ptrdiff_t i = 0; i < ic; i++)
      for (ptrdiff_t h = 0; h < kh; h++)
        for (ptrdiff_t k = 0; k < kw; k++) {
          ptrdiff_t from = i * w_i + h * w_h + k * w_w;
          T* there = to + i * to_i + h * to_h + k * to_w;
          if (side_by_side)
            for (ptrdiff_t o = 0; o < wide; o += L) store<T>(there + o, load<T>(row[0] + from + o));
          else
            for (ptrdiff_t o = 0; o < wide; o++) there[o] = o < left ? row[o][from] : T(0);
        }
  }

  // `count` runs of `length` numbers side by side, w_i apart; they are taps, of one or of all inputs, in their order or
  // (step -1) backwards.
  void runs(const T* const* row, ptrdiff_t left, ptrdiff_t wide, ptrdiff_t count, ptrdiff_t length, ptrdiff_t step,
            T* to) const noexcept {
    constexpr ptrdiff_t line = 64 / ptrdiff_t(sizeof(T)) > L ? 64 / ptrdiff_t(sizeof(T)) : L;
    for (ptrdiff_t run = 0; run < count; run++) {
      ptrdiff_t first = run * w_i - (step < 0 ? length - 1 : 0);
      Place at = {to + run * to_i, 0, 0};
      if (step < 0) at.h = kh - 1, at.k = kw - 1, at.to += at.h * to_h + at.k * to_w;
      for (ptrdiff_t q = 0; q < length; q += line) {
        T* place[line];
        ptrdiff_t here = length - q < line ? length - q : line;
        for (ptrdiff_t i = 0; i < here; i++) place[i] = at.to, step < 0 ? back(at) : next(at);
        for (ptrdiff_t o = 0; o < wide; o += L)
          for (ptrdiff_t i = 0; i < here; i += L)
            if (length - q - i >= L && left - o >= L) square(row + o, first + q + i, place + i, o);
            else rest(row + o, first + q + i, length - q - i, q + i, left - o, place + i, o);
      }
    }
  }

  struct Place {
    T* to;
    ptrdiff_t h, k;
  };
  void next(Place& at) const {
    at.to += to_w;
    if (++at.k < kw) return;
    at.k = 0, at.to += to_h - kw * to_w;
    if (++at.h < kh) return;
    at.h = 0, at.to += to_i - kh * to_h;
  }
  void back(Place& at) const {
    at.to -= to_w;
    if (--at.k >= 0) return;
    at.k = kw - 1, at.to += kw * to_w - to_h, at.h--;
  }

  // L numbers of each of L filters.
  static inline __attribute__((always_inline)) void square(const T* const* row, ptrdiff_t from, T* const* place,
                                                           ptrdiff_t o) noexcept {
    vec<T> v[L];
    UNROLL for (int l = 0; l < L; l++) v[l] = load<T>(row[l] + from);
    UNROLL for (int l = 0; l < L; l++) __builtin_prefetch(row[l] + from + 64);
    transpose<T>(v);
    UNROLL for (int i = 0; i < L; i++) store<T>(place[i] + o, v[i]);
  }
  // `count` numbers of each of `left` filters. skip: so many before them may be read as well.
  static __attribute__((noinline)) void rest(const T* const* row, ptrdiff_t from, ptrdiff_t count, ptrdiff_t skip,
                                             ptrdiff_t left, T* const* place, ptrdiff_t o) noexcept {
    vec<T> v[L];
    if (count > L) count = L;
    for (int l = 0; l < L; l++) {
      if (l >= left) v[l] = vec<T>{};
      else if (count + skip >= L) v[l] = load<T>(row[l] + from + count - L);
      else v[l] = load_n<T>(row[l] + from, count);
    }
    transpose<T>(v);
    ptrdiff_t first = count + skip >= L ? L - count : 0;
    for (ptrdiff_t i = 0; i < count; i++) store<T>(place[i] + o, v[first + i]);
  }
};
