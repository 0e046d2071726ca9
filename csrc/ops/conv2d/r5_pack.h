// Idea:  waste nothing at the edges, and let every number of x and w come from a near cache.
// Since: r3_tile did edge columns one by one; here a block loses only the pixels that a tap cannot see. Rows are cut
//        into blocks of nearly equal width; narrow images take two rows, or pixels of several images, per block.
//        Weights are packed in slices of ic that stay in the L2 cache while all blocks of a part of the image use
//        them; between slices the sums wait in y.
// Why:   the multiply-add units are then the only limit: no tap on padding is computed, and per block row and step of
//        the inner loop one broadcast and a share of two loads come from L1 or L2.
// Price: as many compiled blocks as there are widths, and this file is the longest.
#pragma once
#include "parts.h"

template <class T>
struct conv2d_r5_pack : Plain<Conv2d> {
  static constexpr int V = block_vectors, width = V * lanes<T>;
  static constexpr int sums_needed = 8;             // FMA latency 4 x 2 ports
  static constexpr ptrdiff_t slice_bytes = 256 << 10;  // weights of a slice: half of a small L2 (512 KB)
  static constexpr ptrdiff_t chunk_bytes = 256 << 10;  // x that is used again by every block of channels

  static const char* supports(const Conv2d& a) {
    if (a.groups > 1 && a.groups == a.oc) return "one output channel per group would fill one lane of the vector";
    return nullptr;
  }

  // ---- weights: [groups, blocks, slices, kh, kw, ic of the slice, width]; the last block may be one vector wide ----

