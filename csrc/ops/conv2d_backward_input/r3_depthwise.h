// Idea:  depthwise (one input and one output channel per group): lanes over the groups, which are independent.
// Since: r2_fold: a vector of dy meets a vector of weights lane by lane; nothing is broadcast, nothing overlaps.
// Why:   a group alone has kh * kw multiply-adds for an output and nothing to fill a vector with; its neighbours do the
//        same at the same time. A block of columns shares each load of weights.
// Price: one load of dy for each multiply-add: two loads a cycle set the pace, not the FMAs. x and dy must have their
//        channels side by side.
#pragma once

template <class T>
struct conv2d_backward_input_r3_depthwise : Plain<Conv2d> {
  static constexpr int L = lanes<T>, M = 8;  // 8 sums cover an FMA's latency (4 cycles x 2 a cycle)

  static const char* supports(const Conv2d& a) {
    if (a.ic != a.groups || a.oc != a.groups) return "needs one input and one output channel per group";
    return a.x_c != 1 || a.y_c != 1 ? "needs channels-last arrays (x_c = y_c = 1)" : nullptr;
  }

  // packed: [blocks of channels, kh, kw, L], zeros beyond the last channel
  static size_t packed_bytes(const Conv2d& a) { return sizeof(T) * size_t((a.ic + L - 1) / L * L * a.kh * a.kw); }

  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    Range mine = share(a.ic, team, L);
    for (ptrdiff_t c = mine.begin; c < mine.end; c += L)
      for (ptrdiff_t kh = 0; kh < a.kh; kh++)
        for (ptrdiff_t kw = 0; kw < a.kw; kw++)
          for (ptrdiff_t i = 0; i < L; i++)
            static_cast<T*>(packed)[c * a.kh * a.kw + (kh * a.kw + kw) * L + i] =
                c + i < a.ic ? static_cast<const T*>(a.w)[(c + i) * a.w_o + kh * a.w_h + kw * a.w_w] : T(0);
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    Range rows = share(a.n * a.ih, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / a.ih, ih = row % a.ih;
      for (ptrdiff_t c = 0; c < a.ic; c += L) {
        const T* y = static_cast<const T*>(a.y) + n * a.y_n + c;                   // [oh, ow, L]
        T* x = static_cast<T*>(a.x) + n * a.x_n + ih * a.x_h + c;                  // [iw, L]
        const T* w = static_cast<const T*>(a.workspace.packed) + c * a.kh * a.kw;  // [kh, kw, L]
        vec<T> bias = {};
        if (a.bias) bias = load_n<T>(static_cast<const T*>(a.bias) + c, a.ic - c < L ? a.ic - c : L);
        if (a.ic - c >= L)
          for (ptrdiff_t phase = 0; phase < a.stride_w; phase++) columns<true>(a, ih, phase, L, bias, y, w, x);
        else
          for (ptrdiff_t phase = 0; phase < a.stride_w; phase++) columns<false>(a, ih, phase, a.ic - c, bias, y, w, x);
      }
    }
  }

  // The columns iw = phase + j * stride: all of them meet the same taps kw, at outputs ow = j + something.
  template <bool full>
  static void columns(const Conv2d& a, ptrdiff_t ih, ptrdiff_t phase, ptrdiff_t count, vec<T> bias, const T* y,
                      const T* w, T* x) noexcept {
    ptrdiff_t size = phase < a.iw ? (a.iw - phase + a.stride_w - 1) / a.stride_w : 0;
    // Inside [low, high) every tap of the phase meets an output, so that a block needs no test.
    ptrdiff_t low = 0, high = size;
    for (ptrdiff_t kw = 0; kw < a.kw; kw++) {
      ptrdiff_t t = phase + a.pad_w - kw * a.dilation_w;
      if (t % a.stride_w) continue;
      ptrdiff_t shift = t / a.stride_w;
      if (-shift > low) low = -shift;
      if (a.ow - shift < high) high = a.ow - shift;
    }
    for (ptrdiff_t j = 0; j < size;) {
      // The last block steps back to end at high: doing some columns twice is cheaper than doing them one by one.
      ptrdiff_t start = j < high && j + M > high ? high - M : j;
      if (start >= low && start + M <= high) block<full, M>(a, ih, phase, start, count, bias, y, w, x), j = start + M;
      else block<full, 1>(a, ih, phase, j, count, bias, y, w, x), j++;
    }
  }

  // M columns from j; if M is 1, a tap may meet no output.
  template <bool full, int B>
  static inline __attribute__((always_inline)) void block(const Conv2d& a, ptrdiff_t ih, ptrdiff_t phase, ptrdiff_t j,
                                                          ptrdiff_t count, vec<T> bias, const T* y, const T* w,
                                                          T* x) noexcept {
    vec<T> sum[B];
    for (int m = 0; m < B; m++) sum[m] = bias;
    for (ptrdiff_t kh = 0; kh < a.kh; kh++) {
      ptrdiff_t th = ih + a.pad_h - kh * a.dilation_h, oh = a.stride_h == 1 ? th : th / a.stride_h;
      if (th < 0 || oh * a.stride_h != th || oh >= a.oh) continue;
      for (ptrdiff_t kw = 0; kw < a.kw; kw++) {
        ptrdiff_t tw = phase + a.pad_w - kw * a.dilation_w, shift = a.stride_w == 1 ? tw : tw / a.stride_w;
        if (shift * a.stride_w != tw) continue;
        if (B == 1 && (j + shift < 0 || j + shift >= a.ow)) continue;
        vec<T> wv = load<T>(w + (kh * a.kw + kw) * L);
        const T* py = y + oh * a.y_h + (j + shift) * a.y_w;
        for (int m = 0; m < B; m++) sum[m] += wv * (full ? load<T>(py + m * a.y_w) : load_n<T>(py + m * a.y_w, count));
      }
    }
    for (int m = 0; m < B; m++) {
      T* out = x + (phase + (j + m) * a.stride_w) * a.x_w;
      if (full) store<T>(out, sum[m]);
      else store_n<T>(out, sum[m], count);
    }
  }
};
