// Idea:  for every input element, add up every output that used it, times the weight it was used with.
// Since: this is the first rung.
// Why:   it is the definition, read backwards: x[id] was used by od = (id + pad - kd * dilation) / stride, where that
//        divides and lies inside; h and w likewise. With a bias it is the transposed convolution.
// Price: divisions, six tests and a dependent add for each multiply-add.
#pragma once

template <class T>
struct conv3d_backward_input_r0_naive : Plain<Conv3d> {
  static void run(const Conv3d& a, const Team& team) noexcept {
    T* x = static_cast<T*>(a.x);                    // [n, ic, id, ih, iw], the result
    const T* w = static_cast<const T*>(a.w);        // [oc, ic/groups, kd, kh, kw]
    const T* y = static_cast<const T*>(a.y);        // [n, oc, od, oh, ow]
    const T* bias = static_cast<const T*>(a.bias);  // [ic] or null
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups;
    Range rows = share(a.n * a.id * a.ih, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / a.ih / a.id, id = row / a.ih % a.id, ih = row % a.ih;
      for (ptrdiff_t iw = 0; iw < a.iw; iw++)
        for (ptrdiff_t ic = 0; ic < a.ic; ic++) {
          T sum = bias ? bias[ic] : T(0);
          ptrdiff_t first_oc = ic / group_ic * group_oc;
          for (ptrdiff_t kd = 0; kd < a.kd; kd++)
            for (ptrdiff_t kh = 0; kh < a.kh; kh++)
              for (ptrdiff_t kw = 0; kw < a.kw; kw++) {
                ptrdiff_t od, oh, ow;
                if (!meets(id + a.pad_d - kd * a.dilation_d, a.stride_d, a.od, od) ||
                    !meets(ih + a.pad_h - kh * a.dilation_h, a.stride_h, a.oh, oh) ||
                    !meets(iw + a.pad_w - kw * a.dilation_w, a.stride_w, a.ow, ow))
                  continue;
                for (ptrdiff_t oc = first_oc; oc < first_oc + group_oc; oc++)
                  sum += y[n * a.y_n + oc * a.y_c + od * a.y_d + oh * a.y_h + ow * a.y_w] *
                         w[oc * a.w_o + ic % group_ic * a.w_i + kd * a.w_d + kh * a.w_h + kw * a.w_w];
              }
          x[n * a.x_n + ic * a.x_c + id * a.x_d + ih * a.x_h + iw * a.x_w] = sum;
        }
    }
  }
  static bool meets(ptrdiff_t t, ptrdiff_t stride, ptrdiff_t size, ptrdiff_t& o) {
    o = t / stride;
    return t >= 0 && t % stride == 0 && o < size;
  }
};
