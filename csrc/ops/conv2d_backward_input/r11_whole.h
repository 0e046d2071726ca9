// Idea:  where the kernel covers the whole image there is one output place, and each place of x meets one tap: dx is a
//        matrix product, dx[n, (kh, kw, ic)] = sum over oc of dy[n, oc] * w[oc, (kh, kw, ic)].
// Since: r4_phases makes a convolution of it, in which kh * kw - 1 of the taps of each place lie on padding.
// Why:   images are the rows of the product's register blocks, so each number of w is used by 14 of them.
// Price: this one shape, which classifiers of convolutions and the first layers of generators have.
#pragma once

template <class T>
struct conv2d_backward_input_r11_whole : Plain<Conv2d> {
  static constexpr int V = 2;
  static constexpr ptrdiff_t L = lanes<T>, wide = panel_width<V, T>;

  static const char* supports(const Conv2d& a) {
    if (a.oh != 1 || a.ow != 1 || a.ih != a.kh || a.iw != a.kw || a.pad_h || a.pad_w)
      return "the kernel does not cover the image and nothing else";
    if ((a.dilation_h != 1 && a.kh > 1) || (a.dilation_w != 1 && a.kw > 1)) return "the kernel is dilated";
    if (a.groups != 1) return "channels are in groups";
    return a.x_c == 1 && (a.x_w == a.ic || a.iw == 1) && (a.x_h == a.iw * a.ic || a.ih == 1)
               ? nullptr
               : "needs images of dx that are dense and channels-last";
  }

  static ptrdiff_t columns(const Conv2d& a) { return a.kh * a.kw * a.ic; }
  static size_t packed_bytes(const Conv2d& a) {
    return size_t(panel_count<V, T>(columns(a)) * a.oc * wide) * sizeof(T);
  }

  // Panels as simd/product.h wants them. Vectors of neighbouring channels, which may go on in the next panel.
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    ptrdiff_t all = columns(a), panels = panel_count<V, T>(all), taps = a.kh * a.kw;
    Range mine = share(a.oc, team);
    for (ptrdiff_t oc = mine.begin; oc < mine.end; oc++) {
      T* out = static_cast<T*>(packed) + oc * wide;
      for (ptrdiff_t tap = 0; tap < taps; tap++) {
        const T* w = static_cast<const T*>(a.w) + oc * a.w_o + tap / a.kw * a.w_h + tap % a.kw * a.w_w;
        for (ptrdiff_t ic = 0; ic < a.ic;) {
          ptrdiff_t column = tap * a.ic + ic, at = column % wide, n = a.ic - ic < L ? a.ic - ic : L;
          if (n > wide - at) n = wide - at;
          store_n<T>(out + column / wide * a.oc * wide + at, load_strided<T>(w + ic * a.w_i, a.w_i, n), n);
          ic += n;
        }
      }
      T* last = out + (panels - 1) * a.oc * wide;
      for (ptrdiff_t at = all - (panels - 1) * wide; at < wide; at++) last[at] = T(0);
    }
  }

  // Members share panels and rows: an element's sum is the same whatever block it is in.
  static void run(const Conv2d& a, const Team& team) noexcept {
    constexpr ptrdiff_t together = 4 * rows_for<V>;
    ptrdiff_t panels = panel_count<V, T>(columns(a)), batches = ceil_div(a.n, together);
    Range items = share(panels * batches, team);
    for (ptrdiff_t item = items.begin; item < items.end; item++) {
      ptrdiff_t panel = item / batches, first = item % batches * together, column = panel * wide;
      ptrdiff_t rows = a.n - first < together ? a.n - first : together;
      ptrdiff_t valid = columns(a) - column < wide ? columns(a) - column : wide;
      T* x = static_cast<T*>(a.x) + first * a.x_n + column;
      const T* bias = static_cast<const T*>(a.bias);
      for (ptrdiff_t n = 0; bias && n < rows; n++)
        for (ptrdiff_t i = 0; i < valid; i++) x[n * a.x_n + i] = bias[(column + i) % a.ic];
      add_product<V, T>(x, a.x_n, valid, rows, bias != nullptr, static_cast<const T*>(a.y) + first * a.y_n, a.y_n,
                        a.y_c, static_cast<const T*>(a.workspace.packed) + panel * a.oc * wide, a.oc);
    }
  }
};
