// Idea:  waste nothing at the edges, and let every number of x and w come from a near cache.
// Since: r3_tile did edge columns one by one; here a block loses only the pixels that a tap cannot see. Rows are cut
//        into blocks of nearly equal width; narrow images take two rows, or pixels of several images, per block.
//        Weights are packed in slices of ic that stay in the L2 cache while all blocks of a part of the image use
//        them; between slices the sums wait in y, and what comes next is fetched ahead.
// Why:   the multiply-add units are then the only limit: no tap on padding is computed, and the 16 loads that feed 28
//        multiply-adds (simd/block.h) find their numbers in L1, or on their way to it.
// Price: 84 compiled blocks (AVX-512: widths 1 to 14, up to 7 also in two rows, each x 1 or 2 vectors x dense or not),
//        200 KB of code, and the longest file of the ladder. From top to bottom: how weights are packed; one block;
//        what to do at edges; the loops around it all.
#pragma once
#include "parts.h"

template <class T>
struct conv2d_r5_pack : Plain<Conv2d> {
  static constexpr bool epilogue = true;
  static constexpr int V = block_vectors, width = V * lanes<T>;

  static const char* supports(const Conv2d& a) {
    return (a.activation || a.add) && a.y_c != 1 ? "an epilogue wants channels-last y (y_c = 1)" : nullptr;
  }
  static constexpr int masked = isa_vector_bytes == 64;  // AVX-512 stores a part of a vector as fast as a whole one
  // Scalar and SSE take x_c = 1 for any other step: half as many blocks to compile.
  static constexpr bool narrow = isa_registers == 16 && isa_vector_bytes < 32;
  // Sizes for an L2 cache of 1 or 2 MB beside 32 registers; for one of 512 KB, which two threads may share, beside 16.
  static constexpr bool small = isa_registers == 16;
  // Weights of a slice: 3 x 3 x 256 x 32 x 4 = 288 KB, half an L2.
  static constexpr ptrdiff_t slice_bytes = (small ? 150 : 300) << 10;
  static constexpr ptrdiff_t ahead_bytes = 32 << 10;  // a slice from here on does not stay in L1 (32 or 48 KB)
  static constexpr ptrdiff_t chunk_bytes = (small ? 128 : 256) << 10;  // x that every block of channels uses again
  static constexpr size_t turns_bytes = chunk_bytes;  // weights of all groups up to here meet it by turns
  // y from here on goes past the caches (found by trying). On Zen 3 plain stores into lines that were asked for before
  // the sums began are 1.15 times as fast for 13 MB (1x1, 128 -> 512 channels on 8 images of 28x28).
  static constexpr ptrdiff_t stream_bytes = (small ? 48 : 4) << 20;
  static constexpr ptrdiff_t near_bytes = 256 << 10;  // y that is in L2 need not be asked for

  // An axis cut into parts whose lengths differ by at most one.
  struct Axis {
    ptrdiff_t parts, length, longer;  // the first `longer` parts have length + 1
    Axis(ptrdiff_t size, ptrdiff_t parts) : parts(parts), length(size / parts), longer(size % parts) {}
    ptrdiff_t begin(ptrdiff_t i) const { return i * length + (i < longer ? i : longer); }
    ptrdiff_t count(ptrdiff_t i) const { return length + (i < longer); }
  };

  // ---- weights: [groups, blocks, slices, kh, kw, ic of the slice, width]; see `wide` for the last block ----

  static ptrdiff_t vectors(const Conv2d& a) { return ceil_div(a.oc / a.groups, lanes<T>); }
  static ptrdiff_t slices(const Conv2d& a) {
    ptrdiff_t bytes = a.kh * a.kw * (a.ic / a.groups) * width * ptrdiff_t(sizeof(T));
    ptrdiff_t count = ceil_div(bytes, slice_bytes);
    return count < a.ic / a.groups ? count : a.ic / a.groups;
  }
  static size_t packed_bytes(const Conv2d& a) { return size_t(a.kh * a.kw * a.ic * vectors(a) * lanes<T>) * sizeof(T); }

