// Few output channels: the lanes of a register hold neighbouring places of a row, not channels. What conv2d and
// conv2d_backward_weight share of that.
#pragma once
#include "../../simd/interleave.h"
#include "parts.h"

template <class T>
struct Across {
  static constexpr int L = lanes<T>;
  // Channels: more of them fill the lanes well enough; more than 8 would take too many shuffles.
  static constexpr int most = L == 8 ? 6 : L > 1 ? L / 2 : 1;
  static constexpr ptrdiff_t band_bytes = 32 << 10, part_bytes = 128 << 10;  // of a copy

  // Vectors of places that a block takes: as many sums under way as hide a multiply-add's latency, and as registers
  // hold.
  template <int N>
  static constexpr int side = isa_registers == 32 ? (N == 1   ? 8
                                                     : N <= 4 ? 4
                                                              : 2)
                              : N <= 3            ? 4
                              : N <= 6            ? 12 / N
                                                  : 1;

  ptrdiff_t vectors;      // of places in a part of a row of y
  ptrdiff_t wide;         // a copied row of x: all places that these vectors and the taps reach
  ptrdiff_t parts;        // of a row of y: more than one where rows of x are too long to be copied whole
  ptrdiff_t rows, bands;  // rows of y whose rows of x are copied together, and how many such bands an image has
  ptrdiff_t x_rows;       // rows of x of a band, at most
  ptrdiff_t x_size;       // of the copy: [x_rows, ic, wide]

  // Copies that stay in L1 or near it are worth some rows and places copied twice: those under taps of two bands, of
  // which one has 8 rows if the image has, and those under taps of two parts of a row.
  explicit Across(const Conv2d& a) noexcept {
    ptrdiff_t reach = (a.kh - 1) * a.dilation_h + 1, more = (a.kw - 1) * a.dilation_w;
    ptrdiff_t pixel = a.ic * ptrdiff_t(sizeof(T)), least = reach == 1 ? 1 : a.oh < 8 ? a.oh : 8;
    ptrdiff_t column = (((least < 1 ? 1 : least) - 1) * a.stride_h + reach) * (pixel < 1 ? 1 : pixel);
    ptrdiff_t all = ceil_div(a.ow, L), some = (part_bytes / column - more) / L, fewest = 8 + 4 * more / L;
    parts = ceil_div(all, some < fewest ? fewest : some);
    vectors = parts < 1 ? 0 : ceil_div(all, parts);
    parts = vectors < 1 ? 0 : ceil_div(all, vectors);
    wide = vectors * L + more;
    ptrdiff_t row = wide * pixel, fit = (band_bytes / (row < 1 ? 1 : row) - reach) / a.stride_h + 1;
    rows = fit < least ? least : fit;
    if (rows > a.oh) rows = a.oh;
    if (rows < 1) rows = 1;
    bands = ceil_div(a.oh, rows);
    x_rows = (rows - 1) * a.stride_h + reach;
    x_size = x_rows * a.ic * wide;
  }

  // A part of a band: rows [first, first + rows) of y of image n, of them places [left, left + places).
  struct Item {
    ptrdiff_t n, first, rows, left, places;
  };
  ptrdiff_t items(const Conv2d& a) const { return a.n * bands * parts; }
  Item item(const Conv2d& a, ptrdiff_t i) const {
    ptrdiff_t first = i / parts % bands * rows, left = i % parts * vectors * L;
    ptrdiff_t below = a.oh - first, right = a.ow - left, most_places = vectors * L;
    return {i / parts / bands, first, below < rows ? below : rows, left, right < most_places ? right : most_places};
  }

  static const char* supports(const Conv2d& a) {
    if (a.groups != 1) return "wants one group";
    if (a.oc > most) return "wants fewer output channels: these fill most of a vector";
    if (a.stride_w != 1) return "wants stride 1 along the width";
    if (a.y_c != 1 || a.y_w != a.oc) return "wants channels-last y without gaps (y_c = 1, y_w = oc)";
    return nullptr;
  }

