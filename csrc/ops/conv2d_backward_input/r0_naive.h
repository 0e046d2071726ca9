// Idea:  for every input element, add up every output that used it, times the weight it was used with.
// Since: this is the first rung.
// Why:   it is the definition, read backwards: y[oh] used x[oh * stride - pad + kh * dilation], so x[ih] was used by
//        oh = (ih + pad - kh * dilation) / stride, where that divides and lies inside. Every other rung must compute
//        the same.
// Price: a division, four tests and a dependent add for each multiply-add.
#pragma once

template <class T>
struct conv2d_backward_input_r0_naive : Plain<Conv2d> {
  static void run(const Conv2d& a, const Team& team) noexcept {
    T* x = static_cast<T*>(a.x);                    // [n, ic, ih, iw], the result
    const T* w = static_cast<const T*>(a.w);        // [oc, ic/groups, kh, kw]
    const T* y = static_cast<const T*>(a.y);        // [n, oc, oh, ow]
    const T* bias = static_cast<const T*>(a.bias);  // [ic] or null
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups;
    Range rows = share(a.n * a.ih, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / a.ih, ih = row % a.ih;
      for (ptrdiff_t iw = 0; iw < a.iw; iw++)
        for (ptrdiff_t ic = 0; ic < a.ic; ic++) {
          T sum = bias ? bias[ic] : T(0);
          ptrdiff_t first_oc = ic / group_ic * group_oc;
          for (ptrdiff_t kh = 0; kh < a.kh; kh++)
            for (ptrdiff_t kw = 0; kw < a.kw; kw++) {
              ptrdiff_t th = ih + a.pad_h - kh * a.dilation_h, tw = iw + a.pad_w - kw * a.dilation_w;
              if (th < 0 || th % a.stride_h || tw < 0 || tw % a.stride_w) continue;
              ptrdiff_t oh = th / a.stride_h, ow = tw / a.stride_w;
              if (oh >= a.oh || ow >= a.ow) continue;
              for (ptrdiff_t oc = first_oc; oc < first_oc + group_oc; oc++)
                sum += y[n * a.y_n + oc * a.y_c + oh * a.y_h + ow * a.y_w] *
                       w[oc * a.w_o + ic % group_ic * a.w_i + kh * a.w_h + kw * a.w_w];
            }
          x[n * a.x_n + ic * a.x_c + ih * a.x_h + iw * a.x_w] = sum;
        }
    }
  }
};