  // Of an odd number of vectors the last block takes one, whose 6 sums leave half the loads without a multiply-add
  // (24 channels: 16 and 8), or with 16 registers three, whose blocks are then half as many columns. Zen 3, 1x1: 144 ->
  // 24 on 56x56 254 -> 225 us, 24 -> 24 on 40x150 100 to 112 -> 88, 240 -> 40 on 28x28 165 -> 157, 64 -> 72 81 to 90
  // -> 78.
  static constexpr bool triple = small && !narrow;
  // A vector that is all of a group has blocks of twice as many columns: 6 sums keep three quarters of the multipliers
  // busy.
  static constexpr int alone = triple ? 2 * block_rows : block_rows;
  static ptrdiff_t blocks(const Conv2d& a) {
    ptrdiff_t all = vectors(a);
    return triple && all > V ? all / V : ceil_div(all, V);
  }
  // Channels of the block that begins `left` before the end of its group.
  static ptrdiff_t wide(ptrdiff_t left) {
    if (triple && left > width && left <= width + lanes<T>) return width + lanes<T>;
    return left > lanes<T> ? width : lanes<T>;
  }

  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups, blocks = conv2d_r5_pack::blocks(a);
    Axis axis(group_ic, slices(a));
    Range mine = share(a.groups * blocks, team);
    for (ptrdiff_t block = mine.begin; block < mine.end; block++) {
      ptrdiff_t g = block / blocks, oc0 = block % blocks * width, left = group_oc - oc0;
      ptrdiff_t wide = conv2d_r5_pack::wide(left);
      T* to = static_cast<T*>(packed) + (g * vectors(a) * lanes<T> + oc0) * a.kh * a.kw * group_ic;
      const T* w = static_cast<const T*>(a.w) + (g * group_oc + oc0) * a.w_o;
      for (ptrdiff_t slice = 0; slice < axis.parts; slice++) {
        ptrdiff_t depth = axis.count(slice), tap = depth * wide;
        Filters<T>{depth, a.kh, a.kw, a.w_i, a.w_h, a.w_w, wide, a.kw * tap, tap}.pack(w, a.w_o, left, wide, to);
        to += a.kh * a.kw * tap, w += depth * a.w_i;
      }
    }
  }

  // ---- one block: R rows x C columns of pixels, VB vectors of channels, one slice of ic, some taps ----

  struct Job {                                    // the same for all blocks of a slice
    Conv2d a;                                     // as given, or flattened
    bool images;                                  // the columns of a block are the same pixel of several images
    bool onto_y;                                  // added to what y holds (and no bias): a sum of several convolutions
    ptrdiff_t depth;                              // ic of the slice
    ptrdiff_t tap_h, tap_w;                       // in the packed weights, from one tap to the next
    ptrdiff_t x_down, x_right, y_down, y_right;   // from one pixel of the block to the next
    bool past;                                    // y goes past the caches
    bool far;                                     // y is not in L2: its lines are asked for before they are written
    Finish<T> finish{ActNone, nullptr, nullptr};  // the epilogue in registers
  };
  // Where a block lies. Handed on by reference: a copy would load as one vector what was just stored in pieces, and
  // wait until those stores, which stand behind the last block's, have reached the cache.
  struct At {
    const T* x;                // tap (0, 0) of its first pixel, first ic of the slice
    const T* w;                // the packed slice
    const T* bias;             // of its first channel, or null
    T* y;                      // its first pixel and channel
    ptrdiff_t left;            // channels from the first one to the end of the group
    bool fresh;                // sums start from the bias, otherwise from y
    bool last;                 // sums are whole after this slice
    bool stream;               // y goes past the caches
    bool finish;               // the epilogue is done in registers
    ptrdiff_t count;           // this many such blocks ...
    ptrdiff_t x_next, y_next;  // ... so far apart
    const T* ahead;  // weights to fetch while it runs, 1 / ahead_share of what it reads; or null: the next block's x
    ptrdiff_t ahead_share;
    Range kh, kw;  // taps to do, which all its pixels see
  };

  // The sums of a block from and to y where that is not simply a load or store: channels that lie apart, or part of a
  // vector without masks.
  static __attribute__((noinline)) void load_part(const Job& j, const At& at, const T* y, vec<T>* sum, int rows,
                                                  int columns, int vectors) noexcept {
    for (int r = 0; r < rows; r++, y += j.y_down)
      for (int c = 0; c < columns; c++)
        for (int v = 0; v < vectors; v++)
          *sum++ = load_channels<T>(y + c * j.y_right + v * lanes<T> * j.a.y_c, j.a.y_c, at.left - v * lanes<T>);
  }
  static __attribute__((noinline)) void store_part(const Job& j, const At& at, T* y, const vec<T>* sum, int rows,
                                                   int columns, int vectors) noexcept {
    for (int r = 0; r < rows; r++, y += j.y_down)
      for (int c = 0; c < columns; c++)
        for (int v = 0; v < vectors; v++)
          store_channels<T>(y + c * j.y_right + v * lanes<T> * j.a.y_c, j.a.y_c, *sum++, at.left - v * lanes<T>);
  }

  template <int R, int C, int VB, bool dense>
  static void block(const Job& j, const At& at) noexcept {
    const Conv2d& a = j.a;
    ptrdiff_t x_kh = a.dilation_h * a.x_h, x_kw = a.dilation_w * a.x_w, taps = at.kw.end - at.kw.begin;
    // The taps of a row are one long sum.
    bool line = (dense || (narrow && a.x_c == 1)) && x_kw == j.depth && j.tap_w == j.depth * VB * lanes<T>;
    ptrdiff_t steps = line ? 1 : taps, depth = line ? taps * j.depth : j.depth;
    ptrdiff_t ahead_k = at.ahead ? VB * lanes<T> / at.ahead_share : lanes<T>;
    const T* x0 = at.x + at.kw.begin * x_kw;
    T* y = at.y;
    bool whole = a.y_c == 1 && at.left >= (VB - masked) * lanes<T>;
    ptrdiff_t last = at.left - (VB - 1) * lanes<T>;  // channels in the last vector
    if (last > lanes<T>) last = lanes<T>;
    bool want = small && j.far && at.fresh && !at.stream;
    for (ptrdiff_t i = 0; i < at.count; i++) {
      Block<R * C, VB, T> b;
      if (want) {
        UNROLL for (int m = 0; m < R * C; m++) __builtin_prefetch(y + m / C * j.y_down + m % C * j.y_right);
      }
      if (at.finish && j.finish.adds) {
        UNROLL for (int m = 0; m < R * C; m++) UNROLL for (int v = 0; v < VB; v++)
            __builtin_prefetch(j.finish.add(y + m / C * j.y_down + m % C * j.y_right + v * lanes<T>));
      }
      if (at.fresh) {
        UNROLL for (int v = 0; v < VB; v++) {
          vec<T> bias = {};
          if (at.bias) bias = load_channels<T>(at.bias + v * lanes<T>, 1, at.left - v * lanes<T>);
          UNROLL for (int m = 0; m < R * C; m++) b.sum[m][v] = bias;
        }
      } else if (whole) {
        UNROLL for (int m = 0; m < R * C; m++) UNROLL for (int v = 0; v < VB; v++) {
          const T* from = y + m / C * j.y_down + m % C * j.y_right + v * lanes<T>;
          b.sum[m][v] = masked && v == VB - 1 ? load_n<T>(from, last) : load<T>(from);
        }
      } else {
        vec<T> sum[R * C * VB];  // not b itself: an array whose address is given away would not stay in registers
        load_part(j, at, y, sum, R, C, VB);
        UNROLL for (int m = 0; m < R * C; m++) UNROLL for (int v = 0; v < VB; v++) b.sum[m][v] = sum[m * VB + v];
      }
      for (ptrdiff_t kh = at.kh.begin; kh < at.kh.end; kh++)
        for (ptrdiff_t kw = 0; kw < steps; kw++) {
          ptrdiff_t tap = kh * j.tap_h + (at.kw.begin + kw) * j.tap_w;
          const T* x = x0 + kh * x_kh + kw * x_kw;
          const T* ahead = at.ahead ? at.ahead + tap / at.ahead_share : x + at.x_next;
          multiply_grid<R, C, true>(b, x, j.x_down, j.x_right, dense ? 1 : a.x_c, at.w + tap, depth, ahead, ahead_k);
        }
      if (at.finish) {
        if (j.finish.adds) {
          UNROLL for (int m = 0; m < R * C; m++) UNROLL for (int v = 0; v < VB; v++) {
            const T* from = j.finish.add(y + m / C * j.y_down + m % C * j.y_right + v * lanes<T>);
            b.sum[m][v] += masked && v == VB - 1 ? load_n<T>(from, last) : load<T>(from);
          }
        }
        if (j.finish.clamps) {
          UNROLL for (int m = 0; m < R * C; m++) UNROLL for (int v = 0; v < VB; v++) b.sum[m][v] =
              j.finish.clamp(b.sum[m][v]);
        }
      }
      if (R == 1 && VB == V && at.stream) {
        UNROLL for (int m = 0; m < R * C; m++) UNROLL for (int v = 0; v < VB; v++)
            stream<T>(y + m % C * j.y_right + v * lanes<T>, b.sum[m][v]);
      } else if (whole) {
        UNROLL for (int m = 0; m < R * C; m++) UNROLL for (int v = 0; v < VB; v++) {
          T* to = y + m / C * j.y_down + m % C * j.y_right + v * lanes<T>;
          if (masked && v == VB - 1) store_n<T>(to, b.sum[m][v], last);
          else store<T>(to, b.sum[m][v]);
        }
      } else {
        vec<T> sum[R * C * VB];
        UNROLL for (int m = 0; m < R * C; m++) UNROLL for (int v = 0; v < VB; v++) sum[m * VB + v] = b.sum[m][v];
        store_part(j, at, y, sum, R, C, VB);
      }
      x0 += at.x_next, y += at.y_next;
    }
  }

  // Three vectors: a row at a time, in halves of at most 3 columns.
  template <int C = (block_rows + 1) / 2>
  static void pick_half(const Job& j, const At& at, ptrdiff_t columns) noexcept {
    if constexpr (C > 1)
      if (columns < C) return pick_half<C - 1>(j, at, columns);
    j.a.x_c == 1 ? block<1, C, 3, true>(j, at) : block<1, C, 3, false>(j, at);
  }
  static __attribute__((noinline)) void halves(const Job& j, const At& given, ptrdiff_t rows,
                                               ptrdiff_t columns) noexcept {
    At at = given;
    ptrdiff_t first = (columns + 1) / 2;
    for (ptrdiff_t r = 0; r < rows; r++) {
      at.x = given.x + r * j.x_down, at.y = given.y + r * j.y_down;
      pick_half(j, at, first);
      if (columns == first) continue;
      at.x += first * j.x_right, at.y += first * j.y_right;
      pick_half(j, at, columns - first);
    }
  }

  // From numbers to types: the block compiled for this many rows, columns and vectors.
  template <int C = alone>
  static void pick(const Job& j, const At& at, ptrdiff_t rows, ptrdiff_t columns) noexcept {
    if constexpr (triple && C == alone)
      if (wide(at.left) > width) return halves(j, at, rows, columns);
    if constexpr (C > 1)
      if (columns < C) return pick<C - 1>(j, at, rows, columns);
    if constexpr (C <= block_rows)
      if (at.left > lanes<T>) return dense<C, V, 2 * C <= block_rows ? 2 : 1>(j, at, rows);
    dense<C, 1, 2 * C <= alone ? 2 : 1>(j, at, rows);
  }
  template <int C, int VB, int R>
  static void dense(const Job& j, const At& at, ptrdiff_t rows) noexcept {
    if constexpr (!narrow)
      if (j.a.x_c == 1) return rows == R ? block<R, C, VB, true>(j, at) : block<1, C, VB, true>(j, at);
    rows == R ? block<R, C, VB, false>(j, at) : block<1, C, VB, false>(j, at);
  }

  // ---- edges: a tap sees a rectangle of the block's pixels ----

  // Those of `count` pixels, `step` apart, that lie in the image if the first lies at `start`.
  static Range seen(ptrdiff_t start, ptrdiff_t step, ptrdiff_t size, ptrdiff_t count) {
    if (start >= 0 && start + (count - 1) * step < size) return {0, count};
    if (step == 0) return {0, 0};
    return window(start, size, count, step);
  }

  // The taps that see all pixels from `start` to `start + way`.
  static Range common(ptrdiff_t start, ptrdiff_t way, ptrdiff_t size, ptrdiff_t kernel, ptrdiff_t dilation) {
    if (start >= 0 && start + way + (kernel - 1) * dilation < size) return {0, kernel};
    return {window(start, size, kernel, dilation).begin, window(start + way, size, kernel, dilation).end};
  }

  // All taps of a slice for rows x columns pixels from (ih, iw) on. The taps that all of them see come first; each
  // other rectangle of taps that see the same pixels continues with the sums in y. Returns whether the epilogue is
  // done: in registers, if the first block is all.
  static bool taps(const Job& j, At& at, ptrdiff_t ih, ptrdiff_t iw, ptrdiff_t rows, ptrdiff_t columns) noexcept {
    const Conv2d& a = j.a;
    ptrdiff_t step = j.images ? 0 : a.stride_w;
    Range all_h = common(ih, (rows - 1) * a.stride_h, a.ih, a.kh, a.dilation_h);
    Range all_w = common(iw, (columns - 1) * step, a.iw, a.kw, a.dilation_w);
    bool some = all_h.begin < all_h.end && all_w.begin < all_w.end;
    at.kh.begin = some ? all_h.begin : 0, at.kh.end = some ? all_h.end : 0;
    at.kw.begin = some ? all_w.begin : 0, at.kw.end = some ? all_w.end : 0;
    bool once = all_h.end - all_h.begin == a.kh && all_w.end - all_w.begin == a.kw;
    at.finish =
        once && at.last && j.finish.simple && !j.finish.nothing() && a.y_c == 1 && (masked || at.left >= wide(at.left));
    if (some || at.fresh) pick(j, at, rows, columns);
    if (once) return at.finish;
    bool fresh = at.fresh;
    at.fresh = false;
    const T* x = at.x;
    T* y = at.y;
    for (ptrdiff_t kh = 0; kh < a.kh; kh = at.kh.end) {
      Range down = seen(ih + kh * a.dilation_h, a.stride_h, a.ih, rows);
      at.kh.begin = kh, at.kh.end = kh + 1;
      if (down.begin >= down.end) continue;
      if (kh == all_h.begin && all_h.end > kh) at.kh.end = all_h.end;
      for (ptrdiff_t kw = 0; kw < a.kw; kw = at.kw.end) {
        Range right = seen(iw + kw * a.dilation_w, step, a.iw, columns);
        at.kw.begin = kw, at.kw.end = kw + 1;
        if (right.begin >= right.end) continue;
        if (kw == all_w.begin && all_w.end > kw) at.kw.end = all_w.end;
        if (some && kh == all_h.begin && kw == all_w.begin) continue;  // done above
        at.x = x + down.begin * j.x_down + right.begin * j.x_right;
        at.y = y + down.begin * j.y_down + right.begin * j.y_right;
        pick(j, at, down.end - down.begin, right.end - right.begin);
      }
    }
    at.fresh = fresh;
    return false;
  }

  // ---- the loops around the block ----

  // The outputs of one channel cut into blocks of pixels: neighbours in a row, two rows of them if the image is
  // narrow, or the same pixel of several images if it is very narrow: those all see the same taps.
  struct Grid {
    Axis n, h, w;
    bool images;
    ptrdiff_t size() const { return n.parts * h.parts * w.parts; }
  };
  static Grid grid(const Conv2d& a) {
    ptrdiff_t most = vectors(a) == 1 ? alone : block_rows, w_parts = ceil_div(a.ow, most),
              columns = ceil_div(a.ow, w_parts);
    ptrdiff_t rows = 2 * columns <= most && a.oh > 1 ? 2 : 1, images = a.n < most ? a.n : most;
    if (columns <= most / 3 && images >= columns * rows)
      return {Axis(a.n, ceil_div(a.n, most)), Axis(a.oh, a.oh), Axis(a.ow, a.ow), true};
    return {Axis(a.n, a.n), Axis(a.oh, ceil_div(a.oh, rows)), Axis(a.ow, w_parts), false};
  }

  // 1x1 without padding: if rows, and images, follow each other in x as in y, they are one long row.
  // The only channel of x has no neighbours: x_c may as well be 1, and the taps of a kernel row are then one long sum.
  static Conv2d flat(Conv2d a) {
    if (a.ic == 1) a.x_c = 1;
    if (a.kh != 1 || a.kw != 1 || a.pad_h || a.pad_w) return a;
    if ((a.oh - 1) * a.stride_h >= a.ih || (a.ow - 1) * a.stride_w >= a.iw) return a;
    if (a.x_h * a.stride_h != a.ow * a.stride_w * a.x_w || a.y_h != a.ow * a.y_w) return a;
    a.ow *= a.oh, a.oh = a.ih = 1;
    if (a.x_n == a.ow * a.stride_w * a.x_w && a.y_n == a.ow * a.y_w) a.ow *= a.n, a.n = 1;
    a.iw = a.ow * a.stride_w;
    return a;
  }

  // One slice of weights, one block of channels, the blocks of pixels [begin, end): n, h, w count through the grid.
  static void pixels(const Job& j, At at, const Grid& grid, ptrdiff_t begin, ptrdiff_t end) noexcept {
    const Conv2d& a = j.a;
    const T* x = at.x;
    T* y = at.y;
    ptrdiff_t w = begin % grid.w.parts, h = begin / grid.w.parts % grid.h.parts;
    ptrdiff_t n = begin / grid.w.parts / grid.h.parts, reach = (a.kw - 1) * a.dilation_w;
    // The next slice of weights follows in memory. A few blocks share the work of fetching it: the ones in the middle,
    // because those at the top and bottom of the image do not see all taps. A slice that stays in L1 needs no help.
    ptrdiff_t slice = a.kh * j.tap_h, helpers = 1;
    while (helpers < 8 && helpers * 2 <= end - begin) helpers *= 2;
    ptrdiff_t first = begin + (end - begin - helpers) / 2;
    bool ahead = slice * ptrdiff_t(sizeof(T)) >= ahead_bytes;
    at.ahead_share = helpers;
    while (begin < end) {
      ptrdiff_t oh = grid.h.begin(h), ow = grid.w.begin(w), image = grid.n.begin(n), step = grid.w.count(w);
      ptrdiff_t ih = oh * a.stride_h - a.pad_h, iw = ow * a.stride_w - a.pad_w;
      at.x = x + image * a.x_n + ih * a.x_h + iw * a.x_w;
      at.y = y + image * a.y_n + oh * a.y_h + ow * a.y_w;
      at.x_next = step * a.stride_w * a.x_w, at.y_next = step * a.y_w;
      // Blocks of the same width that see all columns of the kernel are done in one go.
      at.count = (w < grid.w.longer ? grid.w.longer : grid.w.parts) - w;
      if (at.count > end - begin) at.count = end - begin;
      at.ahead = nullptr;
      if (ahead) {
        at.count = 1;
        if (begin >= first && begin < first + helpers) at.ahead = at.w + slice + (begin - first) * slice / helpers;
      }
      while (at.count > 1 && (iw < 0 || iw + (at.count * step - 1) * a.stride_w + reach >= a.iw)) at.count--;
      ptrdiff_t rows = grid.h.count(h), columns = grid.images ? grid.n.count(n) : step;
      T* out = at.y;
      if (!taps(j, at, ih, iw, rows, columns) && at.last) {
        ptrdiff_t channels = at.left < wide(at.left) ? at.left : wide(at.left);
        for (ptrdiff_t i = 0; i < at.count; i++, out += at.y_next)
          finish_sums<T>(a, out, rows, j.y_down, columns, j.y_right, channels);
      }
      begin += at.count, w += at.count;
      if (w == grid.w.parts) {
        w = 0;
        if (++h == grid.h.parts) h = 0, n++;
      }
    }
  }

  static void run(const Conv2d& given, const Team& team, bool onto_y = false) noexcept {
    run(given, team, onto_y, !onto_y && past(flat(given)));
  }
  // past: see there; asked of more than this, if this is a part of it.
  static void run(const Conv2d& given, const Team& team, bool onto_y, bool past) noexcept {
    if (given.n == 0 || given.oh == 0 || given.ow == 0) return;
    Job j;
    j.onto_y = onto_y;
    j.a = flat(given);
    j.past = past;
    j.far = j.a.y_c == 1 && j.a.n * j.a.oh * j.a.ow * j.a.oc * ptrdiff_t(sizeof(T)) >= near_bytes &&
            j.a.kh * j.a.kw * (j.a.ic / j.a.groups) >= 48;  // fewer multiply-adds leave no time to fetch
    j.finish = Finish<T>(j.a);
    const Conv2d& a = j.a;
    Grid cut = grid(a);
    j.images = cut.images;
    j.x_down = a.stride_h * a.x_h, j.x_right = cut.images ? a.x_n : a.stride_w * a.x_w;
    j.y_down = a.y_h, j.y_right = cut.images ? a.y_n : a.y_w;
    ptrdiff_t group_ic = a.ic / a.groups, blocks = conv2d_r5_pack::blocks(a);
    // Groups whose weights stay near meet x by turns, a few pixels at a time: so their channels, which are neighbours,
    // come from memory together. Otherwise a group's weights stay in the first-level cache for as long as can be.
    ptrdiff_t together = conv2d_r5_pack::packed_bytes(a) <= turns_bytes ? a.ic : group_ic;
    ptrdiff_t bytes = block_rows * a.stride_w * a.stride_h * together * ptrdiff_t(sizeof(T));  // x that a block adds
    ptrdiff_t chunk = bytes < chunk_bytes ? chunk_bytes / bytes : 1, size = cut.size();
    Range mine = share(a.groups * blocks * size, team);  // channels outermost: members share neither weights nor y
    for (ptrdiff_t first = 0; first < size; first += chunk)
      for (ptrdiff_t block = mine.begin / size; block * size < mine.end; block++) {
        ptrdiff_t begin = mine.begin - block * size, end = mine.end - block * size;
        if (begin < first) begin = first;
        if (end > first + chunk) end = first + chunk;
        if (end > size) end = size;
        if (begin < end) channels(j, cut, block, begin, end);
      }
    if (j.past) stream_end();
  }

  // Whether y goes past the caches, which it would not stay in: then each place must be written once, with no tap on
  // padding. (1x1, 128 -> 512 on 8 images of 28x28: 12.8 MB.)
  static bool past(const Conv2d& a) {
    bool once = !a.pad_h && !a.pad_w && (a.oh - 1) * a.stride_h + (a.kh - 1) * a.dilation_h < a.ih &&
                (a.ow - 1) * a.stride_w + (a.kw - 1) * a.dilation_w < a.iw && !a.activation && !a.add;
    return once && a.y_c == 1 && a.n * a.oh * a.ow * a.oc * ptrdiff_t(sizeof(T)) >= stream_bytes &&
           uintptr_t(a.y_n | a.y_h | a.y_w) * sizeof(T) % sizeof(vec<T>) == 0;
  }

  // One block of channels for the blocks of pixels [begin, end): slice after slice.
  static void channels(Job& j, const Grid& cut, ptrdiff_t block, ptrdiff_t begin, ptrdiff_t end) noexcept {
    const Conv2d& a = j.a;
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups, blocks = conv2d_r5_pack::blocks(a);
    ptrdiff_t g = block / blocks, oc0 = block % blocks * width;
    ptrdiff_t wide = conv2d_r5_pack::wide(group_oc - oc0);
    At at = {};
    at.w = static_cast<const T*>(a.workspace.packed) + (g * vectors(a) * lanes<T> + oc0) * a.kh * a.kw * group_ic;
    at.bias = a.bias ? static_cast<const T*>(a.bias) + g * group_oc + oc0 : nullptr;
    at.y = static_cast<T*>(a.y) + (g * group_oc + oc0) * a.y_c;
    at.left = group_oc - oc0;
    Axis axis(group_ic, slices(a));
    at.stream = j.past && axis.parts == 1 && at.left >= width && uintptr_t(at.y) % sizeof(vec<T>) == 0;
    for (ptrdiff_t slice = 0; slice < axis.parts; slice++) {
      j.depth = axis.count(slice);
      j.tap_w = j.depth * wide, j.tap_h = a.kw * j.tap_w;
      at.x = static_cast<const T*>(a.x) + (g * group_ic + axis.begin(slice)) * a.x_c;
      at.fresh = slice == 0 && !j.onto_y, at.last = slice == axis.parts - 1;
      pixels(j, at, cut, begin, end);
      at.w += a.kh * j.tap_h;
    }
  }
};
