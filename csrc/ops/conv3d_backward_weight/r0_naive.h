// Idea:  for every weight, add up all the places where it was used: dy there times x there.
// Since: this is the first rung.
// Why:   it is the definition, read backwards; every other rung must compute the same.
// Price: a test, two addresses and a dependent add for each multiply-add.
#pragma once

template <class T>
struct conv3d_backward_weight_r0_naive : Plain<Conv3d> {
  static void run(const Conv3d& a, const Team& team) noexcept {
    T* w = static_cast<T*>(a.w);        // [oc, ic/groups, kd, kh, kw], the result
    T* bias = static_cast<T*>(a.bias);  // [oc] or null, a result too
    ptrdiff_t group_ic = a.ic / a.groups;
    Range filters = share(a.oc, team);
    for (ptrdiff_t oc = filters.begin; oc < filters.end; oc++) {
      for (ptrdiff_t ic = 0; ic < group_ic; ic++)
        for (ptrdiff_t kd = 0; kd < a.kd; kd++)
          for (ptrdiff_t kh = 0; kh < a.kh; kh++)
            for (ptrdiff_t kw = 0; kw < a.kw; kw++)
              w[oc * a.w_o + ic * a.w_i + kd * a.w_d + kh * a.w_h + kw * a.w_w] = uses(a, oc, ic, kd, kh, kw);
      if (!bias) continue;
      const T* y = static_cast<const T*>(a.y) + oc * a.y_c;
      T sum = 0;
      for (ptrdiff_t n = 0; n < a.n; n++)
        for (ptrdiff_t od = 0; od < a.od; od++)
          for (ptrdiff_t oh = 0; oh < a.oh; oh++)
            for (ptrdiff_t ow = 0; ow < a.ow; ow++) sum += y[n * a.y_n + od * a.y_d + oh * a.y_h + ow * a.y_w];
      bias[oc] = sum;
    }
  }

  static T uses(const Conv3d& a, ptrdiff_t oc, ptrdiff_t ic, ptrdiff_t kd, ptrdiff_t kh, ptrdiff_t kw) noexcept {
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups;
    const T* x = static_cast<const T*>(a.x) + (oc / group_oc * group_ic + ic) * a.x_c;  // [n, id, ih, iw]
    const T* y = static_cast<const T*>(a.y) + oc * a.y_c;                               // [n, od, oh, ow]
    T sum = 0;
    for (ptrdiff_t n = 0; n < a.n; n++)
      for (ptrdiff_t od = 0; od < a.od; od++)
        for (ptrdiff_t oh = 0; oh < a.oh; oh++)
          for (ptrdiff_t ow = 0; ow < a.ow; ow++) {
            ptrdiff_t id = od * a.stride_d - a.pad_d + kd * a.dilation_d;
            ptrdiff_t ih = oh * a.stride_h - a.pad_h + kh * a.dilation_h;
            ptrdiff_t iw = ow * a.stride_w - a.pad_w + kw * a.dilation_w;
            if (id < 0 || id >= a.id || ih < 0 || ih >= a.ih || iw < 0 || iw >= a.iw) continue;
            sum += y[n * a.y_n + od * a.y_d + oh * a.y_h + ow * a.y_w] *
                   x[n * a.x_n + id * a.x_d + ih * a.x_h + iw * a.x_w];
          }
    return sum;
  }
};
