// Winograd's convolution for groups whose channels fit one register, or with 16 registers a few: a vector of 4 groups
// of 4 channels, or the vectors of one group, are transformed as they come, and each of the (M+2)^2 points is a product
// of small matrices. With 32 registers also a convolution without groups that has so few channels: v and m do not go
// through L2 (16 -> 16 channels, Emerald Rapids: 1.2 to 1.28 times as fast as by winograd.h).
//
//   winograd.h   a panel of up to 4 vectors of output channels, v and m of many tiles in L2
//   here         one vector, or `most` of 32 bytes; v of a few tiles stays in L1, and m takes its place there
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
  static constexpr int most = isa_registers == 32 ? 1 : 4;  // vectors of channels of a group
  // Tiles of a block by vectors of output channels that it holds: sums in registers. Four vectors are two and two.
  template <int V>
  static constexpr int rows = isa_registers == 32 ? 16 : 12 / V;
  static constexpr bool small = isa_registers == 16;                  // registers and caches
  static constexpr ptrdiff_t band_bytes = (small ? 128 : 512) << 10;  // x that all groups pass before the next band
  static constexpr ptrdiff_t far_block = 64 << 10 >> 2;               // numbers of u: larger than L1
  // See slide.h. Half a line, a vector of 32 bytes, is not streamed: 512 channels in 32 groups on 28x28 take half as
  // long without it on Zen 3. Nor is y without groups: its rows are written side by side, and who trains reads it next.
  static constexpr ptrdiff_t stream_bytes = 3 << 20;
  static constexpr ptrdiff_t far_bytes = 1 << 20;  // x from here on is not in L2 when its turn comes

  static constexpr ptrdiff_t tiles_one = M == 2 ? 16 : 8;  // of a chunk of one vector of 64 bytes: v takes 16 or 18 KB

  // v: [point][tile][slot], m likewise in its place; a slot has room for the input channels as for the output channels.
  struct Sizes {
    ptrdiff_t in, out, slot;  // vectors of channels, of x and of y; numbers of a tile's place
    ptrdiff_t tiles;          // of a chunk
    ptrdiff_t plane;          // from point to point of v: all sets of L1
    ptrdiff_t columns;        // of the copy of x, [N rows][columns][in * L]
    ptrdiff_t scratch;
    explicit Sizes(const Job& j) {
      in = ceil_div(j.ic, L), out = ceil_div(j.oc, L), slot = (in > out ? in : out) * L;
      tiles = small ? (36 / (slot / L) < 12 ? 12 : 36 / (slot / L)) : tiles_one;
      plane = tiles * slot + L, columns = M * tiles + 2;
      scratch = points * plane + N * columns * in * L;
    }
    // Where a group has one vector at most, known when compiled: then it is part of addresses.
    ptrdiff_t point() const { return most == 1 ? tiles_one * L + L : plane; }
  };

  static bool fits(const Job& j) {
    return (j.groups > 1 || isa_registers == 32) && j.ic <= most * L && j.oc <= most * L;
  }
  static ptrdiff_t together(const Job& j) {  // groups in a vector
    ptrdiff_t fit = L / (j.ic > j.oc ? j.ic : j.oc);
    return fit < 1 ? 1 : fit < j.groups ? fit : j.groups;
  }
  static ptrdiff_t blocks(const Job& j) { return ceil_div(j.groups, together(j)); }

  // Vectors of output channels in panels of one to three, or two and two.
  static ptrdiff_t panels(ptrdiff_t out) { return out > 3 ? 2 : 1; }

  // packed: [blocks][point][panel][ic][vectors of the panel * L], zeros in lanes without a channel
  static ptrdiff_t u_block(const Job& j) { return points * j.ic * ceil_div(j.oc, L) * L; }
  // Weights of one call are not packed: u of a block is made before it is used, and does not leave L2. (512 channels in
  // 32 groups on 14x14, Zen 3, F(4x4): packing 250 us and the rest 245, now 305 together.) Then a block passes all of x
  // before the next one, which costs more than packing where x is large: 8 images of 120 channels in 5 groups on 28x28,
  // 3 MB, 5.3 -> 6.0 ms.
  static constexpr ptrdiff_t fresh_bytes = 1 << 20;
  static bool fresh(const Job& j) {
    return j.once && j.n * j.ih * j.iw * j.groups * j.ic * ptrdiff_t(sizeof(T)) <= fresh_bytes;
  }
  static size_t packed_bytes(const Job& j) { return fresh(j) ? 0 : size_t(blocks(j) * u_block(j)) * sizeof(T); }
  static ptrdiff_t scratch_size(const Job& j) { return Sizes(j).scratch + (fresh(j) ? u_block(j) : 0); }
  static size_t scratch_bytes(const Job& j, int threads) {
    return size_t(threads) * size_t(scratch_size(j)) * sizeof(T);
  }

  static void prepare(const Job& j, void* packed, const Team& team) noexcept {
    ptrdiff_t out = ceil_div(j.oc, L), wide = out / panels(out) * L;
    Range mine = share(blocks(j) * panels(out), team);
    for (ptrdiff_t item = mine.begin; item < mine.end; item++) {
      ptrdiff_t b = item / panels(out), panel = item % panels(out);
      make(j, b, panel, static_cast<T*>(packed) + b * u_block(j) + panel * j.ic * wide);
    }
  }
  // A panel of a block.
  static __attribute__((noinline)) void make(const Job& j, ptrdiff_t b, ptrdiff_t panel, T* u) noexcept {
    ptrdiff_t out = ceil_div(j.oc, L), wide = out / panels(out) * L, first = b * together(j);  // group
    ptrdiff_t channels = (j.groups - first < together(j) ? j.groups - first : together(j)) * j.oc;
    const T* from[most][L];
    for (ptrdiff_t i = 0; i < wide; i++) {
      ptrdiff_t lane = panel * wide + i < channels ? panel * wide + i : 0;
      from[i / L][i % L] = j.w + (first + lane / j.oc) * j.w_g + lane % j.oc * j.w_o;
    }
    for (ptrdiff_t ic = 0; ic < j.ic; ic++, u += wide)
      for (ptrdiff_t v = 0; v < wide; v += L)
        W::filters(j, from[v / L], ic * j.w_i, channels - panel * wide - v, u + v, j.ic * out * L, false);
  }

  // ---- a chunk of tiles of one block ----

  // The tile that is `count` tiles behind, at most in the next row.
  static Place next(const Job& j, Place at, ptrdiff_t count) {
    at.w += count * M;
    if (at.w >= j.ow) at.w = 0, at.h += M;
    if (at.h >= j.oh) at.h = 0, at.n++;
    return at;
  }

  // N rows of `count` pixels from (ih, iw) on, `in` vectors each, zeros where there is no image. row: of the copy.
  static void copy(const Job& j, const T* x, ptrdiff_t ih, ptrdiff_t iw, ptrdiff_t count, ptrdiff_t channels, T* to,
                   ptrdiff_t in, ptrdiff_t row) noexcept {
    ptrdiff_t left = iw < 0 ? -iw : 0, right = j.iw - iw < count ? j.iw - iw : count;
    if (left > count) left = count;
    if (right < left) right = left;
    for (int i = 0; i < N; i++, to += row) {
      bool inside = ih + i >= 0 && ih + i < j.ih;
      ptrdiff_t begin = inside ? left : count, end = inside ? right : count, k = 0;
      for (; k < begin * in; k++) store<T>(to + k * L, vec<T>{});
      const T* from = x + (ih + i) * j.x_h + (iw + begin) * j.x_w;
      if (in == 1 && j.x_c == 1 && channels >= L) {
        for (; k < end; k++, from += j.x_w) store<T>(to + k * L, load<T>(from));
      } else if (in == 2 && j.x_c == 1 && channels >= 2 * L) {
        for (; k < end * 2; k += 2, from += j.x_w) {
          store<T>(to + k * L, load<T>(from));
          store<T>(to + (k + 1) * L, load<T>(from + L));
        }
      } else {
        for (; k < end * in; from += j.x_w)
          for (ptrdiff_t v = 0; v < in; v++, k++)
            store<T>(to + k * L, load_channels<T>(from + v * L * j.x_c, j.x_c, channels - v * L));
      }
      for (; k < count * in; k++) store<T>(to + k * L, vec<T>{});
    }
  }

  // v of the tiles from `at` on, a row of tiles at a time.
  static void inputs(const Job& j, const Sizes& s, const T* x, ptrdiff_t channels, Place at, ptrdiff_t count,
                     T* v) noexcept {
    T* copied = v + points * s.plane;
    ptrdiff_t pixel = most == 1 ? L : s.in * L, row = most == 1 ? (M * tiles_one + 2) * L : s.columns * pixel;
    for (ptrdiff_t run; count > 0; count -= run, at = next(j, at, run)) {
      ptrdiff_t left = (j.ow - at.w + M - 1) / M;
      run = left < count ? left : count;
      copy(j, x + at.n * j.x_n, at.h - j.pad_h, at.w - j.pad_w, M * run + 2, channels, copied, s.in, row);
      const T* from = copied;
      for (ptrdiff_t i = 0; i < run; i++, from += M * pixel, v += most == 1 ? L : s.slot)
        for (ptrdiff_t c = 0; c < pixel; c += L)
          W::input_tile([=](int r, int k)
                            __attribute__((always_inline)) { return load<T>(from + c + r * row + k * pixel); },
                        v + c, s.point());
    }
  }

  // Rows of M pixels of the next chunk's x and of this chunk's y, where these do not stay in L2: asked for a few at a
  // time, point by point, while products leave memory idle. (64 images of 32x32, 16 channels, Emerald Rapids: 1.20 ms
  // without, 1.11 with; pixels that are less than a line gain nothing.)
  struct Lines {
    static constexpr int most_rows = tiles_one * M, per_point = (most_rows + points - 1) / points;
    const T *x[most_rows], *y[most_rows];
    ptrdiff_t x_w, y_w;
    int count = 0;
    Lines(const Job& j, const T* from, Place in, const T* to, Place out, ptrdiff_t tiles) : x_w(j.x_w), y_w(j.y_w) {
      for (; count < tiles * M; in = next(j, in, 1), out = next(j, out, 1))
        for (int i = 0; i < M; i++, count++) {
          x[count] = from + in.n * j.x_n + (in.h - j.pad_h + 2 + i) * j.x_h + (in.w - j.pad_w + 2) * j.x_w;
          y[count] = to + out.n * j.y_n + (out.h + i) * j.y_h + out.w * j.y_w;
        }
    }
    Lines() {}
    inline __attribute__((always_inline)) void ask(int point) const {
      for (int i = point * per_point; i < (point + 1) * per_point && i < count; i++)
        UNROLL for (int k = 0; k < M; k++) {
          __builtin_prefetch(x[i] + k * x_w);
          __builtin_prefetch(y[i] + k * y_w, 1);
        }
    }
  };

  // m in the place of v: R tiles, V vectors of output channels. One group: its numbers of v are broadcast. Several: its
  // lanes are shuffled. Not inlined, because the loops around it would take registers.
  template <bool several, int R, int V>
  static __attribute__((noinline)) void product(T* m, ptrdiff_t slot, ptrdiff_t plane, ptrdiff_t ic, const T* u,
                                                const Index* index, const Lines& lines) noexcept {
    for (int point = 0; point < points; point++, m += plane, u += ic * V * L) {
      if constexpr (most == 1) lines.ask(point);
      Block<R, V, T> b;
      clear_block(b);
      if constexpr (several && L > 1) {
        const T* w = u;
        for (ptrdiff_t i = 0; i < ic; i++, w += L) {
          vec<T> wi = load<T>(w);
          UNROLL for (int r = 0; r < R; r++) b.sum[r][0] +=
              vec<T>(__builtin_shuffle(load<T>(m + r * L), index[i])) * wi;
        }
      } else if constexpr (most == 1) {
        const T* w = u;
        for (ptrdiff_t i = 0; i < ic; i++, w += L) {
          vec<T> wi = load<T>(w);
          UNROLL for (int r = 0; r < R; r++) b.sum[r][0] += m[r * L + i] * wi;
        }
      } else {
        multiply_grid<1, R, 0>(b, m, 0, slot, 1, u, ic, u, 0);
      }
      store_block(b, m, most == 1 ? L : slot);
    }
  }
  // Four vectors: the first two wait until the other two are done as well, because v is still wanted.
  template <int R>
  static __attribute__((noinline)) void product_four(T* m, ptrdiff_t slot, ptrdiff_t plane, ptrdiff_t ic,
                                                     const T* u) noexcept {
    T early[R * 2 * L];
    for (int point = 0; point < points; point++, m += plane, u += ic * 4 * L) {
      Block<R, 2, T> b;
      clear_block(b);
      multiply_grid<1, R, 0>(b, m, 0, slot, 1, u, ic, u, 0);
      store_block(b, early, 2 * L);
      clear_block(b);
      multiply_grid<1, R, 0>(b, m, 0, slot, 1, u + ic * 2 * L, ic, u, 0);
      store_block(b, m + 2 * L, slot);
      load_block(b, early, 2 * L);
      store_block(b, m, slot);
    }
  }
  template <bool several, int V>
  static void products(const Sizes& s, ptrdiff_t ic, ptrdiff_t tiles, T* v, const T* u, const Index* index,
                       const Lines& lines) noexcept {
    for_row_blocks<rows<(V == 4 ? 2 : V)>>(tiles, [&](auto count, ptrdiff_t first) {
      constexpr int R = decltype(count)::value;
      if constexpr (V == 4) product_four<R>(v + first * s.slot, s.slot, s.plane, ic, u);
      else product<several, R, V>(v + first * s.slot, s.slot, s.plane, ic, u, index, lines);
    });
  }
  static void products(const Job& j, const Sizes& s, ptrdiff_t tiles, T* v, const T* u, const Index* index,
                       const Lines& lines) noexcept {
    if (together(j) > 1) return products<true, 1>(s, j.ic, tiles, v, u, index, lines);
    if (s.out == 1) return products<false, 1>(s, j.ic, tiles, v, u, index, lines);
    if constexpr (most > 1) {
      if (s.out == 2) products<false, 2>(s, j.ic, tiles, v, u, index, lines);
      else if (s.out == 3) products<false, 3>(s, j.ic, tiles, v, u, index, lines);
      else products<false, 4>(s, j.ic, tiles, v, u, index, lines);
    }
  }

  static void outputs(const Job& j, const Sizes& s, T* y, const T* bias, ptrdiff_t channels, Place at, ptrdiff_t count,
                      bool past, const T* m) noexcept {
    Finish<T> finish(j.activation, j.add, j.y);
    for (ptrdiff_t t = 0; t < count; t++, m += s.slot, at = next(j, at, 1)) {
      T* tile = y + at.n * j.y_n + at.h * j.y_h + at.w * j.y_w;
      ptrdiff_t down = j.oh - at.h < M ? j.oh - at.h : M, right = j.ow - at.w < M ? j.ow - at.w : M;
      for (ptrdiff_t c = 0; c < channels; c += L) {
        T* to = tile + c * j.y_c;
        vec<T> b = {};
        if (bias) b = load_channels<T>(bias + c, 1, channels - c);
        bool plain = j.y_c == 1 && channels - c >= L && finish.nothing();
        if (past && plain && uintptr_t(to) % sizeof(vec<T>) == 0)
          W::output_tile(m + c, s.point(), b, [=](int i, int k, vec<T> value) __attribute__((always_inline)) {
            if (i < down && k < right) stream<T>(to + i * j.y_h + k * j.y_w, value);
          });
        else if (plain)
          W::output_tile(m + c, s.point(), b, [=](int i, int k, vec<T> value) __attribute__((always_inline)) {
            if (i < down && k < right) store<T>(to + i * j.y_h + k * j.y_w, value);
          });
        else
          W::output_tile(m + c, s.point(), b, [=](int i, int k, vec<T> value) __attribute__((always_inline)) {
            if (i >= down || k >= right) return;
            T* place = to + i * j.y_h + k * j.y_w;
            if (finish.adds && finish.simple) value += load_channels<T>(finish.add(place), j.y_c, channels - c);
            if (finish.clamps && finish.simple) value = finish.clamp(value);
            store_channels<T>(place, j.y_c, value, channels - c);
          });
      }
      if (!finish.simple)
        finish_outputs<T>(tile, j.add ? j.add + (tile - j.y) : nullptr, j.activation, down, j.y_h, right, j.y_w,
                          channels);
    }
  }

  static void run(const Job& j, const Team& team) noexcept {
    Index index[L] = {};
    if constexpr (L > 1)
      for (ptrdiff_t i = 0; i < j.ic && i < L; i++)
        for (int lane = 0; lane < L; lane++) index[i][lane] = lane / j.oc < together(j) ? lane / j.oc * j.ic + i : 0;
    Sizes s(j);
    ptrdiff_t tiles = j.tiles(), chunks = ceil_div(tiles, s.tiles), channels = j.groups * j.ic;
    ptrdiff_t bytes = j.n * j.ih * j.iw * channels * ptrdiff_t(sizeof(T));
    ptrdiff_t bands = bytes / band_bytes + 1 < chunks ? bytes / band_bytes + 1 : chunks;
    if (small) {  // weights are read again for each band: not more of them than of x
      ptrdiff_t sense = 1 + bytes / (blocks(j) * u_block(j) * ptrdiff_t(sizeof(T)) + 1);
      if (bands > sense) bands = sense;
    }
    ptrdiff_t shares = ceil_div(8 * team.size, blocks(j));  // few groups: bands, so that members have equal shares
    if (team.size > 1 && bands < shares) bands = shares < chunks ? shares : chunks;
    bool far = most == 1 && bytes >= far_bytes && j.groups == 1 && j.ic == L;
    bytes += j.n * j.oh * j.ow * j.groups * j.oc * ptrdiff_t(sizeof(T));
    bool past = L * ptrdiff_t(sizeof(T)) >= 64 && bytes >= stream_bytes && j.groups > 1 &&
                uintptr_t(j.y_n | j.y_h | j.y_w) * sizeof(T) % sizeof(vec<T>) == 0;
    T *v = j.scratch + team.rank * scratch_size(j), *made = v + s.scratch;
    Range mine = share(bands * blocks(j), team);
    for (ptrdiff_t item = mine.begin, last = -1; item < mine.end; item++) {
      ptrdiff_t band = item / blocks(j), block = item % blocks(j);
      if (fresh(j)) block = item / bands, band = item % bands;
      ptrdiff_t g = block * together(j), here = j.groups - g < together(j) ? j.groups - g : together(j);
      const T *x = j.x + g * j.ic * j.x_c, *u = fresh(j) ? made : j.packed + block * u_block(j);
      for (ptrdiff_t panel = 0; fresh(j) && block != last && panel < panels(s.out); panel++)
        make(j, block, panel, made + panel * j.ic * (s.out / panels(s.out) * L));
      last = block;
      for (ptrdiff_t c = chunks * band / bands; c < chunks * (band + 1) / bands; c++) {
        ptrdiff_t first = tiles * c / chunks, count = tiles * (c + 1) / chunks - first;
        Place at = W::place(j, first);
        inputs(j, s, x, here * j.ic, at, count, v);
        Lines lines = far ? Lines(j, x, W::place(j, first + count), j.y + g * j.oc * j.y_c, at, count) : Lines();
        products(j, s, count, v, u, index, lines);
        outputs(j, s, j.y + g * j.oc * j.y_c, j.bias ? j.bias + g * j.oc : nullptr, here * j.oc, at, count, past, v);
      }
    }
    if (past) stream_end();
  }

  // ---- what it takes, as Winograd::cycles ----

  // With 16 registers as found on Zen 3, whose front end two threads share: products of 16 channels in and out take 1.5
  // times as long as their multiply-adds alone, r10_taps 1.8 times.
  static double cycles(const Job& j) {
    double tiles = double(j.tiles()), several = together(j) > 1 ? 2 : 1;  // a shuffle keeps a unit as busy as an FMA
    Sizes s(j);
    bool alone = j.groups == 1;  // as found on Emerald Rapids: rows of pixels lie side by side
    double slower = small && together(j) == 1 ? 1.5 : M == 4 && !alone ? 1.3 : 1.1;
    double products = tiles * points * double(j.ic * s.out) * several / 2 * slower;
    double vectors = double(s.in + s.out) / 2, transform = M == 2 ? 130 : !alone ? 480 : j.oc % L ? 500 : 400;
    double transforms = tiles * vectors * transform * (isa_registers < 32 ? 1.3 : 1);
    double fetching = W::fetch_cycles(double(u_block(j)), double(blocks(j))), share = 16 / tiles;
    if (small) fetching /= 2, share = 0;  // from L3 at 16 bytes a cycle
    double hidden = products < fetching ? products : fetching;
    double making = fresh(j) ? W::make_cycles * (u_block(j) > far_block ? 1.8 : 1) : W::pack_cycles;
    if (j.once) transforms += double(j.ic * s.out) * making;
    return double(blocks(j)) *
           ((products > fetching ? products : fetching) + transforms + hidden * (share < 1 ? share : 1));
  }
  // Of r11_group, or of r10_taps for one group in a vector: a multiply-add of two comes with a shuffle, or a load.
  static double direct_cycles(const Job& j) {
    double slower = together(j) > 1 ? 2 : small ? 1.8 : 1.15;
    double packing = j.once ? W::direct_pack_cycles : 0;
    return double(blocks(j)) * double(j.ic * ceil_div(j.oc, L)) * (W::inside(j) / 2 * slower + packing);
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
    return G::fits(j) ? G::scratch_bytes(j, threads) : W::scratch_bytes(j, threads);
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
