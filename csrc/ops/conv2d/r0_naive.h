// Idea:  seven loops, as in the textbook, with the test for padding in the innermost one.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: a test, an address and a dependent add for each multiply-add.
#pragma once

template <class T>
struct conv2d_r0_naive : Plain<Conv2d> {
  static constexpr bool epilogue = true;
  static void run(const Conv2d& a, const Team& team) noexcept {
    const T* x = static_cast<const T*>(a.x);        // [n, ic, ih, iw]
    const T* w = static_cast<const T*>(a.w);        // [oc, ic/groups, kh, kw]
    const T* bias = static_cast<const T*>(a.bias);  // [oc] or null
    const T* add = static_cast<const T*>(a.add);    // as y, or null
    T* y = static_cast<T*>(a.y);                    // [n, oc, oh, ow]
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups;
    Range rows = share(a.n * a.oh, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / a.oh, oh = row % a.oh;
      for (ptrdiff_t ow = 0; ow < a.ow; ow++)
        for (ptrdiff_t oc = 0; oc < a.oc; oc++) {
          T sum = bias ? bias[oc] : T(0);
          for (ptrdiff_t ic = 0; ic < group_ic; ic++)
            for (ptrdiff_t kh = 0; kh < a.kh; kh++)
              for (ptrdiff_t kw = 0; kw < a.kw; kw++) {
                ptrdiff_t ih = oh * a.stride_h - a.pad_h + kh * a.dilation_h;
                ptrdiff_t iw = ow * a.stride_w - a.pad_w + kw * a.dilation_w;
                if (ih < 0 || ih >= a.ih || iw < 0 || iw >= a.iw) continue;
                ptrdiff_t c = oc / group_oc * group_ic + ic;
                sum += x[n * a.x_n + c * a.x_c + ih * a.x_h + iw * a.x_w] *
                       w[oc * a.w_o + ic * a.w_i + kh * a.w_h + kw * a.w_w];
              }
          ptrdiff_t at = n * a.y_n + oc * a.y_c + oh * a.y_h + ow * a.y_w;
          if (add) sum += add[at];
          y[at] = scalar_activate<T>(sum, a.activation);
        }
    }
  }
};
