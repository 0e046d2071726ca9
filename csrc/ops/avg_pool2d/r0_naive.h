// Idea:  for every output, add up its window and divide.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: a test for padding and a dependent add for each element.
#pragma once

template <class T>
struct avg_pool2d_r0_naive : Plain<Pool2d> {
  static void run(const Pool2d& a, const Team& team) noexcept {
    const T* x = static_cast<const T*>(a.x);  // [n, c, ih, iw]
    T* y = static_cast<T*>(a.y);              // [n, c, oh, ow]
    ptrdiff_t pad_h = a.count_include_pad ? a.pad_h : 0, pad_w = a.count_include_pad ? a.pad_w : 0;
    Range rows = share(a.n * a.oh, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / a.oh, oh = row % a.oh;
      for (ptrdiff_t ow = 0; ow < a.ow; ow++)
        for (ptrdiff_t c = 0; c < a.c; c++) {
          T sum = 0;
          ptrdiff_t count = 0;
          for (ptrdiff_t kh = 0; kh < a.kernel_h; kh++)
            for (ptrdiff_t kw = 0; kw < a.kernel_w; kw++) {
              ptrdiff_t ih = oh * a.stride_h - a.pad_h + kh * a.dilation_h;
              ptrdiff_t iw = ow * a.stride_w - a.pad_w + kw * a.dilation_w;
              if (ih >= -pad_h && ih < a.ih + pad_h && iw >= -pad_w && iw < a.iw + pad_w) count++;
              if (ih < 0 || ih >= a.ih || iw < 0 || iw >= a.iw) continue;
              sum += x[n * a.x_n + c * a.x_c + ih * a.x_h + iw * a.x_w];
            }
          T divisor = T(a.divisor_override ? a.divisor_override : count);
          y[n * a.y_n + c * a.y_c + oh * a.y_h + ow * a.y_w] = divisor != 0 ? sum / divisor : T(0);
        }
    }
  }
};
