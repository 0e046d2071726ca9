// Idea:  ask once per row and once per column which taps lie inside the image, not once per tap.
// Since: r0_naive tested every tap; here the loops over kh and kw simply have other bounds.
// Why:   the innermost loop is left with one multiply-add and two additions of addresses.
// Price: nothing; but the sum is still one chain of dependent adds, one number at a time.
#pragma once
#include "parts.h"

template <class T>
struct conv2d_r1_hoist : Plain<Conv2d> {
  static void run(const Conv2d& a, const Team& team) noexcept {
    const T* bias = static_cast<const T*>(a.bias);  // [oc] or null
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups;
    Range rows = share(a.n * a.oh, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / a.oh, oh = row % a.oh, ih = oh * a.stride_h - a.pad_h;
      Range taps_h = window(ih, a.ih, a.kh, a.dilation_h);
      for (ptrdiff_t ow = 0; ow < a.ow; ow++) {
        ptrdiff_t iw = ow * a.stride_w - a.pad_w;
        Range taps_w = window(iw, a.iw, a.kw, a.dilation_w);
        for (ptrdiff_t oc = 0; oc < a.oc; oc++) {
          const T* w = static_cast<const T*>(a.w) + oc * a.w_o;                            // [ic/groups, kh, kw]
          const T* x = static_cast<const T*>(a.x) + n * a.x_n + ih * a.x_h + iw * a.x_w +  // the window's corner,
                       oc / group_oc * group_ic * a.x_c;                                   // [ic/groups, kh, kw] too
          T sum = bias ? bias[oc] : T(0);
          for (ptrdiff_t ic = 0; ic < group_ic; ic++)
            for (ptrdiff_t kh = taps_h.begin; kh < taps_h.end; kh++)
              for (ptrdiff_t kw = taps_w.begin; kw < taps_w.end; kw++)
                sum += x[ic * a.x_c + kh * a.dilation_h * a.x_h + kw * a.dilation_w * a.x_w] *
                       w[ic * a.w_i + kh * a.w_h + kw * a.w_w];
          static_cast<T*>(a.y)[n * a.y_n + oc * a.y_c + oh * a.y_h + ow * a.y_w] = sum;
        }
      }
    }
  }
};
