// Idea:  row by row of dx: every window that covers a row divides its gradient once and adds it to each of its columns,
//        a vector of neighbouring channels at a time.
// Since: r0_naive: lanes over channels; a gather in height (any row can be anybody's share), a scatter in width.
// Why:   one division serves kernel_w columns, and the row being added to stays in L1.
// Price: a load, an add and a store for each column of each window. oh and ow ascend as in r0_naive, so the sums are
//        the same, bit by bit.
#pragma once

template <class T>
struct avg_pool2d_backward_r1_vec : Plain<Pool2d> {
  static constexpr int L = lanes<T>;

  static const char* supports(const Pool2d& a) {
    return a.x_c != 1 || a.y_c != 1 ? "needs channels-last arrays (x_c = y_c = 1)" : nullptr;
  }

  // How many taps count for a window's divisor, along one axis: those with -pad <= start + k * dilation < size + pad.
  static ptrdiff_t counted(ptrdiff_t start, ptrdiff_t kernel, ptrdiff_t dilation, ptrdiff_t size, ptrdiff_t pad) {
    ptrdiff_t begin = start < -pad ? -pad - start : 0, end = start < size + pad ? size + pad - start : 0;
    if (dilation != 1) begin = (begin + dilation - 1) / dilation, end = (end + dilation - 1) / dilation;
    if (end > kernel) end = kernel;
    return end > begin ? end - begin : 0;
  }

  static void run(const Pool2d& a, const Team& team) noexcept {
    Range rows = share(a.n * a.ih, team);
    for (ptrdiff_t i = rows.begin; i < rows.end; i++) {
      ptrdiff_t n = i / a.ih, ih = i % a.ih;
      row(a, n, ih, static_cast<T*>(a.x) + n * a.x_n + ih * a.x_h);
    }
  }

  // One row of dx, [iw, c].
  static void row(const Pool2d& a, ptrdiff_t n, ptrdiff_t ih, T* x) noexcept {
    ptrdiff_t vectors = a.c / L * L;  // channels that fill vectors; the rest goes one by one, since a load that meets
                                      // a masked store of its neighbour waits for it
    for (ptrdiff_t iw = 0; iw < a.iw; iw++) {
      for (ptrdiff_t c = 0; c < vectors; c += L) store<T>(x + iw * a.x_w + c, vec<T>{});
      if (vectors < a.c) store_n<T>(x + iw * a.x_w + vectors, vec<T>{}, a.c - vectors);
    }
    ptrdiff_t pad_h = a.count_include_pad ? a.pad_h : 0, pad_w = a.count_include_pad ? a.pad_w : 0;
    // Windows oh that may hold row ih: oh * stride - pad <= ih <= oh * stride - pad + reach.
    ptrdiff_t top = ih + a.pad_h, reach = (a.kernel_h - 1) * a.dilation_h;
    ptrdiff_t oh = top < reach ? 0 : (top - reach + a.stride_h - 1) / a.stride_h;
    for (; oh < a.oh && oh * a.stride_h <= top; oh++) {
      if (a.dilation_h != 1 && (top - oh * a.stride_h) % a.dilation_h) continue;  // between its taps
      ptrdiff_t window_rows = counted(oh * a.stride_h - a.pad_h, a.kernel_h, a.dilation_h, a.ih, pad_h);
      for (ptrdiff_t ow = 0; ow < a.ow; ow++) {
        ptrdiff_t iw = ow * a.stride_w - a.pad_w, divisor = a.divisor_override;
        if (divisor == 0) divisor = window_rows * counted(iw, a.kernel_w, a.dilation_w, a.iw, pad_w);
        const T* y = static_cast<const T*>(a.y) + n * a.y_n + oh * a.y_h + ow * a.y_w;  // [c]
        // The columns of the window that lie in the image.
        ptrdiff_t first = 0, last = a.kernel_w;
        while (first < last && iw + first * a.dilation_w < 0) first++;
        while (last > first && iw + (last - 1) * a.dilation_w >= a.iw) last--;
        ptrdiff_t step = a.dilation_w * a.x_w;
        T* out = x + iw * a.x_w;
        for (ptrdiff_t c = 0; c < vectors; c += L) {
          vec<T> dy = load<T>(y + c) / T(divisor);
          for (ptrdiff_t kw = first; kw < last; kw++) store<T>(out + kw * step + c, load<T>(out + kw * step + c) + dy);
        }
        for (ptrdiff_t c = vectors; c < a.c; c++) {
          T dy = y[c] / T(divisor);
          for (ptrdiff_t kw = first; kw < last; kw++) out[kw * step + c] += dy;
        }
      }
    }
  }
};