  // Cycles of a vector of places, here and by the rungs whose lanes are channels: multiply-adds, and what else there
  // is. As fitted to Zen 3 (where one vector of channels keeps only one of two multipliers busy) and, with 32
  // registers, to Emerald Rapids, where what is chosen by it takes 1.01 times as long as the best of 378 shapes, in the
  // mean.
  static constexpr double multiply_add = 0.55;
  static double cycles(const Conv2d& a) {
    ptrdiff_t some = ceil_div(a.ow, L), width = a.oc == 1 ? side<1> : a.oc <= 4 ? side<4> : side<8>;
    double idle = double(some * L) / double(a.ow < 1 ? 1 : a.ow), squares = a.x_w == 1 ? 0 : double(ceil_div(a.ic, L));
    // A sum waits 4 cycles for its last multiply-add.
    double chains = double((a.oc < 1 ? 1 : a.oc) * (some < width ? some : width)), each = 4 / chains;
    if (isa_registers == 16 || each < multiply_add) each = multiply_add;
    double row = isa_registers == 16 || some < 1 ? 0 : 10 + 100 / double(some);
    return idle * (each * double(a.kh * a.kw * a.ic * a.oc) + turning(a) * squares + row);
  }
  static double turning(const Conv2d& a) {  // of a square of x; rows under two bands of 8 rows of y are copied twice
    if (isa_registers == 16) return 7 * L * (a.kh > 1 ? 1.25 : 1);
    return (a.kh * a.kw > 1 ? 13 : 7) * L * (1 + double(a.kh - 1) / 8);
  }
  static double direct_cycles(const Conv2d& a) {
    double products = double(a.kh * a.kw * a.ic * L);
    if (isa_registers == 16) return 0.75 * products + 75;                                      // by pack
    return a.kw == 3 || a.kw == 5 || a.kw == 7 ? 0.46 * products + 88 : 0.57 * products + 58;  // by taps, pack
  }

  static const char* declines(const Conv2d& a) {
    if (a.pad_w > 0 && a.precision >= Exact)
      return "multiplies by the zeros of padding; the precision setting is \"exact\"";
    return cycles(a) < direct_cycles(a) ? nullptr : "vectors of channels take fewer instructions";
  }

  // The item's part of x, [x_rows, ic, wide], zeros where there is no image.
  void copy(const Conv2d& a, const Item& item, T* to) const noexcept {
    ptrdiff_t first = item.first * a.stride_h - a.pad_h, pad = a.pad_w - item.left;
    for (ptrdiff_t r = 0; r < x_rows; r++, to += a.ic * wide) {
      ptrdiff_t ih = first + r, begin = pad < 0 ? 0 : pad, end = pad + a.iw;
      if (begin > wide) begin = wide;
      if (end > wide) end = wide;
      if (ih < 0 || ih >= a.ih || end < begin) begin = end = 0;
      for (ptrdiff_t c = 0; c < a.ic; c++) {
        T* row = to + c * wide;
        for (ptrdiff_t i = 0; i < begin; i++) row[i] = 0;
        for (ptrdiff_t i = end; i < wide; i++) row[i] = 0;
      }
      const T* x = static_cast<const T*>(a.x) + item.n * a.x_n + ih * a.x_h + (begin - pad) * a.x_w;
      if (a.x_w == 1) planes(a, x, end - begin, to + begin);
      else channels(a, x, end - begin, to + begin);
    }
  }
  // `count` places of a row of x, without gaps.
  void planes(const Conv2d& a, const T* x, ptrdiff_t count, T* to) const noexcept {
    for (ptrdiff_t c = 0; c < a.ic; c++, x += a.x_c, to += wide) {
      ptrdiff_t i = 0;
      for (; i + L <= count; i += L) store<T>(to + i, load<T>(x + i));
      if (i < count) store_n<T>(to + i, load_n<T>(x + i, count - i), count - i);
    }
  }
  // The same with gaps: squares are turned where channels lie side by side.
  void channels(const Conv2d& a, const T* x, ptrdiff_t count, T* to) const noexcept {
    ptrdiff_t done = 0;
    if constexpr (L > 1)
      for (; a.x_c == 1 && done < count; done += L) {
        ptrdiff_t places = count - done < L ? count - done : L;
        for (ptrdiff_t c = 0; c < a.ic; c += L) {
          ptrdiff_t some = a.ic - c < L ? a.ic - c : L;
          vec<T> square[L];
          // What lies behind the last channel, of the next place, does no harm: those rows of the square are not
          // stored.
          bool whole = some == L, next = c + L <= 2 * a.x_w;
          UNROLL for (int i = 0; i < L; i++) {
            const T* from = x + (done + i) * a.x_w + c;
            if (i < places) square[i] = whole || (next && i + 1 < places) ? load<T>(from) : load_n<T>(from, some);
            else square[i] = vec<T>{};
          }
          transpose<T>(square);
          UNROLL for (int i = 0; i < L; i++) {
            if (i >= some) break;
            if (places == L) store<T>(to + (c + i) * wide + done, square[i]);
            else store_n<T>(to + (c + i) * wide + done, square[i], places);
          }
        }
      }
    for (ptrdiff_t c = 0; c < a.ic; c++)
      for (ptrdiff_t i = done; i < count; i++) to[c * wide + i] = x[c * a.x_c + i * a.x_w];
  }
};

