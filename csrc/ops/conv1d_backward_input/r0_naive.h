// Idea:  for every input element, add up every output that used it, times the weight it was used with.
// Since: this is the first rung.
// Why:   it is the definition, read backwards: x[iw] was used by ow = (iw + pad - kw * dilation) / stride, where that
//        divides and lies inside. With a bias it is the transposed convolution.
// Price: a division, three tests and a dependent add for each multiply-add.
#pragma once

template <class T>
struct conv1d_backward_input_r0_naive : Plain<Conv2d> {
  static void run(const Conv2d& a, const Team& team) noexcept {
    T* x = static_cast<T*>(a.x);                    // [n, ic, iw], the result
    const T* w = static_cast<const T*>(a.w);        // [oc, ic/groups, kw]
    const T* y = static_cast<const T*>(a.y);        // [n, oc, ow]
    const T* bias = static_cast<const T*>(a.bias);  // [ic] or null
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups;
    Range places = share(a.n * a.iw, team);
    for (ptrdiff_t place = places.begin; place < places.end; place++) {
      ptrdiff_t n = place / a.iw, iw = place % a.iw;
      for (ptrdiff_t ic = 0; ic < a.ic; ic++) {
        T sum = bias ? bias[ic] : T(0);
        ptrdiff_t first_oc = ic / group_ic * group_oc;
        for (ptrdiff_t kw = 0; kw < a.kw; kw++) {
          ptrdiff_t t = iw + a.pad_w - kw * a.dilation_w, ow = t / a.stride_w;
          if (t < 0 || t % a.stride_w || ow >= a.ow) continue;
          for (ptrdiff_t oc = first_oc; oc < first_oc + group_oc; oc++)
            sum += y[n * a.y_n + oc * a.y_c + ow * a.y_w] * w[oc * a.w_o + ic % group_ic * a.w_i + kw * a.w_w];
        }
        x[n * a.x_n + ic * a.x_c + iw * a.x_w] = sum;
      }
    }
  }
};
