// Idea:  for every weight, add up all the places where it was used: dy there times x there.
// Since: this is the first rung.
// Why:   it is the definition, read backwards; every other rung must compute the same.
// Price: a test, two addresses and a dependent add for each multiply-add.
#pragma once

template <class T>
struct conv1d_backward_weight_r0_naive : Plain<Conv2d> {
  static void run(const Conv2d& a, const Team& team) noexcept {
    const T* x = static_cast<const T*>(a.x);  // [n, ic, iw]
    const T* y = static_cast<const T*>(a.y);  // [n, oc, ow]
    T* w = static_cast<T*>(a.w);              // [oc, ic/groups, kw], the result
    T* bias = static_cast<T*>(a.bias);        // [oc] or null, a result too
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups;
    Range filters = share(a.oc, team);
    for (ptrdiff_t oc = filters.begin; oc < filters.end; oc++) {
      for (ptrdiff_t ic = 0; ic < group_ic; ic++)
        for (ptrdiff_t kw = 0; kw < a.kw; kw++) {
          T sum = 0;
          for (ptrdiff_t n = 0; n < a.n; n++)
            for (ptrdiff_t ow = 0; ow < a.ow; ow++) {
              ptrdiff_t iw = ow * a.stride_w - a.pad_w + kw * a.dilation_w, c = oc / group_oc * group_ic + ic;
              if (iw < 0 || iw >= a.iw) continue;
              sum += y[n * a.y_n + oc * a.y_c + ow * a.y_w] * x[n * a.x_n + c * a.x_c + iw * a.x_w];
            }
          w[oc * a.w_o + ic * a.w_i + kw * a.w_w] = sum;
        }
      if (!bias) continue;
      T sum = 0;
      for (ptrdiff_t n = 0; n < a.n; n++)
        for (ptrdiff_t ow = 0; ow < a.ow; ow++) sum += y[n * a.y_n + oc * a.y_c + ow * a.y_w];
      bias[oc] = sum;
    }
  }
};