// N planes of one vector of places, brought to memory as [places, N], and back; `count` numbers of it exist, of which
// some may lie in the next vectors. With 8 lanes a shuffle out of two vectors takes three instructions: there one
// square is turned (32 instructions) and each place takes a store or load of its own, whose last lanes the next one
// corrects.
template <class T, int N>
constexpr bool by_square = lanes<T> == 8 && isa_registers == 16 && N >= 4;

template <class T, int N>
inline __attribute__((always_inline)) void store_places(const vec<T> (&planes)[N], T* y, ptrdiff_t count) {
  constexpr int L = lanes<T>;
  if constexpr (by_square<T, N>) {
    vec<T> square[L] = {};
    UNROLL for (int c = 0; c < N; c++) square[c] = planes[c];
    transpose<T>(square);
    if (count > N * L) {
      UNROLL for (int i = 0; i < L; i++) store<T>(y + i * N, square[i]);
    } else {
      UNROLL for (int i = 0; i < L; i++) {
        if ((i + 1) * N < count) store<T>(y + i * N, square[i]);
        else if (i * N < count) store_n<T>(y + i * N, square[i], N);
      }
    }
  } else {
    vec<T> out[N];
    interleave<T, N>(planes, out);
    UNROLL for (int j = 0; j < N; j++) {
      if (count >= (j + 1) * L) store<T>(y + j * L, out[j]);
      else if (count > j * L) store_n<T>(y + j * L, out[j], count - j * L);
    }
  }
}

// Zeros where nothing exists.
template <class T, int N>
inline __attribute__((always_inline)) void load_places(const T* y, ptrdiff_t count, vec<T> (&planes)[N]) {
  constexpr int L = lanes<T>;
  if constexpr (by_square<T, N>) {
    vec<T> square[L];
    UNROLL for (int i = 0; i < L; i++) {
      const T* from = y + i * N;
      square[i] = (i + 1) * N < count ? load<T>(from) : i * N < count ? load_n<T>(from, N) : vec<T>{};
    }
    transpose<T>(square);
    UNROLL for (int c = 0; c < N; c++) planes[c] = square[c];
  } else {
    vec<T> in[N];
    UNROLL for (int j = 0; j < N; j++) {
      const T* from = y + j * L;
      in[j] = count >= (j + 1) * L ? load<T>(from) : count > j * L ? load_n<T>(from, count - j * L) : vec<T>{};
    }
    deinterleave<T, N>(in, planes);
  }
}

// Calls f<n>(), if n is one of 1 .. N.
template <int N, class F>
inline void for_channels(ptrdiff_t n, F f) {
  if constexpr (N > 0) {
    if (n == N) f.template operator()<N>();
    else for_channels<N - 1>(n, f);
  }
}
