// Idea:  few input channels: a band of x is copied with a border of zeros around it, channels side by side; then no
//        block has an edge, and each kernel row is one long sum.
// Since: r5_pack cuts a block at the edge of the image into pieces whose sums wait in y; with 27 multiply-adds for an
//        output they cost as much as the block. r10_taps has no edges either, but with 16 registers one vector only.
// Why:   3 numbers are copied where 27 times 16 or more are multiplied, and x may lie in any order (NCHW).
// Price: multiplies by the zeros of padding; the copy.
#pragma once
#include "../../simd/interleave.h"
#include "parts.h"

template <class T>
struct conv2d_r14_border : Plain<Conv2d> {
  static constexpr bool epilogue = true;
  static constexpr ptrdiff_t L = lanes<T>, V = block_vectors, width = V * L;
  static constexpr ptrdiff_t band_bytes = 24 << 10;    // of the copy, most of an L1, but a band has 4 rows of y
  static constexpr ptrdiff_t stream_bytes = 24 << 20;  // y from here on goes past the caches

  static const char* supports(const Conv2d& a) {
    if (a.groups != 1) return "wants one group";
    if (a.dilation_w != 1) return "wants no dilation along the width";
    if (a.y_c != 1) return "wants channels-last y (y_c = 1)";
    return nullptr;
  }
  static const char* declines(const Conv2d& a) {
    if (a.precision >= Exact) return "multiplies by the zeros of padding; the precision setting is \"exact\"";
    // Few taps at an edge are the worst for pack, and a window of few channels is a short sum for each of its rows:
    // 11x11, stride 4, 64 output channels on 64x64, pack's time by ours 1.74 for 1 input channel, 1.31 for 2, 1.23 for
    // 4; stride 1, 16 output channels, 1.44, 1.42, 1.19 (Emerald Rapids).
    using Taps = conv2d_r10_taps<T>;
    if (isa_registers == 32 && !Taps::supports(a) && !Taps::declines(a))
      return "taps has no edges either, and loads less";
    if (isa_registers == 32 && !a.pad_h && !a.pad_w && a.kh * a.kw * a.ic > 16)
      return "without padding pack has no edges either, and copies nothing";
    if (a.kh * a.kw == 1) return "a 1x1 kernel needs no border";
    // Time of pack by ours, 16 registers, 64 output channels: 16 input channels, 2x2, on 7x7 1.25, on 14x14 1.30, 3x3
    // on 10x10 1.14; 32, 2x2, 1.14 and 1.09, 3x3 1.00; 64, 2x2, 0.95.
    // The copy wants enough output channels: 16 -> 32, 3x3, stride 2, on 64 of 32x32 0.94.
    bool costly = a.oc < (a.stride_h * a.stride_w > 1 ? 4 : 2) * a.ic || a.kh * a.kw * a.ic > 144;
    if (a.ic > 8 && (isa_registers == 32 || costly))
      return "wants fewer input channels: a block of pack has little edge then";
    return nullptr;
  }

  // ---- weights: [blocks of V vectors][kh][kw][ic][width], the last one maybe narrower ----

