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

  // ---- one block: R rows x C columns of pixels, VB vectors of channels, one slice of ic ----

  struct Job {
    Conv2d a;
    ptrdiff_t depth;         // ic of this slice
    ptrdiff_t x_right, y_right;  // from one column of the block to the next
    ptrdiff_t step;          // the same in columns of the image: stride_w, or 0 if the block's columns are images
    ptrdiff_t tap_h, tap_w;  // distance of the packed weights of two taps
    bool first;              // first slice: sums start from the bias, otherwise from y
  };
  struct At {       // where a block lies
    const T* x;     // tap (0, 0) of its first pixel, first ic of the slice
    const T* w;     // the packed slice
    const T* bias;  // of its first channel, or null
    T* y;
    ptrdiff_t ih, iw;  // where tap (0, 0) of the first pixel lies in the image
    ptrdiff_t left;    // channels from the first one to the end of the group
  };

  // Pixels [first, last) of one row of a block by one tap: any range, sums in memory. For wide overhangs only.
  template <int VB, bool dense>
  static __attribute__((noinline)) void rest(const Job& j, vec<T> (*sum)[VB], const T* x, const T* w, ptrdiff_t first,
                                             ptrdiff_t last) noexcept {
    while (first < last) {
      if (last - first >= 8) first += some<8, VB, dense>(j, sum + first, x + first * j.x_right, w);
      else if (last - first >= 4) first += some<4, VB, dense>(j, sum + first, x + first * j.x_right, w);
      else first += some<1, VB, dense>(j, sum + first, x + first * j.x_right, w);
    }
  }
  template <int C, int VB, bool dense>
  static int some(const Job& j, vec<T> (*sum)[VB], const T* x, const T* w) noexcept {
    Block<C, VB, T> b;
    for (int m = 0; m < C; m++)
      for (int v = 0; v < VB; v++) b.sum[m][v] = sum[m][v];
    multiply_part<Part<C, 0, 1, 0, C>, dense>(b, x, 0, j.x_right, j.a.x_c, w, j.depth);
    for (int m = 0; m < C; m++)
      for (int v = 0; v < VB; v++) sum[m][v] = b.sum[m][v];
    return C;
  }

  // One row of the kernel, for the rows [top, bottom) of the block.
  template <int top, int bottom, int C, bool dense, int M, int VB>
  static inline __attribute__((always_inline)) void kernel_row(const Job& j, Block<M, VB, T>& b, const T* x, const T* w,
                                                               ptrdiff_t iw) {
    ptrdiff_t x_down = j.a.stride_h * j.a.x_h, x_tap = j.a.dilation_w * j.a.x_w;
    Range all = {window(iw, j.a.iw, j.a.kw, j.a.dilation_w).begin,
                 window(iw + (C - 1) * j.step, j.a.iw, j.a.kw, j.a.dilation_w).end};  // taps that all columns see
    bool merge = dense && x_tap == j.depth && j.tap_w == j.depth * VB * lanes<T>;
    for (ptrdiff_t kw = 0; kw < j.a.kw; kw++) {
      const T *xt = x + kw * x_tap, *wt = w + kw * j.tap_w;
      if (kw >= all.begin && kw < all.end) {
        ptrdiff_t taps = merge ? all.end - kw : 1;
        multiply_part<Part<C, top, bottom, 0, C>, dense>(b, xt, x_down, j.x_right, j.a.x_c, wt, taps * j.depth);
        kw += taps - 1;
        continue;
      }
      ptrdiff_t start = iw + kw * j.a.dilation_w, first = 0, last = start >= 0 && start < j.a.iw ? C : 0;
      if (j.step) first = ceil_div(-start, j.step), last = ceil_div(j.a.iw - start, j.step);
      if (last > C) last = C;
      if (first >= last) continue;
      if (C > 1 && first == 1 && last == C)
        multiply_part<Part<C, top, bottom, C == 1 ? 0 : 1, C>, dense>(b, xt, x_down, j.x_right, j.a.x_c, wt, j.depth);
      else if (C > 1 && first == 0 && last == C - 1)
        multiply_part<Part<C, top, bottom, 0, C == 1 ? 1 : C - 1>, dense>(b, xt, x_down, j.x_right, j.a.x_c, wt,
                                                                          j.depth);
      else {
        Block<M, VB, T> copy = b;
        for (int i = top; i < bottom; i++) rest<VB, dense>(j, copy.sum + i * C, xt + i * x_down, wt, first, last);
        b = copy;
      }
    }
  }

  template <int R, int C, int VB, bool dense>
  static void block(const Job& j, const At& at) noexcept {
    const Conv2d& a = j.a;
    ptrdiff_t y_down = a.y_h, tap_x = a.dilation_h * a.x_h;
    Block<R * C, VB, T> b;
    if (j.first) {
      for (int v = 0; v < VB; v++) {
        vec<T> start = at.bias ? load_channels<T>(at.bias + v * lanes<T>, 1, at.left - v * lanes<T>) : vec<T>{};
        for (int m = 0; m < R * C; m++) b.sum[m][v] = start;
      }
    } else {
      for (int m = 0; m < R * C; m++)
        for (int v = 0; v < VB; v++)
          b.sum[m][v] = load_channels<T>(at.y + m / C * y_down + m % C * j.y_right + v * lanes<T> * a.y_c, a.y_c,
                                         at.left - v * lanes<T>);
    }
    Range rows0 = window(at.ih, a.ih, a.kh, a.dilation_h);
    if constexpr (R == 1) {
      for (ptrdiff_t kh = rows0.begin; kh < rows0.end; kh++)
        kernel_row<0, 1, C, dense>(j, b, at.x + kh * tap_x, at.w + kh * j.tap_h, at.iw);
    } else {
      Range rows1 = window(at.ih + a.stride_h, a.ih, a.kh, a.dilation_h);
      for (ptrdiff_t kh = rows1.begin; kh < rows0.end; kh++) {
        const T *x = at.x + kh * tap_x, *w = at.w + kh * j.tap_h;
        bool see0 = kh >= rows0.begin, see1 = kh < rows1.end;
        if (see0 && see1) kernel_row<0, 2, C, dense>(j, b, x, w, at.iw);
        else if (see0) kernel_row<0, 1, C, dense>(j, b, x, w, at.iw);
        else if (see1) kernel_row<1, 2, C, dense>(j, b, x, w, at.iw);
      }
    }
    for (int m = 0; m < R * C; m++)
      for (int v = 0; v < VB; v++)
        store_channels<T>(at.y + m / C * y_down + m % C * j.y_right + v * lanes<T> * a.y_c, a.y_c, b.sum[m][v],
                          at.left - v * lanes<T>);
  }

  // From numbers to types: the block compiled for this many rows, columns and vectors.
  template <int C = block_rows>
  static void pick(const Job& j, const At& at, int rows, int columns) noexcept {
    if constexpr (C > 1)
      if (columns < C) return pick<C - 1>(j, at, rows, columns);
    constexpr int R = 2 * C <= block_rows ? 2 : 1;
    bool wide = at.left > lanes<T>, dense = j.a.x_c == 1;
    if (wide && dense) rows == R ? block<R, C, V, true>(j, at) : block<1, C, V, true>(j, at);
    else if (wide) rows == R ? block<R, C, V, false>(j, at) : block<1, C, V, false>(j, at);
    else if (dense) rows == R ? block<R, C, 1, true>(j, at) : block<1, C, 1, true>(j, at);
    else rows == R ? block<R, C, 1, false>(j, at) : block<1, C, 1, false>(j, at);
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
    j.x_right = c.images ? a.x_n : a.stride_w * a.x_w;
    j.y_right = c.images ? a.y_n : a.y_w;
    j.step = c.images ? 0 : a.stride_w;
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
          j.first = slice == 0;
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
            at.ih = oh * a.stride_h - a.pad_h, at.iw = ow * a.stride_w - a.pad_w;
            at.x = static_cast<const T*>(a.x) + n * a.x_n + (g * group_ic + ic) * a.x_c + at.ih * a.x_h + at.iw * a.x_w;
            at.y = static_cast<T*>(a.y) + n * a.y_n + (g * group_oc + oc0) * a.y_c + oh * a.y_h + ow * a.y_w;
            pick(j, at, int(rows), int(columns));
          }
        }
      }
  }
  static Range part(ptrdiff_t count, ptrdiff_t i, ptrdiff_t of) { return {count * i / of, count * (i + 1) / of}; }
};
