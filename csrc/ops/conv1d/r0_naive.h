// Idea:  five loops, as in the textbook, with the test for padding in the innermost one.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: a test, an address and a dependent add for each multiply-add.
#pragma once

template <class T>
struct conv1d_r0_naive : Plain<Conv2d> {
  static void run(const Conv2d& a, const Team& team) noexcept {
    const T* x = static_cast<const T*>(a.x);        // [n, ic, iw]
    const T* w = static_cast<const T*>(a.w);        // [oc, ic/groups, kw]
    const T* bias = static_cast<const T*>(a.bias);  // [oc] or null
    T* y = static_cast<T*>(a.y);                    // [n, oc, ow]
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups;
    Range places = share(a.n * a.ow, team);
    for (ptrdiff_t place = places.begin; place < places.end; place++) {
      ptrdiff_t n = place / a.ow, ow = place % a.ow;
      for (ptrdiff_t oc = 0; oc < a.oc; oc++) {
        T sum = bias ? bias[oc] : T(0);
        for (ptrdiff_t ic = 0; ic < group_ic; ic++)
          for (ptrdiff_t kw = 0; kw < a.kw; kw++) {
            ptrdiff_t iw = ow * a.stride_w - a.pad_w + kw * a.dilation_w, c = oc / group_oc * group_ic + ic;
            if (iw < 0 || iw >= a.iw) continue;
            sum += x[n * a.x_n + c * a.x_c + iw * a.x_w] * w[oc * a.w_o + ic * a.w_i + kw * a.w_w];
          }
        y[n * a.y_n + oc * a.y_c + ow * a.y_w] = sum;
      }
    }
  }
};
