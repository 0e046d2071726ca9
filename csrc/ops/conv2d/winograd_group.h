// Winograd's convolution for groups whose channels fit one register: a vector of 4 groups of 4 channels, or of 1 of 16,
// is transformed as it comes, and each of the (M+2)^2 points is a product of small matrices.
//
//   winograd.h   a panel of up to 4 vectors of output channels, v and m of many tiles in L2
//   here         one vector; v of 8 or 16 tiles stays in L1, and m takes its place there
//
// With several groups in a vector, lane (g, o) wants input channel i of its own group g: one shuffle of a vector of v
// for each i, as in r11_group; other groups are never met, not even by a zero. Tiles are read from a copy of x, M + 2
// rows of pixels side by side with zeros around the image: pixels of 256 channels lie 1 KB apart, and the few sets of
// L1 that they fall into would not hold them until the next tile.
//
// Cycles for a tile on AVX-512, 512 channels in 32 groups, 14x14: M = 2: copy 30, transform 28, products 139 (128 for
// the FMA units), back 43. M = 4: 78, 100, 380 (288), 150: its u of 36 KB comes from L2 for every 8 tiles. With 16
// tiles v leaves L1: 207 us instead of 146.
#pragma once
#include "winograd.h"

template <class T, int M>
struct GroupWinograd {
  using W = Winograd<T, M>;
  using Job = typename W::Job;
  using Place = typename W::Place;
  using Index = __typeof__(vec<T>{} < vec<T>{});
  static constexpr int N = W::N, points = W::points, L = lanes<T>;
  static constexpr int rows = isa_registers == 32 ? 16 : 12;  // tiles of a block: sums in registers
  static constexpr ptrdiff_t tiles_most = M == 2 ? 16 : 8;    // of a chunk; v takes 16 or 18 KB
  static constexpr ptrdiff_t plane = tiles_most * L + L;      // from point to point of v: all sets of L1
  static constexpr ptrdiff_t columns = M * tiles_most + 2;    // of the copy of x
  static constexpr ptrdiff_t band_bytes = 512 << 10;          // x that all groups pass before the next band
  static constexpr ptrdiff_t stream_bytes = 3 << 20;          // see slide.h
  static constexpr ptrdiff_t scratch = points * plane + N * columns * L;

  static bool fits(const Job& j) { return j.groups > 1 && j.ic <= L && j.oc <= L; }
  static ptrdiff_t together(const Job& j) {  // groups in a vector
    ptrdiff_t fit = L / (j.ic > j.oc ? j.ic : j.oc);
    return fit < j.groups ? fit : j.groups;
  }
  static ptrdiff_t blocks(const Job& j) { return ceil_div(j.groups, together(j)); }

  // packed: [blocks][point][ic][L], zeros in lanes without a channel
  static size_t packed_bytes(const Job& j) { return size_t(blocks(j) * points * j.ic * L) * sizeof(T); }
  static size_t scratch_bytes(int threads) { return size_t(threads) * size_t(scratch) * sizeof(T); }

  static void prepare(const Job& j, void* packed, const Team& team) noexcept {
    Range mine = share(blocks(j), team);
    for (ptrdiff_t b = mine.begin; b < mine.end; b++)
      for (ptrdiff_t ic = 0; ic < j.ic; ic++) {
        auto taps = [&](int i, int k) {
          T lane[L] = {};
          for (ptrdiff_t l = 0; l < together(j) * j.oc; l++) {
            ptrdiff_t g = b * together(j) + l / j.oc;
            if (g < j.groups) lane[l] = j.w[g * j.w_g + l % j.oc * j.w_o + ic * j.w_i + i * j.w_h + k * j.w_w];
          }
          return load<T>(lane);
        };
        W::weights(taps, static_cast<T*>(packed) + (b * points * j.ic + ic) * L, j.ic * L);
      }
  }

  // ---- a chunk of tiles of one block ----

  // The tile that is `count` tiles behind, at most in the next row.
  static Place next(const Job& j, Place at, ptrdiff_t count) {
    at.w += count * M;
    if (at.w >= j.ow) at.w = 0, at.h += M;
    if (at.h >= j.oh) at.h = 0, at.n++;
    return at;
  }

