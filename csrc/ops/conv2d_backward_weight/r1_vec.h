// Idea:  one vector of neighbouring output channels: dy is read as vectors, x is broadcast.
// Since: r0_naive: lanes over output channels, and for each tap the rows and columns that it meets, found beforehand.
// Why:   the sum runs over pixels, so lanes over pixels would end in adding up lanes; lanes over channels do not.
// Price: dy must have its channels side by side; one sum at a time, so the FMA's latency sets the pace.
#pragma once

template <class T>
struct conv2d_backward_weight_r1_vec : Plain<Conv2d> {
  static const char* supports(const Conv2d& a) {
    return a.y_c != 1 ? "needs dy with neighbouring output channels (y_c = 1)" : nullptr;
  }

  // Outputs o with 0 <= o * stride - pad + k * dilation < in.
  static Range meeting(ptrdiff_t k, ptrdiff_t dilation, ptrdiff_t pad, ptrdiff_t stride, ptrdiff_t in, ptrdiff_t out) {
    ptrdiff_t low = pad - k * dilation, high = in + pad - k * dilation;
    ptrdiff_t begin = low > 0 ? (low + stride - 1) / stride : 0, end = high > 0 ? (high + stride - 1) / stride : 0;
    return {begin, end < out ? end : out};
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    constexpr int L = lanes<T>;
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups, blocks = (group_oc + L - 1) / L;
    Range items = share(a.groups * blocks * group_ic * a.kh, team);
    for (ptrdiff_t item = items.begin; item < items.end; item++) {
      ptrdiff_t kh = item % a.kh, ic = item / a.kh % group_ic;
      ptrdiff_t block = item / a.kh / group_ic % blocks, group = item / a.kh / group_ic / blocks;
      ptrdiff_t oc = group * group_oc + block * L, count = group_oc - block * L < L ? group_oc - block * L : L;
      for (ptrdiff_t kw = 0; kw < a.kw; kw++) {
        const T* x = static_cast<const T*>(a.x) + (group * group_ic + ic) * a.x_c;  // [n, ih, iw]
        const T* y = static_cast<const T*>(a.y) + oc;                               // [n, oh, ow, L]
        T* w = static_cast<T*>(a.w) + oc * a.w_o + ic * a.w_i + kh * a.w_h + kw * a.w_w;
        vec<T> sum = count == L ? pixels(a, x, y, kh, kw, [](const T* p) { return load<T>(p); })
                                : pixels(a, x, y, kh, kw, [=](const T* p) { return load_n<T>(p, count); });
        for (ptrdiff_t i = 0; i < count; i++) w[i * a.w_o] = get_lane<T>(sum, i);
      }
    }
    bias_gradient<T>(a, team);
  }

  template <class Load>
  static inline __attribute__((always_inline)) vec<T> pixels(const Conv2d& a, const T* x, const T* y, ptrdiff_t kh,
                                                             ptrdiff_t kw, Load load_y) {
    Range oh = meeting(kh, a.dilation_h, a.pad_h, a.stride_h, a.ih, a.oh);
    Range ow = meeting(kw, a.dilation_w, a.pad_w, a.stride_w, a.iw, a.ow);
    vec<T> total = {};
    for (ptrdiff_t n = 0; n < a.n; n++)
      for (ptrdiff_t h = oh.begin; h < oh.end; h++) {
        const T* px = x + n * a.x_n + (h * a.stride_h - a.pad_h + kh * a.dilation_h) * a.x_h +
                      (kw * a.dilation_w - a.pad_w) * a.x_w;
        const T* py = y + n * a.y_n + h * a.y_h;
        vec<T> sum = {};
        for (ptrdiff_t w = ow.begin; w < ow.end; w++) sum += px[w * a.stride_w * a.x_w] * load_y(py + w * a.y_w);
        total += sum;  // a sum per row, then a sum of rows: shorter sums round less
      }
    return total;
  }
};
