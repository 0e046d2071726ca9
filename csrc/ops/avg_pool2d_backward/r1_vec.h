// Idea:  turn the loops round: every input adds up gradient / divisor of the windows that cover it, a vector of
//        neighbouring channels at a time.
// Since: r0_naive: a gather instead of a scatter, lanes over channels.
// Why:   each result is written once and needs no zeros first; any row can be anybody's share.
// Price: a division for each input and covering window; where windows overlap, r0_naive's sums have another order
//        of rows and columns only if a window is larger than its plane: here as there, oh and ow ascend.
#pragma once

template <class T>
struct avg_pool2d_backward_r1_vec : Plain<Pool2d> {
  static const char* supports(const Pool2d& a) {
    return a.x_c != 1 || a.y_c != 1 ? "needs channels-last arrays (x_c = y_c = 1)" : nullptr;
  }

  // Windows o in [0, size) that may hold input i: o * stride - pad <= i <= o * stride - pad + reach.
  static Range covering(ptrdiff_t i, ptrdiff_t pad, ptrdiff_t reach, ptrdiff_t stride, ptrdiff_t size) {
    ptrdiff_t last = (i + pad) / stride, first = i + pad < reach ? 0 : (i + pad - reach + stride - 1) / stride;
    return {first, last < size ? last + 1 : size};
  }

  // How many taps of a window count for its divisor, along one axis: those with -pad <= start + k * dilation < size + pad.
  static ptrdiff_t counted(ptrdiff_t start, ptrdiff_t kernel, ptrdiff_t dilation, ptrdiff_t size, ptrdiff_t pad) {
    ptrdiff_t begin = start < -pad ? (-pad - start + dilation - 1) / dilation : 0;
    ptrdiff_t end = start < size + pad ? (size + pad - start + dilation - 1) / dilation : 0;
    if (end > kernel) end = kernel;
    return end > begin ? end - begin : 0;
  }

  static void run(const Pool2d& a, const Team& team) noexcept {
    constexpr int L = lanes<T>;
    ptrdiff_t reach_h = (a.kernel_h - 1) * a.dilation_h, reach_w = (a.kernel_w - 1) * a.dilation_w;
    Range rows = share(a.n * a.ih, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / a.ih, ih = row % a.ih;
      Range oh = covering(ih, a.pad_h, reach_h, a.stride_h, a.oh);
      for (ptrdiff_t iw = 0; iw < a.iw; iw++) {
        Range ow = covering(iw, a.pad_w, reach_w, a.stride_w, a.ow);
        T* x = static_cast<T*>(a.x) + n * a.x_n + ih * a.x_h + iw * a.x_w;  // [c]
        const T* y = static_cast<const T*>(a.y) + n * a.y_n;                // [oh, ow, c]
        ptrdiff_t c = 0;
        for (; c + L <= a.c; c += L) {
          auto load_y = [](const T* p) { return load<T>(p); };
          store<T>(x + c, gather(a, y + c, ih, iw, oh, ow, load_y));
        }
        if (c < a.c) {
          auto load_y = [n = a.c - c](const T* p) { return load_n<T>(p, n); };
          store_n<T>(x + c, gather(a, y + c, ih, iw, oh, ow, load_y), a.c - c);
        }
      }
    }
  }

  template <class Load>
  static inline __attribute__((always_inline)) vec<T> gather(const Pool2d& a, const T* y, ptrdiff_t ih, ptrdiff_t iw,
                                                             Range oh, Range ow, Load load_y) {
    ptrdiff_t pad_h = a.count_include_pad ? a.pad_h : 0, pad_w = a.count_include_pad ? a.pad_w : 0;
    vec<T> sum = {};
    for (ptrdiff_t h = oh.begin; h < oh.end; h++) {
      ptrdiff_t start_h = h * a.stride_h - a.pad_h;
      if ((ih - start_h) % a.dilation_h) continue;  // between the taps of this window
      ptrdiff_t rows = counted(start_h, a.kernel_h, a.dilation_h, a.ih, pad_h);
      for (ptrdiff_t w = ow.begin; w < ow.end; w++) {
        ptrdiff_t start_w = w * a.stride_w - a.pad_w;
        if ((iw - start_w) % a.dilation_w) continue;
        ptrdiff_t count = rows * counted(start_w, a.kernel_w, a.dilation_w, a.iw, pad_w);
        sum += load_y(y + h * a.y_h + w * a.y_w) / T(a.divisor_override ? a.divisor_override : count);
      }
    }
    return sum;
  }
};
