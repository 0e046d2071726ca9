// Idea:  one vector of neighbouring channels; the window is cut to the image before the loops.
// Since: r0_naive: lanes over channels, and both counts (elements added, elements divided by) known beforehand.
// Why:   no test is left inside, and a load brings a whole vector of channels.
// Price: x and y must have their channels side by side. One sum per vector: the add's latency shows in large windows.
#pragma once

template <class T>
struct avg_pool2d_r1_vec : Plain<Pool2d> {
  static const char* supports(const Pool2d& a) {
    return a.x_c != 1 || a.y_c != 1 ? "needs channels-last arrays (x_c = y_c = 1)" : nullptr;
  }

  // Taps k in [0, kernel) with low <= start + k * dilation < high.
  static Range inside(ptrdiff_t start, ptrdiff_t kernel, ptrdiff_t dilation, ptrdiff_t low, ptrdiff_t high) {
    ptrdiff_t begin = start < low ? (low - start + dilation - 1) / dilation : 0;
    ptrdiff_t end = start < high ? (high - start + dilation - 1) / dilation : 0;
    if (end > kernel) end = kernel;
    return {begin, end > begin ? end : begin};
  }

  static void run(const Pool2d& a, const Team& team) noexcept {
    constexpr int L = lanes<T>;
    ptrdiff_t pad_h = a.count_include_pad ? a.pad_h : 0, pad_w = a.count_include_pad ? a.pad_w : 0;
    Range rows = share(a.n * a.oh, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / a.oh, oh = row % a.oh, ih0 = oh * a.stride_h - a.pad_h;
      Range kh = inside(ih0, a.kernel_h, a.dilation_h, 0, a.ih);
      Range counted_h = inside(ih0, a.kernel_h, a.dilation_h, -pad_h, a.ih + pad_h);
      for (ptrdiff_t ow = 0; ow < a.ow; ow++) {
        ptrdiff_t iw0 = ow * a.stride_w - a.pad_w;
        Range kw = inside(iw0, a.kernel_w, a.dilation_w, 0, a.iw);
        Range counted_w = inside(iw0, a.kernel_w, a.dilation_w, -pad_w, a.iw + pad_w);
        ptrdiff_t count = (counted_h.end - counted_h.begin) * (counted_w.end - counted_w.begin);
        if (a.divisor_override) count = a.divisor_override;
        T divisor = T(count ? count : 1);  // no element: the sum is 0 already
        const T* x = static_cast<const T*>(a.x) + n * a.x_n + ih0 * a.x_h + iw0 * a.x_w;  // [taps, c]
        T* y = static_cast<T*>(a.y) + n * a.y_n + oh * a.y_h + ow * a.y_w;                // [c]
        ptrdiff_t c = 0;
        for (; c + L <= a.c; c += L) {
          auto load_x = [](const T* p) { return load<T>(p); };
          store<T>(y + c, window(a, x + c, kh, kw, load_x) / divisor);
        }
        if (c < a.c) {
          auto load_x = [n = a.c - c](const T* p) { return load_n<T>(p, n); };
          store_n<T>(y + c, window(a, x + c, kh, kw, load_x) / divisor, a.c - c);
        }
      }
    }
  }

  template <class Load>
  static inline __attribute__((always_inline)) vec<T> window(const Pool2d& a, const T* x, Range kh, Range kw,
                                                             Load load_x) {
    vec<T> sum = {};
    for (ptrdiff_t h = kh.begin; h < kh.end; h++)
      for (ptrdiff_t w = kw.begin; w < kw.end; w++)
        sum += load_x(x + h * a.dilation_h * a.x_h + w * a.dilation_w * a.x_w);
    return sum;
  }
};
