// Idea:  with few channels, zero the rows of dx that a row of windows owns, then add every gradient to the place that
//        its index names.
// Since: r1_vec asks every element of a window whether it was the largest; with fewer channels than lanes most lanes
//        of that question are idle.
// Why:   one read, add and write for each gradient, and no division: where rows follow each other without gaps, place
//        times x_w is the address.
// Price: nothing is done in vectors but the zeros; so only for few channels. Rows of windows that overlap cannot be
//        shared: then members share images.
#pragma once

template <class T>
struct max_pool2d_backward_r2_scatter : Plain<Pool2d> {
  static constexpr int L = lanes<T>;

  static const char* supports(const Pool2d& a) {
    return a.x_c != 1 || (a.ih > 1 && a.x_h != a.iw * a.x_w) ? "needs dx channels-last, its rows without gaps"
                                                             : nullptr;
  }
  static const char* declines(const Pool2d& a) { return a.c >= L ? "has enough channels to fill vectors" : nullptr; }

  static void run(const Pool2d& a, const Team& team) noexcept {
    bool apart = a.stride_h > (a.kernel_h - 1) * a.dilation_h;  // no row of dx belongs to two rows of windows
    ptrdiff_t bands = apart ? a.oh : 1;
    Range items = share(a.n * bands, team);
    for (ptrdiff_t i = items.begin; i < items.end; i++) {
      ptrdiff_t n = i / bands, band = i % bands;
      // The first band begins at the top, the last one ends at the bottom; in between one begins where a window does.
      ptrdiff_t begin = band == 0 ? 0 : band * a.stride_h - a.pad_h;
      ptrdiff_t end = band == bands - 1 ? a.ih : (band + 1) * a.stride_h - a.pad_h;
      if (begin > a.ih) begin = a.ih;
      if (end > a.ih) end = a.ih;
      T* x = static_cast<T*>(a.x) + n * a.x_n;  // [ih, iw, c]
      for (ptrdiff_t h = begin; h < end; h++) zero_row(a, x + h * a.x_h);
      for (ptrdiff_t oh = apart ? band : 0; oh < (apart ? band + 1 : a.oh); oh++) {
        if (a.taps) add_taps(a, n, oh, x, begin, end);
        else add_row(a, n, oh, x, begin, end);
      }
    }
  }

  static void zero_row(const Pool2d& a, T* x) noexcept {
    ptrdiff_t count = a.x_w == a.c ? a.iw * a.c : a.c;
    for (ptrdiff_t w = 0; w < (a.x_w == a.c ? 1 : a.iw); w++, x += a.x_w) {
      ptrdiff_t i = 0;
      for (; i + L <= count; i += L) store<T>(x + i, vec<T>{});
      if (i < count) store_n<T>(x + i, vec<T>{}, count - i);
    }
  }

  static void add_row(const Pool2d& a, ptrdiff_t n, ptrdiff_t oh, T* x, ptrdiff_t begin, ptrdiff_t end) noexcept {
    const int64_t* indices = a.indices + n * a.indices_n + oh * a.indices_h;  // [ow, c]
    const T* dy = static_cast<const T*>(a.y) + n * a.y_n + oh * a.y_h;        // [ow, c]
    uint64_t first = uint64_t(begin * a.iw), places = uint64_t((end - begin) * a.iw);
    ptrdiff_t channels = a.c, out_w = a.ow, x_w = a.x_w, y_w = a.y_w, y_c = a.y_c, i_w = a.indices_w, i_c = a.indices_c;
    for (ptrdiff_t ow = 0; ow < out_w; ow++)
      for (ptrdiff_t c = 0; c < channels; c++) {
        int64_t place = indices[ow * i_w + c * i_c];
        if (uint64_t(place) - first >= places) continue;  // a window of padding alone has index -1
        x[place * x_w + c] += dy[ow * y_w + c * y_c];
      }
  }

  // The same by taps. How far each lies from the window's corner is a table: dividing would cost more than all else.
  static void add_taps(const Pool2d& a, ptrdiff_t n, ptrdiff_t oh, T* x, ptrdiff_t begin, ptrdiff_t end) noexcept {
    ptrdiff_t down[no_tap + 1], right[no_tap + 1];
    for (ptrdiff_t kh = 0, tap = 0; kh < a.kernel_h; kh++)
      for (ptrdiff_t kw = 0; kw < a.kernel_w; kw++, tap++)
        down[tap] = kh * a.dilation_h, right[tap] = kw * a.dilation_w;
    for (ptrdiff_t tap = a.kernel_h * a.kernel_w; tap <= no_tap; tap++) down[tap] = right[tap] = a.ih + a.pad_h;
    const uint8_t* taps = a.taps + n * a.indices_n + oh * a.indices_h;  // [ow, c]
    const T* dy = static_cast<const T*>(a.y) + n * a.y_n + oh * a.y_h;  // [ow, c]
    ptrdiff_t channels = a.c, out_w = a.ow, x_w = a.x_w, y_w = a.y_w, y_c = a.y_c, i_w = a.indices_w, i_c = a.indices_c;
    ptrdiff_t first = oh * a.stride_h - a.pad_h, size = a.iw;
    for (ptrdiff_t ow = 0; ow < out_w; ow++)
      for (ptrdiff_t c = 0; c < channels; c++) {
        uint8_t tap = taps[ow * i_w + c * i_c];
        ptrdiff_t ih = first + down[tap], iw = ow * a.stride_w - a.pad_w + right[tap];
        if (ih < begin || ih >= end || iw < 0 || iw >= size) continue;
        x[(ih * size + iw) * x_w + c] += dy[ow * y_w + c * y_c];
      }
  }
};
