// Idea:  one vector of neighbouring channels; the window is cut to the image before the loops.
// Since: r0_naive: lanes over channels, and both counts (elements added, elements divided by) known beforehand.
// Why:   no test is left inside, and a load brings a whole vector of channels.
//        Four vectors together read neighbouring lines of memory, and none waits for another's addition: 16x16 places
//        of 96 channels, 8 images of 112x112, Ice Lake, 5.7 ms one by one, 3.7 so; 3x3 with stride 1 10.9 and 6.6.
// Price: x and y must have their channels side by side.
#pragma once

template <class T>
struct avg_pool2d_r1_vec : Plain<Pool2d> {
  static constexpr int panel = 4;  // vectors of channels together

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
        auto load_x = [](const T* p) { return load<T>(p); };
        auto some = [n = a.c % L](const T* p) { return load_n<T>(p, n); };
        ptrdiff_t c = 0;
        for (; c + panel * L <= a.c; c += panel * L) {
          vec<T> sum[panel];
          window(a, x + c, kh, kw, load_x, sum);
          UNROLL for (int v = 0; v < panel; v++) store<T>(y + c + v * L, sum[v] / divisor);
        }
        for (vec<T> sum[1]; c + L <= a.c; c += L) {
          window(a, x + c, kh, kw, load_x, sum);
          store<T>(y + c, sum[0] / divisor);
        }
        if (vec<T> sum[1]; c < a.c) {
          window(a, x + c, kh, kw, some, sum);
          store_n<T>(y + c, sum[0] / divisor, a.c - c);
        }
      }
    }
  }

  template <int V, class Load>
  static inline __attribute__((always_inline)) void window(const Pool2d& a, const T* x, Range kh, Range kw, Load load_x,
                                                           vec<T> (&sum)[V]) {
    UNROLL for (int v = 0; v < V; v++) sum[v] = vec<T>{};
    for (ptrdiff_t h = kh.begin; h < kh.end; h++)
      for (ptrdiff_t w = kw.begin; w < kw.end; w++) {
        const T* from = x + h * a.dilation_h * a.x_h + w * a.dilation_w * a.x_w;
        UNROLL for (int v = 0; v < V; v++) sum[v] += load_x(from + v * lanes<T>);
      }
  }
};
