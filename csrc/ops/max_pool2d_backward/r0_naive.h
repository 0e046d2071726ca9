// Idea:  write zeros, then add every gradient to the place that its index names.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: one scattered read, add and write for each output; the members of a team can only share planes (n, c), since
//        windows overlap.
#pragma once

template <class T>
struct max_pool2d_backward_r0_naive : Plain<Pool2d> {
  static void run(const Pool2d& a, const Team& team) noexcept {
    const T* y = static_cast<const T*>(a.y);  // [n, c, oh, ow]
    T* x = static_cast<T*>(a.x);              // [n, c, ih, iw]
    Range planes = share(a.n * a.c, team);
    for (ptrdiff_t plane = planes.begin; plane < planes.end; plane++) {
      ptrdiff_t n = plane / a.c, c = plane % a.c;
      for (ptrdiff_t ih = 0; ih < a.ih; ih++)
        for (ptrdiff_t iw = 0; iw < a.iw; iw++) x[n * a.x_n + c * a.x_c + ih * a.x_h + iw * a.x_w] = 0;
      for (ptrdiff_t oh = 0; oh < a.oh; oh++)
        for (ptrdiff_t ow = 0; ow < a.ow; ow++) {
          int64_t at = n * a.indices_n + c * a.indices_c + oh * a.indices_h + ow * a.indices_w, ih, iw;
          if (a.taps) {
            if (a.taps[at] >= a.kernel_h * a.kernel_w) continue;  // a window of padding alone
            ih = oh * a.stride_h - a.pad_h + a.taps[at] / a.kernel_w * a.dilation_h;
            iw = ow * a.stride_w - a.pad_w + a.taps[at] % a.kernel_w * a.dilation_w;
            if (ih < 0 || ih >= a.ih || iw < 0 || iw >= a.iw) continue;
          } else {
            if (a.indices[at] < 0 || a.indices[at] >= a.ih * a.iw) continue;
            ih = a.indices[at] / a.iw, iw = a.indices[at] % a.iw;
          }
          x[n * a.x_n + c * a.x_c + ih * a.x_h + iw * a.x_w] += y[n * a.y_n + c * a.y_c + oh * a.y_h + ow * a.y_w];
        }
    }
  }
};
