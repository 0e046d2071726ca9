// Idea:  one vector register holds neighbouring channels, each with a filter of its own (groups = ic = oc).
// Since: r5_pack broadcasts a number of x to all lanes; with one output channel per group it would use one lane.
// Why:   here x is a vector as well: lane c multiplies x[c] and w[c]. Weights are packed as [kh, kw, c].
//        A few pixels side by side share the loads of the weights and keep independent sums going.
// Price: only 2 operations per number loaded, so the loads and the memory set the pace, not the multiply-adds.
#pragma once
#include "parts.h"

template <class T>
struct conv2d_r6_depthwise : Plain<Conv2d> {
  static constexpr int M = 4;  // pixels side by side: 4 sums; a vector of x per tap and pixel is the bottleneck anyway

  static const char* supports(const Conv2d& a) {
    if (a.groups != a.ic || a.oc != a.ic) return "wants one input and one output channel per group";
    if (a.x_c != 1 || a.y_c != 1) return "wants channels-last x and y (x_c = y_c = 1)";
    return nullptr;
  }
  static ptrdiff_t padded(const Conv2d& a) { return ceil_div(a.oc, lanes<T>) * lanes<T>; }
  static size_t packed_bytes(const Conv2d& a) { return size_t(a.kh * a.kw * padded(a)) * sizeof(T); }

  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    ptrdiff_t width = padded(a);
    Range taps = share(a.kh * a.kw, team);
    for (ptrdiff_t tap = taps.begin; tap < taps.end; tap++) {
      const T* w = static_cast<const T*>(a.w) + tap / a.kw * a.w_h + tap % a.kw * a.w_w;
      for (ptrdiff_t c = 0; c < width; c++) static_cast<T*>(packed)[tap * width + c] = c < a.oc ? w[c * a.w_o] : T(0);
    }
  }

  // Columns [ow, ow + pixels) of one row, `left` channels; all columns see the taps taps_w.
  template <int pixels>
  static void tile(const Conv2d& a, const T* x, const T* w, const T* bias, T* y, Range taps_h, Range taps_w,
                   ptrdiff_t left) noexcept {
    ptrdiff_t width = padded(a), x_col = a.stride_w * a.x_w;
    vec<T> sum[pixels];
    for (auto& s : sum) s = bias ? load_channels<T>(bias, 1, left) : vec<T>{};
    for (ptrdiff_t kh = taps_h.begin; kh < taps_h.end; kh++)
      for (ptrdiff_t kw = taps_w.begin; kw < taps_w.end; kw++) {
        vec<T> wv = load<T>(w + (kh * a.kw + kw) * width);
        const T* x_tap = x + kh * a.dilation_h * a.x_h + kw * a.dilation_w * a.x_w;
        for (int p = 0; p < pixels; p++) sum[p] += load_channels<T>(x_tap + p * x_col, 1, left) * wv;
      }
    for (int p = 0; p < pixels; p++) store_channels<T>(y + p * a.y_w, 1, sum[p], left);
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    Range rows = share(a.n * a.oh, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / a.oh, oh = row % a.oh, ih = oh * a.stride_h - a.pad_h;
      Range taps_h = window(ih, a.ih, a.kh, a.dilation_h);
      for (ptrdiff_t ow = 0, step; ow < a.ow; ow += step) {
        ptrdiff_t iw = ow * a.stride_w - a.pad_w;
        Range first = window(iw, a.iw, a.kw, a.dilation_w);
        Range last = window(iw + (M - 1) * a.stride_w, a.iw, a.kw, a.dilation_w);
        bool whole = ow + M <= a.ow && first.begin == last.begin && first.end == last.end;
        step = whole ? M : 1;
        for (ptrdiff_t c = 0; c < a.oc; c += lanes<T>) {
          const T* x = static_cast<const T*>(a.x) + n * a.x_n + ih * a.x_h + iw * a.x_w + c;
          const T* w = static_cast<const T*>(a.workspace.packed) + c;
          const T* bias = a.bias ? static_cast<const T*>(a.bias) + c : nullptr;
          T* y = static_cast<T*>(a.y) + n * a.y_n + oh * a.y_h + ow * a.y_w + c;
          if (whole) tile<M>(a, x, w, bias, y, taps_h, first, a.oc - c);
          else tile<1>(a, x, w, bias, y, taps_h, first, a.oc - c);
        }
      }
    }
  }
};
