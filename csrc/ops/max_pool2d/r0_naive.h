// Idea:  for every output, walk its window and keep the largest element and its place.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: a test for padding and a branch that depends on the data for each element.
#pragma once

template <class T>
struct max_pool2d_r0_naive : Plain<Pool2d> {
  static void run(const Pool2d& a, const Team& team) noexcept {
    const T* x = static_cast<const T*>(a.x);  // [n, c, ih, iw]
    T* y = static_cast<T*>(a.y);              // [n, c, oh, ow]
    Range rows = share(a.n * a.oh, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / a.oh, oh = row % a.oh;
      for (ptrdiff_t ow = 0; ow < a.ow; ow++)
        for (ptrdiff_t c = 0; c < a.c; c++) {
          T best = -__builtin_inf();
          ptrdiff_t place = -1;  // nothing seen yet
          ptrdiff_t tap = no_tap;
          for (ptrdiff_t kh = 0; kh < a.kernel_h; kh++)
            for (ptrdiff_t kw = 0; kw < a.kernel_w; kw++) {
              ptrdiff_t ih = oh * a.stride_h - a.pad_h + kh * a.dilation_h;
              ptrdiff_t iw = ow * a.stride_w - a.pad_w + kw * a.dilation_w;
              if (ih < 0 || ih >= a.ih || iw < 0 || iw >= a.iw) continue;
              T value = x[n * a.x_n + c * a.x_c + ih * a.x_h + iw * a.x_w];
              if (value > best || value != value || place < 0) {
                best = value;
                place = ih * a.iw + iw;
                tap = kh * a.kernel_w + kw;
              }
            }
          y[n * a.y_n + c * a.y_c + oh * a.y_h + ow * a.y_w] = best;
          ptrdiff_t at = n * a.indices_n + c * a.indices_c + oh * a.indices_h + ow * a.indices_w;
          if (a.indices) a.indices[at] = place;
          if (a.taps) a.taps[at] = uint8_t(tap);
        }
    }
  }
};