  static ptrdiff_t vectors(const Conv2d& a) { return ceil_div(a.oc / a.groups, lanes<T>); }
  static ptrdiff_t slices(const Conv2d& a) {
    ptrdiff_t bytes = a.kh * a.kw * (a.ic / a.groups) * width * ptrdiff_t(sizeof(T));
    ptrdiff_t count = ceil_div(bytes, slice_bytes);
    return count < a.ic / a.groups ? count : a.ic / a.groups;
  }
  static size_t packed_bytes(const Conv2d& a) {
    return size_t(a.kh * a.kw * a.ic * vectors(a) * lanes<T>) * sizeof(T);
  }

  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups, blocks = ceil_div(vectors(a), V);
    Range mine = share(a.groups * blocks, team);
    for (ptrdiff_t block = mine.begin; block < mine.end; block++) {
      ptrdiff_t g = block / blocks, oc0 = block % blocks * width;
      ptrdiff_t oc_width = oc0 + width <= vectors(a) * lanes<T> ? width : lanes<T>;
      const T* w = static_cast<const T*>(a.w) + (g * group_oc + oc0) * a.w_o;
      T* to = static_cast<T*>(packed) + (g * vectors(a) * lanes<T> + oc0) * a.kh * a.kw * group_ic;
      for (ptrdiff_t slice = 0; slice < slices(a); slice++)
        for (ptrdiff_t tap = 0; tap < a.kh * a.kw; tap++)
          for (ptrdiff_t ic = group_ic * slice / slices(a); ic < group_ic * (slice + 1) / slices(a); ic++)
            for (ptrdiff_t oc = 0; oc < oc_width; oc++)
              *to++ = oc0 + oc < group_oc ? w[oc * a.w_o + ic * a.w_i + tap / a.kw * a.w_h + tap % a.kw * a.w_w] : T(0);
    }
  }

  // ---- one block: R rows x C columns of pixels, VB vectors of channels, one slice of ic, some taps ----

  struct Job {               // the same for all blocks of a slice
    Conv2d a;                // as given, or flattened
    bool images;             // the columns of a block are the same pixel of several images
    ptrdiff_t depth;         // ic of the slice
    ptrdiff_t tap_h, tap_w;  // in the packed weights, from one tap to the next
    ptrdiff_t x_down, x_right, y_down, y_right;  // from one pixel of the block to the next
  };
  struct At {          // where a block lies
    const T* x;        // tap (0, 0) of its first pixel, first ic of the slice
    const T* w;        // the packed slice
    const T* bias;     // of its first channel, or null
    T* y;              // its first pixel and channel
    ptrdiff_t left;    // channels from the first one to the end of the group
    bool fresh;        // sums start from the bias, otherwise from y
    Range kh, kw;      // taps to do, which all its pixels see
  };

  template <int R, int C, int VB, bool dense>
  static void block(const Job& j, const At& at) noexcept {
    const Conv2d& a = j.a;
    Block<R * C, VB, T> b;
    for (int v = 0; v < VB; v++) {
      ptrdiff_t left = at.left - v * lanes<T>;
      if (at.fresh) {
        vec<T> bias = at.bias ? load_channels<T>(at.bias + v * lanes<T>, 1, left) : vec<T>{};
        for (int m = 0; m < R * C; m++) b.sum[m][v] = bias;
      } else {
        for (int m = 0; m < R * C; m++)
          b.sum[m][v] = load_channels<T>(at.y + m / C * j.y_down + m % C * j.y_right + v * lanes<T> * a.y_c, a.y_c, left);
      }
    }
    ptrdiff_t x_kh = a.dilation_h * a.x_h, x_kw = a.dilation_w * a.x_w, taps = at.kw.end - at.kw.begin;
    bool line = dense && x_kw == j.depth && j.tap_w == j.depth * VB * lanes<T>;  // the taps of a row are one long sum
    ptrdiff_t steps = line ? 1 : taps, depth = line ? taps * j.depth : j.depth;
    for (ptrdiff_t kh = at.kh.begin; kh < at.kh.end; kh++)
      for (ptrdiff_t kw = 0; kw < steps; kw++)
        multiply_grid<R, C>(b, at.x + kh * x_kh + (at.kw.begin + kw) * x_kw, j.x_down, j.x_right, dense ? 1 : a.x_c,
                            at.w + kh * j.tap_h + (at.kw.begin + kw) * j.tap_w, depth);
    for (int v = 0; v < VB; v++)
      for (int m = 0; m < R * C; m++)
        store_channels<T>(at.y + m / C * j.y_down + m % C * j.y_right + v * lanes<T> * a.y_c, a.y_c, b.sum[m][v],
                          at.left - v * lanes<T>);
  }

  // From numbers to types: the block compiled for this many rows, columns and vectors.
  template <int C = block_rows>
  static void pick(const Job& j, const At& at, ptrdiff_t rows, ptrdiff_t columns) noexcept {
    if constexpr (C > 1)
      if (columns < C) return pick<C - 1>(j, at, rows, columns);
    constexpr int R = 2 * C <= block_rows ? 2 : 1;
    bool wide = at.left > lanes<T>, dense = j.a.x_c == 1;
    if (wide && dense) rows == R ? block<R, C, V, true>(j, at) : block<1, C, V, true>(j, at);
    else if (wide) rows == R ? block<R, C, V, false>(j, at) : block<1, C, V, false>(j, at);
    else if (dense) rows == R ? block<R, C, 1, true>(j, at) : block<1, C, 1, true>(j, at);
    else rows == R ? block<R, C, 1, false>(j, at) : block<1, C, 1, false>(j, at);
  }

  // ---- edges: a tap sees a rectangle of the block's pixels ----

  // Those of `count` pixels, `step` apart, that lie in the image if the first lies at `start`.
  static Range seen(ptrdiff_t start, ptrdiff_t step, ptrdiff_t size, ptrdiff_t count) {
    if (start >= 0 && start + (count - 1) * step < size) return {0, count};
    if (step == 0) return {0, 0};
    return window(start, size, count, step);
  }

  // All taps of a slice for rows x columns pixels from (ih, iw) on. The taps that all of them see come first; each
  // other rectangle of taps that see the same pixels continues with the sums in y.
  static void taps(const Job& j, At at, ptrdiff_t ih, ptrdiff_t iw, ptrdiff_t rows, ptrdiff_t columns) noexcept {
    const Conv2d& a = j.a;
    ptrdiff_t step = j.images ? 0 : a.stride_w;
    Range all_h = {window(ih, a.ih, a.kh, a.dilation_h).begin,
                   window(ih + (rows - 1) * a.stride_h, a.ih, a.kh, a.dilation_h).end};
    Range all_w = {window(iw, a.iw, a.kw, a.dilation_w).begin,
                   window(iw + (columns - 1) * step, a.iw, a.kw, a.dilation_w).end};
    bool some = all_h.begin < all_h.end && all_w.begin < all_w.end;
    at.kh = all_h, at.kw = all_w;
    if (!some) at.kh = at.kw = {0, 0};
    if (some || at.fresh) pick(j, at, rows, columns);
    at.fresh = false;
    const T* x = at.x;
    T* y = at.y;
    for (ptrdiff_t kh = 0; kh < a.kh; kh = at.kh.end) {
      Range down = seen(ih + kh * a.dilation_h, a.stride_h, a.ih, rows);
      at.kh = {kh, kh + 1};
      if (down.begin >= down.end) continue;
      if (kh == all_h.begin && all_h.end > kh) at.kh.end = all_h.end;
      for (ptrdiff_t kw = 0; kw < a.kw; kw = at.kw.end) {
        Range right = seen(iw + kw * a.dilation_w, step, a.iw, columns);
        at.kw = {kw, kw + 1};
        if (right.begin >= right.end) continue;
        if (kw == all_w.begin && all_w.end > kw) at.kw.end = all_w.end;
        if (some && kh == all_h.begin && kw == all_w.begin) continue;  // done above
        at.x = x + down.begin * j.x_down + right.begin * j.x_right;
        at.y = y + down.begin * j.y_down + right.begin * j.y_right;
        pick(j, at, down.end - down.begin, right.end - right.begin);
      }
    }
  }

  // ---- the loops around the block ----

  // How the outputs are cut into blocks: `down` x `right` of them per image (or, along images, per pixel).
  struct Cut {
    bool images;      // a block's columns are pixels of different images
    ptrdiff_t right;  // blocks per row
    ptrdiff_t down;   // rows of blocks per image
    ptrdiff_t count;
  };
  static Cut cut(const Conv2d& a) {
    ptrdiff_t most = block_rows;
    ptrdiff_t right = ceil_div(a.ow, most), columns = ceil_div(a.ow, right), rows = 2 * columns <= most ? 2 : 1;
    if (rows > a.oh) rows = a.oh;
    ptrdiff_t several = a.n < most ? a.n : most;
    if (columns * rows * V < sums_needed && several > columns * rows)
      return {true, ceil_div(a.n, most), 0, ceil_div(a.n, most) * a.oh * a.ow};
    ptrdiff_t down = ceil_div(a.oh, rows);
    return {false, right, down, a.n * right * down};
  }

  // 1x1 without padding: if rows, and images, follow each other in x as in y, they are one long row.
  static Conv2d flat(Conv2d a) {
    if (a.kh != 1 || a.kw != 1 || a.pad_h || a.pad_w) return a;
    if ((a.oh - 1) * a.stride_h >= a.ih || (a.ow - 1) * a.stride_w >= a.iw) return a;
    if (a.x_h * a.stride_h != a.ow * a.stride_w * a.x_w || a.y_h != a.ow * a.y_w) return a;
    a.ow *= a.oh, a.oh = a.ih = 1;
    if (a.x_n == a.ow * a.stride_w * a.x_w && a.y_n == a.ow * a.y_w) a.ow *= a.n, a.n = 1;
    a.iw = a.ow * a.stride_w;
    return a;
  }

  static void run(const Conv2d& given, const Team& team) noexcept {
    Job j;
    j.a = flat(given);
    const Conv2d& a = j.a;
    Cut c = cut(a);
    if (c.count == 0) return;
    j.images = c.images;
    j.x_down = a.stride_h * a.x_h, j.x_right = c.images ? a.x_n : a.stride_w * a.x_w;
    j.y_down = a.y_h, j.y_right = c.images ? a.y_n : a.y_w;
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups, blocks = ceil_div(vectors(a), V);
    ptrdiff_t bytes = block_rows * a.stride_w * a.stride_h * group_ic * ptrdiff_t(sizeof(T));  // x that a block adds
    ptrdiff_t chunk = bytes < chunk_bytes ? chunk_bytes / bytes : 1;
    Range mine = share(a.groups * blocks * c.count, team);
    for (ptrdiff_t begin = 0; begin < c.count; begin += chunk)
      for (ptrdiff_t block = mine.begin / c.count; block * c.count < mine.end; block++) {
        ptrdiff_t g = block / blocks, oc0 = block % blocks * width;
        ptrdiff_t vectors_here = oc0 + width <= vectors(a) * lanes<T> ? V : 1;
        At at;
        at.left = group_oc - oc0;
        at.bias = a.bias ? static_cast<const T*>(a.bias) + g * group_oc + oc0 : nullptr;
        const T* w = static_cast<const T*>(a.workspace.packed) + (g * vectors(a) * lanes<T> + oc0) * a.kh * a.kw * group_ic;
        ptrdiff_t from = mine.begin - block * c.count, to = mine.end - block * c.count;
        if (from < begin) from = begin;
        if (to > begin + chunk) to = begin + chunk;
        if (to > c.count) to = c.count;
        for (ptrdiff_t slice = 0; slice < slices(a); slice++) {
          ptrdiff_t ic = group_ic * slice / slices(a);
          j.depth = group_ic * (slice + 1) / slices(a) - ic;
          at.fresh = slice == 0;
          j.tap_w = j.depth * vectors_here * lanes<T>;
          j.tap_h = a.kw * j.tap_w;
          at.w = w + a.kh * a.kw * ic * vectors_here * lanes<T>;
          for (ptrdiff_t i = from; i < to; i++) {
            ptrdiff_t n, oh, ow, rows = 1, columns;
            if (c.images) {
              Range r = part(a.n, i / (a.oh * a.ow), c.right);
              n = r.begin, columns = r.end - r.begin, oh = i / a.ow % a.oh, ow = i % a.ow;
            } else {
              Range r = part(a.oh, i / c.right % c.down, c.down), s = part(a.ow, i % c.right, c.right);
              n = i / c.right / c.down, oh = r.begin, rows = r.end - r.begin, ow = s.begin, columns = s.end - s.begin;
            }
            ptrdiff_t ih = oh * a.stride_h - a.pad_h, iw = ow * a.stride_w - a.pad_w;
            at.x = static_cast<const T*>(a.x) + n * a.x_n + (g * group_ic + ic) * a.x_c + ih * a.x_h + iw * a.x_w;
            at.y = static_cast<T*>(a.y) + n * a.y_n + (g * group_oc + oc0) * a.y_c + oh * a.y_h + ow * a.y_w;
            taps(j, at, ih, iw, rows, columns);
          }
        }
      }
  }
  static Range part(ptrdiff_t count, ptrdiff_t i, ptrdiff_t of) { return {count * i / of, count * (i + 1) / of}; }
};
