// Idea:  hold a block of outputs in registers: several neighbouring pixels times two vectors of output channels.
// Since: r2_vec had one sum; here each weight that is loaded serves all pixels of the block, and each number of x
//        serves both vectors. Weights are packed in groups of two vectors, so that the block reads them in a line.
// Why:   independent sums hide the latency of the multiply-add, and the loads no longer set the pace (simd/block.h).
// Price: only pixels whose taps agree can share a block: the columns at the left and right edge, where part of the
//        kernel hangs over, and what is left of a row are done in fours or one pixel at a time.
#pragma once
#include "parts.h"

template <class T>
struct conv2d_r3_tile : Plain<Conv2d> {
  static constexpr int V = block_vectors, width = V * lanes<T>;

  static size_t packed_bytes(const Conv2d& a) {  // [groups, oc / width, kh, kw, ic, width]
    return size_t(a.kh * a.kw * a.ic * ceil_div(a.oc / a.groups, width) * width) * sizeof(T);
  }

  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups, blocks = ceil_div(group_oc, width);
    Range mine = share(a.groups * blocks, team);
    T* to = static_cast<T*>(packed) + mine.begin * a.kh * a.kw * group_ic * width;
    for (ptrdiff_t block = mine.begin; block < mine.end; block++) {
      ptrdiff_t g = block / blocks, oc0 = block % blocks * width;
      const T* w = static_cast<const T*>(a.w) + (g * group_oc + oc0) * a.w_o;
      for (ptrdiff_t kh = 0; kh < a.kh; kh++)
        for (ptrdiff_t kw = 0; kw < a.kw; kw++)
          for (ptrdiff_t ic = 0; ic < group_ic; ic++)
            for (ptrdiff_t oc = 0; oc < width; oc++)
              *to++ = oc0 + oc < group_oc ? w[oc * a.w_o + ic * a.w_i + kh * a.w_h + kw * a.w_w] : T(0);
    }
  }

  // M neighbouring pixels of row oh from column ow on, one block of output channels. All M see the taps taps_w.
  template <int M>
  static void tile(const Conv2d& a, ptrdiff_t block, ptrdiff_t n, ptrdiff_t oh, ptrdiff_t ow, Range taps_w) noexcept {
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups, blocks = ceil_div(group_oc, width);
    ptrdiff_t g = block / blocks, oc = g * group_oc + block % blocks * width, left = (g + 1) * group_oc - oc;
    ptrdiff_t ih = oh * a.stride_h - a.pad_h, iw = ow * a.stride_w - a.pad_w;
    const T* x = static_cast<const T*>(a.x) + n * a.x_n + g * group_ic * a.x_c + ih * a.x_h + iw * a.x_w;
    const T* w = static_cast<const T*>(a.workspace.packed) + block * a.kh * a.kw * group_ic * width;
    const T* bias = static_cast<const T*>(a.bias);
    Block<M, V, T> b = {};
    if (bias)
      for (int v = 0; v < V; v++) {
        vec<T> start = load_channels<T>(bias + oc + v * lanes<T>, 1, left - v * lanes<T>);
        for (int m = 0; m < M; m++) b.sum[m][v] = start;
      }
    Range taps_h = window(ih, a.ih, a.kh, a.dilation_h);
    for (ptrdiff_t kh = taps_h.begin; kh < taps_h.end; kh++)
      for (ptrdiff_t kw = taps_w.begin; kw < taps_w.end; kw++)
        multiply_add(b, x + kh * a.dilation_h * a.x_h + kw * a.dilation_w * a.x_w, a.stride_w * a.x_w, a.x_c,
                     w + (kh * a.kw + kw) * group_ic * width, group_ic);
    T* y = static_cast<T*>(a.y) + n * a.y_n + oc * a.y_c + oh * a.y_h + ow * a.y_w;
    for (int m = 0; m < M; m++)
      for (int v = 0; v < V; v++)
        store_channels<T>(y + m * a.y_w + v * lanes<T> * a.y_c, a.y_c, b.sum[m][v], left - v * lanes<T>);
  }

  // Do the M columns from ow on exist, and do they all see the same taps as the first?
  static bool whole(const Conv2d& a, ptrdiff_t ow, ptrdiff_t M, Range first) {
    Range last = window((ow + M - 1) * a.stride_w - a.pad_w, a.iw, a.kw, a.dilation_w);
    return ow + M <= a.ow && first.begin == last.begin && first.end == last.end;
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    constexpr int M = block_rows, half = 4;  // 4 pixels x 2 vectors are still the 8 sums that hide the latency
    ptrdiff_t blocks = a.groups * ceil_div(a.oc / a.groups, width);
    Range rows = share(a.n * a.oh, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++)
      for (ptrdiff_t block = 0; block < blocks; block++) {
        ptrdiff_t n = row / a.oh, oh = row % a.oh, ow = 0;
        while (ow < a.ow) {
          Range taps = window(ow * a.stride_w - a.pad_w, a.iw, a.kw, a.dilation_w);
          if (whole(a, ow, M, taps)) tile<M>(a, block, n, oh, ow, taps), ow += M;
          else if (whole(a, ow, half, taps)) tile<half>(a, block, n, oh, ow, taps), ow += half;
          else tile<1>(a, block, n, oh, ow, taps), ow += 1;
        }
      }
  }
};
