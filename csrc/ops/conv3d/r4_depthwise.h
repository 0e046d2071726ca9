// Idea:  one vector register holds neighbouring channels, each with a filter of its own (groups = ic = oc).
// Since: conv2d's r6_depthwise, with one more loop over taps.
// Why:   r1_planes broadcasts a number of x to all lanes; with one output channel per group it would use one lane.
// Price: one load per multiply-add, used once: loads, and for larger volumes memory, set the pace.
#pragma once
#include "planes.h"

template <class T>
struct conv3d_r4_depthwise : Plain<Conv3d> {
  static constexpr int M = 8;  // pixels side by side: 8 sums hide the latency (4 x 2 ports); 9 loads feed 8 FMAs
  static constexpr int slice = 16 * lanes<T>;  // channels that one member does of a row

  static const char* supports(const Conv3d& a) {
    if (a.groups != a.ic || a.oc != a.ic) return "wants one input and one output channel per group";
    return a.x_c != 1 || a.y_c != 1 ? "wants channels-last x and y (x_c = y_c = 1)" : nullptr;
  }
  static ptrdiff_t padded(const Conv3d& a) { return ceil_div(a.oc, lanes<T>) * lanes<T>; }
  static size_t packed_bytes(const Conv3d& a) { return size_t(a.kd * a.kh * a.kw * padded(a)) * sizeof(T); }

  // packed: [kd, kh, kw, channels], zeros beyond the last channel
  static void prepare(const Conv3d& a, void* packed, const Team& team) noexcept {
    ptrdiff_t width = padded(a);
    Range taps = share(a.kd * a.kh * a.kw, team);
    for (ptrdiff_t tap = taps.begin; tap < taps.end; tap++) {
      const T* w =
          static_cast<const T*>(a.w) + tap / a.kw / a.kh * a.w_d + tap / a.kw % a.kh * a.w_h + tap % a.kw * a.w_w;
      for (ptrdiff_t c = 0; c < width; c++) static_cast<T*>(packed)[tap * width + c] = c < a.oc ? w[c * a.w_o] : T(0);
    }
  }

  // `pixels` neighbours of a row, from column ow on, for the channels [begin, end).
  template <int pixels>
  static void tile(const Conv3d& a, ptrdiff_t n, ptrdiff_t od, ptrdiff_t oh, ptrdiff_t ow, ptrdiff_t begin,
                   ptrdiff_t end) noexcept {
    ptrdiff_t id = od * a.stride_d - a.pad_d, ih = oh * a.stride_h - a.pad_h, iw = ow * a.stride_w - a.pad_w;
    ptrdiff_t x_right = a.stride_w * a.x_w, w_tap = padded(a);
    Range taps_d = window(id, a.id, a.kd, a.dilation_d), taps_h = window(ih, a.ih, a.kh, a.dilation_h);
    const T* x = static_cast<const T*>(a.x) + n * a.x_n + id * a.x_d + ih * a.x_h + iw * a.x_w;
    const T *w = static_cast<const T*>(a.workspace.packed), *bias = static_cast<const T*>(a.bias);
    T* y = static_cast<T*>(a.y) + n * a.y_n + od * a.y_d + oh * a.y_h + ow * a.y_w;
    for (ptrdiff_t c = begin; c < end; c += lanes<T>) {
      ptrdiff_t left = a.oc - c;
      vec<T> sum[pixels], start = bias ? load_channels<T>(bias + c, 1, left) : vec<T>{};
      UNROLL for (int p = 0; p < pixels; p++) sum[p] = start;
      for (ptrdiff_t kd = taps_d.begin; kd < taps_d.end; kd++)
        for (ptrdiff_t kh = taps_h.begin; kh < taps_h.end; kh++)
          for (ptrdiff_t kw = 0; kw < a.kw; kw++) {
            vec<T> wv = load<T>(w + ((kd * a.kh + kh) * a.kw + kw) * w_tap + c);
            const T* xt = x + kd * a.dilation_d * a.x_d + kh * a.dilation_h * a.x_h + kw * a.dilation_w * a.x_w + c;
            ptrdiff_t first = iw + kw * a.dilation_w, last = first + (pixels - 1) * a.stride_w;
            if (left >= lanes<T> && first >= 0 && last < a.iw) {
              UNROLL for (int p = 0; p < pixels; p++) sum[p] += load<T>(xt + p * x_right) * wv;
            } else {  // at the edge of the image, or the last channels: ask for each pixel
              UNROLL for (int p = 0; p < pixels; p++) if (size_t(first + p * a.stride_w) < size_t(a.iw)) sum[p] +=
                  load_channels<T>(xt + p * x_right, 1, left) * wv;
            }
          }
      UNROLL for (int p = 0; p < pixels; p++) store_channels<T>(y + p * a.y_w + c, 1, sum[p], left);
    }
  }

  template <int pixels = M>
  static void pick(const Conv3d& a, ptrdiff_t n, ptrdiff_t od, ptrdiff_t oh, Range columns, ptrdiff_t begin,
                   ptrdiff_t end) noexcept {
    if constexpr (pixels > 1)
      if (columns.end - columns.begin < pixels) return pick<pixels - 1>(a, n, od, oh, columns, begin, end);
    tile<pixels>(a, n, od, oh, columns.begin, begin, end);
  }

  static void run(const Conv3d& a, const Team& team) noexcept {
    ptrdiff_t tiles = ceil_div(a.ow, M), slices = ceil_div(a.oc, slice);
    Range mine = share(a.n * a.od * a.oh * slices, team);
    for (ptrdiff_t i = mine.begin; i < mine.end; i++) {
      ptrdiff_t begin = i % slices * slice, row = i / slices, oh = row % a.oh, od = row / a.oh % a.od;
      ptrdiff_t n = row / a.oh / a.od, end = begin + slice < a.oc ? begin + slice : a.oc;
      for (ptrdiff_t t = 0; t < tiles; t++) pick(a, n, od, oh, {a.ow * t / tiles, a.ow * (t + 1) / tiles}, begin, end);
    }
  }
};
