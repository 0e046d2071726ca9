// Idea:  for every weight, add up all the places where it was used: the output's gradient times the input it met.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: four tests and a dependent add for each multiply-add; x and dy are read with strides.
#pragma once

template <class T>
struct conv2d_backward_weight_r0_naive : Plain<Conv2d> {
  static void run(const Conv2d& a, const Team& team) noexcept {
    const T* x = static_cast<const T*>(a.x);  // [n, ic, ih, iw]
    const T* y = static_cast<const T*>(a.y);  // [n, oc, oh, ow]
    T* w = static_cast<T*>(a.w);              // [oc, ic/groups, kh, kw], the result
    T* bias = static_cast<T*>(a.bias);        // [oc] or null, the result
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups;
    Range channels = share(a.oc, team);
    for (ptrdiff_t oc = channels.begin; oc < channels.end; oc++) {
      for (ptrdiff_t ic = 0; ic < group_ic; ic++)
        for (ptrdiff_t kh = 0; kh < a.kh; kh++)
          for (ptrdiff_t kw = 0; kw < a.kw; kw++) {
            T sum = 0;
            for (ptrdiff_t n = 0; n < a.n; n++)
              for (ptrdiff_t oh = 0; oh < a.oh; oh++)
                for (ptrdiff_t ow = 0; ow < a.ow; ow++) {
                  ptrdiff_t ih = oh * a.stride_h - a.pad_h + kh * a.dilation_h;
                  ptrdiff_t iw = ow * a.stride_w - a.pad_w + kw * a.dilation_w;
                  if (ih < 0 || ih >= a.ih || iw < 0 || iw >= a.iw) continue;
                  ptrdiff_t c = oc / group_oc * group_ic + ic;
                  sum += y[n * a.y_n + oc * a.y_c + oh * a.y_h + ow * a.y_w] *
                         x[n * a.x_n + c * a.x_c + ih * a.x_h + iw * a.x_w];
                }
            w[oc * a.w_o + ic * a.w_i + kh * a.w_h + kw * a.w_w] = sum;
          }
      if (!bias) continue;
      T sum = 0;
      for (ptrdiff_t n = 0; n < a.n; n++)
        for (ptrdiff_t oh = 0; oh < a.oh; oh++)
          for (ptrdiff_t ow = 0; ow < a.ow; ow++) sum += y[n * a.y_n + oc * a.y_c + oh * a.y_h + ow * a.y_w];
      bias[oc] = sum;
    }
  }
};
