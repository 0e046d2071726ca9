// Idea:  nine loops, as in the textbook, with the test for padding in the innermost one.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: a test, an address and a dependent add for each multiply-add.
#pragma once

template <class T>
struct conv3d_r0_naive : Plain<Conv3d> {
  static void run(const Conv3d& a, const Team& team) noexcept {
    const T* x = static_cast<const T*>(a.x);        // [n, ic, id, ih, iw]
    const T* w = static_cast<const T*>(a.w);        // [oc, ic/groups, kd, kh, kw]
    const T* bias = static_cast<const T*>(a.bias);  // [oc] or null
    T* y = static_cast<T*>(a.y);                    // [n, oc, od, oh, ow]
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups;
    Range rows = share(a.n * a.od * a.oh, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / a.oh / a.od, od = row / a.oh % a.od, oh = row % a.oh;
      for (ptrdiff_t ow = 0; ow < a.ow; ow++)
        for (ptrdiff_t oc = 0; oc < a.oc; oc++) {
          T sum = bias ? bias[oc] : T(0);
          for (ptrdiff_t ic = 0; ic < group_ic; ic++)
            for (ptrdiff_t kd = 0; kd < a.kd; kd++)
              for (ptrdiff_t kh = 0; kh < a.kh; kh++)
                for (ptrdiff_t kw = 0; kw < a.kw; kw++) {
                  ptrdiff_t id = od * a.stride_d - a.pad_d + kd * a.dilation_d;
                  ptrdiff_t ih = oh * a.stride_h - a.pad_h + kh * a.dilation_h;
                  ptrdiff_t iw = ow * a.stride_w - a.pad_w + kw * a.dilation_w;
                  if (id < 0 || id >= a.id || ih < 0 || ih >= a.ih || iw < 0 || iw >= a.iw) continue;
                  ptrdiff_t c = oc / group_oc * group_ic + ic;
                  sum += x[n * a.x_n + c * a.x_c + id * a.x_d + ih * a.x_h + iw * a.x_w] *
                         w[oc * a.w_o + ic * a.w_i + kd * a.w_d + kh * a.w_h + kw * a.w_w];
                }
          y[n * a.y_n + oc * a.y_c + od * a.y_d + oh * a.y_h + ow * a.y_w] = sum;
        }
    }
  }
};