  // N rows of `count` pixels from (ih, iw) on, zeros where there is no image.
  static void copy(const Job& j, const T* x, ptrdiff_t ih, ptrdiff_t iw, ptrdiff_t count, ptrdiff_t channels,
                   T* to) noexcept {
    ptrdiff_t left = iw < 0 ? -iw : 0, right = j.iw - iw < count ? j.iw - iw : count;
    if (left > count) left = count;
    if (right < left) right = left;
    for (int i = 0; i < N; i++, to += columns * L) {
      bool inside = ih + i >= 0 && ih + i < j.ih;
      ptrdiff_t begin = inside ? left : count, end = inside ? right : count, k = 0;
      for (; k < begin; k++) store<T>(to + k * L, vec<T>{});
      const T* from = x + (ih + i) * j.x_h + (iw + begin) * j.x_w;
      if (j.x_c == 1 && channels >= L)
        for (; k < end; k++, from += j.x_w) store<T>(to + k * L, load<T>(from));
      else
        for (; k < end; k++, from += j.x_w) store<T>(to + k * L, load_channels<T>(from, j.x_c, channels));
      for (; k < count; k++) store<T>(to + k * L, vec<T>{});
    }
  }

  // v of the tiles from `at` on, a row of tiles at a time.
  static void inputs(const Job& j, const T* x, ptrdiff_t channels, Place at, ptrdiff_t count, T* v) noexcept {
    T* copied = v + points * plane;
    for (ptrdiff_t run; count > 0; count -= run, at = next(j, at, run)) {
      ptrdiff_t left = (j.ow - at.w + M - 1) / M;
      run = left < count ? left : count;
      copy(j, x + at.n * j.x_n, at.h - j.pad_h, at.w - j.pad_w, M * run + 2, channels, copied);
      const T* from = copied;
      for (ptrdiff_t i = 0; i < run; i++, from += M * L, v += L)
        W::input_tile([=](int r, int k)
                          __attribute__((always_inline)) { return load<T>(from + (r * columns + k) * L); },
                      v, plane);
    }
  }

  // m in the place of v. One group: its numbers of v are broadcast. Several: its lanes are shuffled.
  template <bool several>
  static void products(ptrdiff_t ic, ptrdiff_t tiles, T* v, const T* packed, const Index* index) noexcept {
    for_row_blocks<rows>(tiles, [&](auto count, ptrdiff_t first) {
      constexpr int R = decltype(count)::value;
      T* m = v + first * L;
      const T* u = packed;
      for (int point = 0; point < points; point++, m += plane) {
        Block<R, 1, T> b;
        clear_block(b);
        for (ptrdiff_t i = 0; i < ic; i++, u += L) {
          vec<T> w = load<T>(u);
          UNROLL for (int r = 0; r < R; r++) {
            if constexpr (several && L > 1) b.sum[r][0] += vec<T>(__builtin_shuffle(load<T>(m + r * L), index[i])) * w;
            else b.sum[r][0] += m[r * L + i] * w;
          }
        }
        store_block(b, m, L);
      }
    });
  }

  static void outputs(const Job& j, T* y, const T* bias, ptrdiff_t channels, Place at, ptrdiff_t count, bool past,
                      const T* m) noexcept {
    Finish<T> finish(j.activation, j.add, j.y);
    vec<T> b = {};
    if (bias) b = load_channels<T>(bias, 1, channels);
    bool plain = j.y_c == 1 && channels >= L && finish.nothing();
    past = past && plain && uintptr_t(y) % sizeof(vec<T>) == 0;
    for (ptrdiff_t t = 0; t < count; t++, m += L, at = next(j, at, 1)) {
      T* to = y + at.n * j.y_n + at.h * j.y_h + at.w * j.y_w;
      ptrdiff_t down = j.oh - at.h < M ? j.oh - at.h : M, right = j.ow - at.w < M ? j.ow - at.w : M;
      if (past)
        W::output_tile(m, plane, b, [=](int i, int k, vec<T> value) __attribute__((always_inline)) {
          if (i < down && k < right) stream<T>(to + i * j.y_h + k * j.y_w, value);
        });
      else if (plain)
        W::output_tile(m, plane, b, [=](int i, int k, vec<T> value) __attribute__((always_inline)) {
          if (i < down && k < right) store<T>(to + i * j.y_h + k * j.y_w, value);
        });
      else
        W::output_tile(m, plane, b, [=](int i, int k, vec<T> value) __attribute__((always_inline)) {
          if (i >= down || k >= right) return;
          T* place = to + i * j.y_h + k * j.y_w;
          if (finish.adds && finish.simple) value += load_channels<T>(finish.add(place), j.y_c, channels);
          if (finish.clamps && finish.simple) value = finish.clamp(value);
          store_channels<T>(place, j.y_c, value, channels);
        });
      if (!finish.simple)
        finish_outputs<T>(to, j.add ? j.add + (to - j.y) : nullptr, j.activation, down, j.y_h, right, j.y_w, channels);
    }
  }

