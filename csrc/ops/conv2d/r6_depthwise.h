// Idea:  one vector register holds neighbouring channels, each with a filter of its own (groups = ic = oc).
// Since: r5_pack broadcasts a number of x to all lanes; with one output channel per group it would use one lane.
// Why:   here x is a vector as well: lane c multiplies x[c] and w[c]. Weights are packed as [kh, kw, c].
//        A few pixels side by side share the loads of the weights and are independent sums.
// Price: one load per multiply-add, used once: loads, and for larger images memory, set the pace.
#pragma once
#include "parts.h"

template <class T>
struct conv2d_r6_depthwise : Plain<Conv2d> {
  static constexpr int M = 8;  // pixels side by side: 8 sums hide the latency (4 x 2 ports); 9 loads feed 8 FMAs

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

  // `pixels` neighbours from x on, all of which see the taps taps_h x taps_w; `left` channels.
  template <int pixels>
  static void tile(const Conv2d& a, const T* x, const T* w, const T* bias, T* y, Range taps_h, Range taps_w,
                   ptrdiff_t left) noexcept {
    ptrdiff_t w_tap = padded(a), x_col = a.stride_w * a.x_w;
    bool whole = left >= lanes<T>;
    vec<T> sum[pixels], start = bias ? load_channels<T>(bias, 1, left) : vec<T>{};
    UNROLL for (int p = 0; p < pixels; p++) sum[p] = start;
    for (ptrdiff_t kh = taps_h.begin; kh < taps_h.end; kh++)
      for (ptrdiff_t kw = taps_w.begin; kw < taps_w.end; kw++) {
        vec<T> wv = load<T>(w + (kh * a.kw + kw) * w_tap);
        const T* xt = x + kh * a.dilation_h * a.x_h + kw * a.dilation_w * a.x_w;
        if (whole) UNROLL for (int p = 0; p < pixels; p++) sum[p] += load<T>(xt + p * x_col) * wv;
        else UNROLL for (int p = 0; p < pixels; p++) sum[p] += load_n<T>(xt + p * x_col, left) * wv;
      }
    UNROLL for (int p = 0; p < pixels; p++) store_channels<T>(y + p * a.y_w, 1, sum[p], left);
  }

  // A row of outputs: the columns that see the whole width of the kernel in tiles, the others one by one.
  static void run(const Conv2d& a, const Team& team) noexcept {
    ptrdiff_t vectors = ceil_div(a.oc, lanes<T>), reach = (a.kw - 1) * a.dilation_w;
    Range inside = window(-a.pad_w, a.iw - reach, a.ow, a.stride_w);
    Range mine = share(a.n * a.oh * vectors, team);
    for (ptrdiff_t i = mine.begin; i < mine.end; i++) {
      ptrdiff_t c = i % vectors * lanes<T>, oh = i / vectors % a.oh, n = i / vectors / a.oh;
      ptrdiff_t ih = oh * a.stride_h - a.pad_h, left = a.oc - c;
      Range taps_h = window(ih, a.ih, a.kh, a.dilation_h);
      const T* x = static_cast<const T*>(a.x) + n * a.x_n + ih * a.x_h - a.pad_w * a.x_w + c;
      const T* w = static_cast<const T*>(a.workspace.packed) + c;
      const T* bias = a.bias ? static_cast<const T*>(a.bias) + c : nullptr;
      T* y = static_cast<T*>(a.y) + n * a.y_n + oh * a.y_h + c;
      for (ptrdiff_t ow = 0; ow < a.ow;) {
        const T* xw = x + ow * a.stride_w * a.x_w;
        ptrdiff_t run = ow >= inside.begin ? inside.end - ow : 0;
        if (run >= M) tile<M>(a, xw, w, bias, y + ow * a.y_w, taps_h, {0, a.kw}, left), ow += M;
        else if (run >= M / 2) tile<M / 2>(a, xw, w, bias, y + ow * a.y_w, taps_h, {0, a.kw}, left), ow += M / 2;
        else {
          Range taps_w = window(ow * a.stride_w - a.pad_w, a.iw, a.kw, a.dilation_w);
          tile<1>(a, xw, w, bias, y + ow * a.y_w, taps_h, taps_w, left), ow += 1;
        }
      }
    }
  }
};
