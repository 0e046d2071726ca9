// Idea:  write zeros, then spread every gradient evenly over its window.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: a read, an add and a write for each window element; the members of a team can only share planes (n, c), since
//        windows overlap.
#pragma once

template <class T>
struct avg_pool2d_backward_r0_naive : Plain<Pool2d> {
  static void run(const Pool2d& a, const Team& team) noexcept {
    const T* y = static_cast<const T*>(a.y);  // [n, c, oh, ow]
    T* x = static_cast<T*>(a.x);              // [n, c, ih, iw]
    Range planes = share(a.n * a.c, team);
    for (ptrdiff_t plane = planes.begin; plane < planes.end; plane++) {
      T* px = x + plane / a.c * a.x_n + plane % a.c * a.x_c;        // [ih, iw]
      const T* py = y + plane / a.c * a.y_n + plane % a.c * a.y_c;  // [oh, ow]
      for (ptrdiff_t ih = 0; ih < a.ih; ih++)
        for (ptrdiff_t iw = 0; iw < a.iw; iw++) px[ih * a.x_h + iw * a.x_w] = 0;
      for (ptrdiff_t oh = 0; oh < a.oh; oh++)
        for (ptrdiff_t ow = 0; ow < a.ow; ow++) {
          T divisor = T(a.divisor_override ? a.divisor_override : counted(a, oh, ow));
          for (ptrdiff_t kh = 0; kh < a.kernel_h; kh++)
            for (ptrdiff_t kw = 0; kw < a.kernel_w; kw++) {
              ptrdiff_t ih = oh * a.stride_h - a.pad_h + kh * a.dilation_h;
              ptrdiff_t iw = ow * a.stride_w - a.pad_w + kw * a.dilation_w;
              if (ih < 0 || ih >= a.ih || iw < 0 || iw >= a.iw) continue;
              px[ih * a.x_h + iw * a.x_w] += py[oh * a.y_h + ow * a.y_w] / divisor;
            }
        }
    }
  }

  // How many elements of a window count for its divisor.
  static ptrdiff_t counted(const Pool2d& a, ptrdiff_t oh, ptrdiff_t ow) {
    ptrdiff_t pad_h = a.count_include_pad ? a.pad_h : 0, pad_w = a.count_include_pad ? a.pad_w : 0, count = 0;
    for (ptrdiff_t kh = 0; kh < a.kernel_h; kh++)
      for (ptrdiff_t kw = 0; kw < a.kernel_w; kw++) {
        ptrdiff_t ih = oh * a.stride_h - a.pad_h + kh * a.dilation_h;
        ptrdiff_t iw = ow * a.stride_w - a.pad_w + kw * a.dilation_w;
        if (ih >= -pad_h && ih < a.ih + pad_h && iw >= -pad_w && iw < a.iw + pad_w) count++;
      }
    return count;
  }
};