  static void run(const Job& j, const Team& team) noexcept {
    Index index[L] = {};
    if constexpr (L > 1)
      for (ptrdiff_t i = 0; i < j.ic; i++)
        for (int lane = 0; lane < L; lane++) index[i][lane] = lane / j.oc < together(j) ? lane / j.oc * j.ic + i : 0;
    ptrdiff_t tiles = j.tiles(), chunks = ceil_div(tiles, tiles_most), channels = j.groups * j.ic;
    ptrdiff_t bytes = j.n * j.ih * j.iw * channels * ptrdiff_t(sizeof(T));
    ptrdiff_t bands = bytes / band_bytes + 1 < chunks ? bytes / band_bytes + 1 : chunks;
    bytes += j.n * j.oh * j.ow * j.groups * j.oc * ptrdiff_t(sizeof(T));
    bool past = bytes >= stream_bytes && uintptr_t(j.y_n | j.y_h | j.y_w) * sizeof(T) % sizeof(vec<T>) == 0;
    T* v = j.scratch + team.rank * scratch;
    Range mine = share(bands * blocks(j), team);
    for (ptrdiff_t item = mine.begin; item < mine.end; item++) {
      ptrdiff_t band = item / blocks(j), block = item % blocks(j), g = block * together(j);
      ptrdiff_t here = j.groups - g < together(j) ? j.groups - g : together(j);
      const T *x = j.x + g * j.ic * j.x_c, *u = j.packed + block * points * j.ic * L;
      for (ptrdiff_t c = chunks * band / bands; c < chunks * (band + 1) / bands; c++) {
        ptrdiff_t first = tiles * c / chunks, count = tiles * (c + 1) / chunks - first;
        Place at = W::place(j, first);
        inputs(j, x, here * j.ic, at, count, v);
        together(j) > 1 ? products<true>(j.ic, count, v, u, index) : products<false>(j.ic, count, v, u, index);
        outputs(j, j.y + g * j.oc * j.y_c, j.bias ? j.bias + g * j.oc : nullptr, here * j.oc, at, count, past, v);
      }
    }
    if (past) stream_end();
  }

  // ---- what it takes, as Winograd::cycles ----

  static double cycles(const Job& j) {
    double tiles = double(j.tiles()), several = together(j) > 1 ? 2 : 1;  // a shuffle keeps a unit as busy as an FMA
    double products = tiles * points * double(j.ic) * several / 2 * (M == 4 ? 1.3 : 1.1);
    double transforms = tiles * (M == 4 ? 480 : 130) * (isa_registers < 32 ? 1.3 : 1);
    double fetching = W::fetch_cycles(double(points * j.ic * L), double(blocks(j))), share = 16 / tiles;
    double hidden = products < fetching ? products : fetching;
    return double(blocks(j)) *
           ((products > fetching ? products : fetching) + transforms + hidden * (share < 1 ? share : 1));
  }
  // Of r11_group, or of r10_taps for one group in a vector: a multiply-add of two comes with a shuffle, or a load.
  static double direct_cycles(const Job& j) {
    return double(blocks(j)) * W::inside(j) * double(j.ic) / 2 * (together(j) > 1 ? 2 : 1.15);
  }
};

// The one that takes a job: the rungs' way in.
template <class T, int M>
struct AnyWinograd : Winograd<T, M> {
  using W = Winograd<T, M>;
  using G = GroupWinograd<T, M>;
  using Job = typename W::Job;

  static size_t packed_bytes(const Job& j) { return G::fits(j) ? G::packed_bytes(j) : W::packed_bytes(j); }
  static size_t scratch_bytes(const Job& j, int threads) {
    return G::fits(j) ? G::scratch_bytes(threads) : W::scratch_bytes(j, threads);
  }
  static void prepare(const Job& j, void* packed, const Team& team) noexcept {
    G::fits(j) ? G::prepare(j, packed, team) : W::prepare(j, packed, team);
  }
  static void run(const Job& j, const Team& team) noexcept { G::fits(j) ? G::run(j, team) : W::run(j, team); }

  static double cycles(const Job& j) { return G::fits(j) ? G::cycles(j) : W::cycles(j); }
  // Why not to take this rung unasked, for the operator whose job `make` is.
  template <class Make>
  static const char* declines(const Conv2d& a, Make make) {
    if (a.precision >= Exact) return "the precision setting is \"exact\": only sums of the formula's products";
    if (M == 4 && a.precision >= High) return "the precision setting is \"high\": F(2x2, 3x3) at most";
    Job j = make(a);
    double direct = G::fits(j) ? G::direct_cycles(j) : W::direct_cycles(j);
    return cycles(j) < direct ? nullptr : "the transforms would cost more than they save";
  }
};