  static ptrdiff_t vectors(const Conv2d& a) { return ceil_div(a.oc, L); }
  static size_t packed_bytes(const Conv2d& a) { return size_t(a.kh * a.kw * a.ic * vectors(a) * L) * sizeof(T); }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    Range mine = share(ceil_div(vectors(a), V), team);
    for (ptrdiff_t block = mine.begin; block < mine.end; block++) {
      ptrdiff_t oc0 = block * width, left = a.oc - oc0, wide = left > width - L ? width : ceil_div(left, L) * L;
      T* to = static_cast<T*>(packed) + oc0 * a.kh * a.kw * a.ic;
      const T* w = static_cast<const T*>(a.w) + oc0 * a.w_o;
      ptrdiff_t tap = a.ic * wide;
      Filters<T>{a.ic, a.kh, a.kw, a.w_i, a.w_h, a.w_w, wide, a.kw * tap, tap}.pack(w, a.w_o, left, wide, to);
    }
  }

  // ---- the copy: [x_rows][wide][ic] ----

  struct Bands {
    ptrdiff_t columns, pieces;  // a sequence (one row) is cut: columns of y of a piece
    ptrdiff_t wide;             // columns of x that these reach
    ptrdiff_t rows, count;      // rows of y of a band, and bands of an image
    ptrdiff_t x_rows;           // of a band, at most
    explicit Bands(const Conv2d& a) {
      ptrdiff_t pixel = a.ic * a.stride_w * ptrdiff_t(sizeof(T)), room = band_bytes / (pixel < 1 ? 1 : pixel);
      if (room < 16 * block_rows) room = 16 * block_rows;
      pieces = a.oh == 1 && a.ow > room ? ceil_div(a.ow, room) : 1;
      columns = ceil_div(a.ow, pieces);
      wide = (columns - 1) * a.stride_w + a.kw;
      ptrdiff_t reach = (a.kh - 1) * a.dilation_h + 1, row = wide * a.ic * ptrdiff_t(sizeof(T));
      ptrdiff_t fit = (band_bytes / (row < 1 ? 1 : row) - reach) / a.stride_h + 1;
      rows = fit < 4 ? 4 : fit;
      if (rows > a.oh) rows = a.oh < 1 ? 1 : a.oh;
      count = ceil_div(a.oh, rows);
      x_rows = (rows - 1) * a.stride_h + reach;
    }
    ptrdiff_t size(const Conv2d& a) const { return x_rows * wide * a.ic; }
  };
  static size_t scratch_bytes(const Conv2d& a, int threads) {
    return a.n == 0 || a.oh == 0 || a.ow == 0 ? 0 : size_t(threads) * size_t(Bands(a).size(a)) * sizeof(T);
  }

  // Rows from `first` on, columns from -pad on.
  static void copy(const Conv2d& a, const Bands& b, ptrdiff_t n, ptrdiff_t first, ptrdiff_t rows, ptrdiff_t pad,
                   T* to) noexcept {
    ptrdiff_t begin = pad < 0 ? 0 : pad < b.wide ? pad : b.wide, end = pad + a.iw;
    if (end > b.wide) end = b.wide;
    if (end < begin) end = begin;
    ptrdiff_t ic = a.ic, run = (end - begin) * ic;
    for (ptrdiff_t r = 0; r < rows; r++, to += b.wide * ic) {
      ptrdiff_t ih = first + r;
      if (ih < 0 || ih >= a.ih) {
        for (ptrdiff_t i = 0; i < b.wide * ic; i++) to[i] = 0;
        continue;
      }
      const T* x = static_cast<const T*>(a.x) + n * a.x_n + ih * a.x_h + (begin - pad) * a.x_w;
      for (ptrdiff_t i = 0; i < begin * ic; i++) to[i] = 0;
      T* there = to + begin * ic;
      if (a.x_c == 1 && a.x_w == ic) {
        ptrdiff_t i = 0;
        for (; i + L <= run; i += L) store<T>(there + i, load<T>(x + i));
        for (; i < run; i++) there[i] = x[i];
      } else if (ic == 3 && a.x_w == 1) {  // planes: a picture's three colours
        const T *red = x, *green = x + a.x_c, *blue = x + 2 * a.x_c;
        ptrdiff_t i = 0;
        if constexpr (L > 1)
          for (; i + L <= end - begin; i += L) {
            vec<T> planes[3] = {load<T>(red + i), load<T>(green + i), load<T>(blue + i)}, out[3];
            interleave<T, 3>(planes, out);
            UNROLL for (int v = 0; v < 3; v++) store<T>(there + i * 3 + v * L, out[v]);
          }
        for (; i < end - begin; i++) there[i * 3] = red[i], there[i * 3 + 1] = green[i], there[i * 3 + 2] = blue[i];
      } else {
        for (ptrdiff_t c = 0; c < ic; c++)
          for (ptrdiff_t i = 0; i < end - begin; i++) there[i * ic + c] = x[i * a.x_w + c * a.x_c];
      }
      for (ptrdiff_t i = end * ic; i < b.wide * ic; i++) to[i] = 0;
    }
  }

  // ---- blocks ----

  struct Job {
    ptrdiff_t kh, depth, x_down, x_right, y_right;  // depth: kw * ic; x_down: from kernel row to kernel row
    bool past;
    Finish<T> how{ActNone, nullptr, nullptr};
  };

  // `count` blocks of M places side by side, VB vectors of channels of which `left` channels exist.
  template <int M, int VB>
  static __attribute__((noinline)) void blocks(const Job& j, const T* x, const T* packed, const T* bias, T* y,
                                               ptrdiff_t left, ptrdiff_t count) noexcept {
    bool whole = left >= VB * L;
    ptrdiff_t last = whole ? L : left - (VB - 1) * L, y_right = j.y_right;
    for (; count > 0; count--, x += M * j.x_right, y += M * y_right) {
      Block<M, VB, T> b;
      UNROLL for (int v = 0; v < VB; v++) {
        vec<T> start = {};
        if (bias) start = whole || v < VB - 1 ? load<T>(bias + v * L) : load_n<T>(bias + v * L, last);
        UNROLL for (int m = 0; m < M; m++) b.sum[m][v] = start;
      }
      const T *row = x, *w = packed;
      for (ptrdiff_t kh = 0; kh < j.kh; kh++, row += j.x_down, w += j.depth * VB * L)
        multiply_grid<1, M, 0, 0, 1>(b, row, 0, j.x_right, 1, w, j.depth, w, 0);
      if (j.how.adds) {
        UNROLL for (int m = 0; m < M; m++) UNROLL for (int v = 0; v < VB; v++) {
          const T* from = j.how.add(y + m * y_right + v * L);
          b.sum[m][v] += whole || v < VB - 1 ? load<T>(from) : load_n<T>(from, last);
        }
      }
      if (j.how.clamps) {
        UNROLL for (int m = 0; m < M; m++) UNROLL for (int v = 0; v < VB; v++) b.sum[m][v] = j.how.clamp(b.sum[m][v]);
      }
      if (whole && j.past) {
        UNROLL for (int m = 0; m < M; m++) UNROLL for (int v = 0; v < VB; v++)
            stream<T>(y + m * y_right + v * L, b.sum[m][v]);
      } else {
        UNROLL for (int m = 0; m < M; m++) UNROLL for (int v = 0; v < VB; v++) {
          if (whole || v < VB - 1) store<T>(y + m * y_right + v * L, b.sum[m][v]);
          else store_n<T>(y + m * y_right + v * L, b.sum[m][v], last);
        }
      }
    }
  }

  // A row of y in blocks that differ by at most one place, the longer ones first.
  template <int VB>
  static void row(const Job& j, const T* x, const T* w, const T* bias, T* y, ptrdiff_t left, ptrdiff_t ow) noexcept {
    ptrdiff_t parts = ceil_div(ow, block_rows), shorter = ow / parts, longer = ow % parts;
    auto some = [&](ptrdiff_t size, ptrdiff_t count) {
      if (count == 0) return;
      with_int<block_rows>(size, [&](auto m) { blocks<decltype(m)::value, VB>(j, x, w, bias, y, left, count); });
      x += size * count * j.x_right, y += size * count * j.y_right;
    };
    some(shorter + 1, longer);
    some(shorter, parts - longer);
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    if (a.n == 0 || a.oh == 0 || a.ow == 0) return;
    Bands bands(a);
    Job j;
    j.how = Finish<T>(a);
    if (!j.how.simple) j.how = Finish<T>(ActNone, nullptr, nullptr);
    bool later = !Finish<T>(a).simple;  // the epilogue is done row by row
    j.kh = a.kh, j.depth = a.kw * a.ic, j.x_down = a.dilation_h * bands.wide * a.ic;
    j.x_right = a.stride_w * a.ic, j.y_right = a.y_w;
    j.past = !later && V * L * ptrdiff_t(sizeof(T)) % 64 == 0 && !a.add &&
             a.n * a.oh * a.ow * a.oc * ptrdiff_t(sizeof(T)) >= stream_bytes &&
             (uintptr_t(a.y) | uintptr_t(a.y_n | a.y_h | a.y_w) * sizeof(T)) % sizeof(vec<T>) == 0;
    T* copied = static_cast<T*>(a.workspace.scratch) + team.rank * bands.size(a);
    const T *packed = static_cast<const T*>(a.workspace.packed), *bias = static_cast<const T*>(a.bias);
    Range mine = share(a.n * bands.count * bands.pieces, team);
    for (ptrdiff_t item = mine.begin; item < mine.end; item++) {
      ptrdiff_t band = item / bands.pieces, n = band / bands.count, first = band % bands.count * bands.rows;
      ptrdiff_t rows = a.oh - first < bands.rows ? a.oh - first : bands.rows;
      ptrdiff_t left = item % bands.pieces * bands.columns;
      ptrdiff_t columns = a.ow - left < bands.columns ? a.ow - left : bands.columns;
      if (columns <= 0) continue;
      copy(a, bands, n, first * a.stride_h - a.pad_h, (rows - 1) * a.stride_h + (a.kh - 1) * a.dilation_h + 1,
           a.pad_w - left * a.stride_w, copied);
      for (ptrdiff_t r = 0; r < rows; r++) {
        const T* x = copied + r * a.stride_h * bands.wide * a.ic;
        T* y = static_cast<T*>(a.y) + n * a.y_n + (first + r) * a.y_h + left * a.y_w;
        for (ptrdiff_t oc = 0; oc < a.oc; oc += width) {
          const T *w = packed + oc * a.kh * j.depth, *from = bias ? bias + oc : nullptr;
          if (a.oc - oc > width - L) row<V>(j, x, w, from, y + oc, a.oc - oc, columns);
          else row<1>(j, x, w, from, y + oc, a.oc - oc, columns);
        }
        if (later) finish_sums<T>(a, y, 1, 0, columns, a.y_w, a.oc);
      }
    }
    if (j.past) stream_end();
  }
};
