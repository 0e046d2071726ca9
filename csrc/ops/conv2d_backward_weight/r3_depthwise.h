// Idea:  depthwise (one input and one output channel per group): lanes over the groups, which are independent.
// Since: r2_tile: x is a vector as well as dy; a block is the sums of up to 8 taps of a kernel row.
// Why:   dw of a group is kh * kw numbers, too few to fill vectors; its neighbours do the same at the same time. The
//        taps of a row share each load of dy.
// Price: one load of x for each multiply-add: two loads a cycle set the pace, not the FMAs. x and dy must have their
//        channels side by side.
#pragma once

template <class T>
struct conv2d_backward_weight_r3_depthwise : Plain<Conv2d> {
  static constexpr int L = lanes<T>, most = 8;

  static const char* supports(const Conv2d& a) {
    if (a.ic != a.groups || a.oc != a.groups) return "needs one input and one output channel per group";
    return a.x_c != 1 || a.y_c != 1 ? "needs channels-last arrays (x_c = y_c = 1)" : nullptr;
  }

  // Outputs o with 0 <= o * stride - pad + k * dilation < in.
  static Range meeting(ptrdiff_t k, ptrdiff_t dilation, ptrdiff_t pad, ptrdiff_t stride, ptrdiff_t in, ptrdiff_t out) {
    ptrdiff_t low = pad - k * dilation, high = in + pad - k * dilation;
    ptrdiff_t begin = low > 0 ? low : 0, end = high > 0 ? high : 0;
    if (stride != 1) begin = (begin + stride - 1) / stride, end = (end + stride - 1) / stride;
    return {begin, end < out ? end : out};
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    ptrdiff_t blocks = (a.ic + L - 1) / L;
    Range items = share(blocks * a.kh, team);
    for (ptrdiff_t item = items.begin; item < items.end; item++) {
      ptrdiff_t c = item / a.kh * L, kh = item % a.kh;
      for (ptrdiff_t kw = 0, taps; kw < a.kw; kw += taps) {
        taps = a.kw - kw < most ? a.kw - kw : most;
        if (a.ic - c >= L) row_of<most, true>(taps, a, c, kh, kw);
        else row_of<most, false>(taps, a, c, kh, kw);
      }
    }
    bias_gradient<T>(a, team);
  }

  template <int K, bool full>
  static void row_of(ptrdiff_t taps, const Conv2d& a, ptrdiff_t c, ptrdiff_t kh, ptrdiff_t kw) noexcept {
    if (taps == K) row<K, full>(a, c, kh, kw);
    else if constexpr (K > 1) row_of<K - 1, full>(taps, a, c, kh, kw);
  }

  // dw of channels [c, c + L) for the taps kw .. kw + K - 1 of kernel row kh.
  template <int K, bool full>
  static __attribute__((noinline)) void row(const Conv2d& a, ptrdiff_t c, ptrdiff_t kh, ptrdiff_t kw) noexcept {
    constexpr int U = K < 4 ? 2 : 1;  // fewer than 8 sums: two pixels at a time, to cover the FMA's latency
    ptrdiff_t count = a.ic - c < L ? a.ic - c : L, x_tap = a.dilation_w * a.x_w, x_w = a.stride_w * a.x_w;
    auto load_c = [=](const T* p) { return full ? load<T>(p) : load_n<T>(p, count); };
    Range oh = meeting(kh, a.dilation_h, a.pad_h, a.stride_h, a.ih, a.oh), tap[K];
    for (int k = 0; k < K; k++) tap[k] = meeting(kw + k, a.dilation_w, a.pad_w, a.stride_w, a.iw, a.ow);
    // Columns where all taps meet the image; a later tap meets earlier columns.
    Range all = {tap[0].begin, tap[K - 1].end};
    if (all.begin >= all.end) all = {0, 0};
    vec<T> total[K] = {};
    for (ptrdiff_t n = 0; n < a.n; n++)
      for (ptrdiff_t h = oh.begin; h < oh.end; h++) {
        const T* y = static_cast<const T*>(a.y) + n * a.y_n + h * a.y_h + c;  // [ow, L]
        const T* x = static_cast<const T*>(a.x) + n * a.x_n + (h * a.stride_h - a.pad_h + kh * a.dilation_h) * a.x_h +
                     (kw * a.dilation_w - a.pad_w) * a.x_w + c;  // [ow * stride + k * dilation, L]
        vec<T> sum[U][K] = {};
        ptrdiff_t w = all.begin;
        for (; w + U <= all.end; w += U)
          for (int u = 0; u < U; u++) {
            vec<T> yv = load_c(y + (w + u) * a.y_w);
            for (int k = 0; k < K; k++) sum[u][k] += yv * load_c(x + (w + u) * x_w + k * x_tap);
          }
        for (; w < all.end; w++) {
          vec<T> yv = load_c(y + w * a.y_w);
          for (int k = 0; k < K; k++) sum[0][k] += yv * load_c(x + w * x_w + k * x_tap);
        }
        for (int k = 0; k < K; k++) {
          for (w = tap[k].begin; w < tap[k].end; w++) {  // the other columns, tap by tap
            if (w == all.begin && all.begin < all.end) w = all.end;
            if (w >= tap[k].end) break;
            sum[0][k] += load_c(y + w * a.y_w) * load_c(x + w * x_w + k * x_tap);
          }
          for (int u = 0; u < U; u++) total[k] += sum[u][k];  // a sum per row, then a sum of rows: rounds less
        }
      }
    for (int k = 0; k < K; k++) {
      T* dw = static_cast<T*>(a.w) + c * a.w_o + kh * a.w_h + (kw + k) * a.w_w;
      for (ptrdiff_t i = 0; i < count; i++) dw[i * a.w_o] = get_lane<T>(total[k], i);
    }
  }
};
