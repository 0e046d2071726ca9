// Idea:  where windows do not overlap, an element of dx belongs to one of them at most: walk a row of dx from left to
//        right and write what it gets, the gradient or zero, once.
// Since: r1_vec and r2_scatter write zeros first and then add; with few channels r2_scatter goes number by number.
// Why:   one store for each vector of dx and nothing read back. With few channels a vector holds the pixels of a whole
//        row of a window: gradients and places are spread over its lanes by a shuffle.
// Price: windows apart from each other only, dilation 1, the pixels of a row side by side.
#pragma once

template <class T>
struct max_pool2d_backward_r3_apart : Plain<Pool2d> {
  static constexpr int L = lanes<T>;
  using Before = max_pool2d_backward_r1_vec<T>;

  static const char* supports(const Pool2d& a) {
    if (const char* reason = Before::supports(a)) return reason;
    if (a.dilation_h != 1 || a.dilation_w != 1) return "knows no dilation";
    if (a.oh > 1 && a.stride_h < a.kernel_h) return "windows overlap";
    if (a.ow > 1 && a.stride_w < a.kernel_w) return "windows overlap";
    return a.iw > 1 && a.x_w != a.c ? "needs the pixels of a row of dx side by side" : nullptr;
  }

  static void run(const Pool2d& a, const Team& team) noexcept {
    if (a.taps) rows(a, a.taps, team);
    else rows(a, a.indices, team);
  }

  // Place: int64_t for indices, uint8_t for taps.
  template <class Place>
  static void rows(const Pool2d& a, const Place* places, const Team& team) noexcept {
    const Spread spread(a);
    Range rows = share(a.n * a.ih, team);
    for (ptrdiff_t i = rows.begin; i < rows.end; i++) {
      ptrdiff_t n = i / a.ih, ih = i % a.ih, oh = a.oh > 1 ? (ih + a.pad_h) / a.stride_h : 0, base;
      ptrdiff_t kh = ih + a.pad_h - oh * a.stride_h;
      T* x = static_cast<T*>(a.x) + n * a.x_n + ih * a.x_h;  // [iw, c]
      if (oh >= a.oh || kh >= a.kernel_h) {
        zero(x, 0, a.iw * a.c);
        continue;
      }
      Before::template base<Place>(a, ih, oh, base);
      row(a, spread, static_cast<const T*>(a.y) + n * a.y_n + oh * a.y_h, places + n * a.indices_n + oh * a.indices_h,
          base, x);
    }
  }

  static void zero(T* x, ptrdiff_t i, ptrdiff_t end) noexcept {
    for (; i + L <= end; i += L) store<T>(x + i, vec<T>{});
    if (i < end) store_n<T>(x + i, vec<T>{}, end - i);
  }

  // Few channels: what a row of a window gets, kernel_w pixels side by side, is one or two vectors. Lane j belongs to
  // channel j % c and tap j / c. The last lanes may lie beyond the window: what comes after it is written later.
  struct Spread {
    int vectors = 0;  // 0: windows are done one tap after the other
    typename Before::Places channel[2] = {}, tap[2] = {};
    ptrdiff_t begin = 0, end = 0;           // windows that lie within the row
    ptrdiff_t y_last = 0, places_last = 0;  // where the last vector that can be read begins

    explicit Spread(const Pool2d& a) {
      ptrdiff_t width = a.kernel_w * a.c;
      if (L == 1 || a.c >= L || width > 2 * L || a.y_w < a.c || a.indices_w < a.c) return;
      int v = width > L ? 2 : 1;
      begin = (a.pad_w + a.stride_w - 1) / a.stride_w, end = (a.iw + a.pad_w - a.kernel_w) / a.stride_w + 1;
      if (end > a.ow) end = a.ow;
      y_last = (a.ow - 1) * a.y_w + a.c - L, places_last = (a.ow - 1) * a.indices_w + a.c - L;
      if (end <= begin || y_last < 0 || places_last < 0) return;
      vectors = v;
      int32_t c = 0, kw = 0;
      for (int j = 0; j < v * L; j++) {
        set(channel[j / L], j % L, c), set(tap[j / L], j % L, kw);
        if (++c == a.c) c = 0, kw++;
      }
    }
    static void set(typename Before::Places& places, int lane, int32_t value) {
      if constexpr (L > 1) places[lane] = value;
    }
  };

  // One row of dx. `base`: what places are counted from (r1_vec.h).
  template <class Place>
  static void row(const Pool2d& a, const Spread& spread, const T* y, const Place* places, ptrdiff_t base,
                  T* x) noexcept {
    ptrdiff_t at = 0, ow = 0;
    if constexpr (L > 1) {
      if (spread.vectors) {
        for (; ow < spread.begin; ow++) window(a, ow, y, places, base, x, at);
        if (spread.vectors == 1) spread_row<1>(a, spread, y, places, base, x, at);
        else spread_row<2>(a, spread, y, places, base, x, at);
        ow = spread.end;
      }
    }
    for (; ow < a.ow; ow++) window(a, ow, y, places, base, x, at);
    zero(x, at, a.iw * a.c);
  }

  template <int V, class Place>
  static void spread_row(const Pool2d& a, const Spread& spread, const T* y, const Place* places, ptrdiff_t base, T* x,
                         ptrdiff_t& at) noexcept {
    ptrdiff_t step = a.stride_w * a.c, to = spread.begin * step - a.pad_w * a.c;
    ptrdiff_t gap = (a.stride_w - a.kernel_w) * a.c, y_w = a.y_w, places_w = a.indices_w, stride = a.stride_w;
    ptrdiff_t row_end = a.iw * a.c;
    // Of indices the column in the window is asked for, of taps the tap in its row.
    int32_t first = int32_t(base + (sizeof(Place) == 8 ? spread.begin * stride - a.pad_w : 0));
    if (to > at) zero(x, at, to);
    for (ptrdiff_t ow = spread.begin; ow < spread.end; ow++, to += step) {
      // At the end of the row the last vector of it, its lanes moved down by as many as it begins too early.
      ptrdiff_t y_at = ow * y_w, places_at = ow * places_w, early = 0, places_early = 0;
      if (y_at > spread.y_last) early = y_at - spread.y_last, y_at = spread.y_last;
      if (places_at > spread.places_last) places_early = places_at - spread.places_last, places_at = spread.places_last;
      vec<T> dy = load<T>(y + y_at);
      auto place = Before::load_places(places + places_at) - first;
      for (int v = 0; v < V; v++) {
        vec<T> all = __builtin_shuffle(dy, spread.channel[v] + int32_t(early));
        auto asked = __builtin_shuffle(place, spread.channel[v] + int32_t(places_early));
        vec<T> dx = asked == spread.tap[v] ? all : vec<T>{};
        ptrdiff_t room = row_end - to - v * L;
        if (room >= L) store<T>(x + to + v * L, dx);
        else if (room > 0) store_n<T>(x + to + v * L, dx, room);
      }
      if (gap) zero(x, to + step - gap, to + step < row_end ? to + step : row_end);
      if constexpr (sizeof(Place) == 8) first += int32_t(stride);
    }
    at = to - gap < row_end ? to - gap : row_end;
  }

  // One window, cut to the row, L channels at a time.
  template <class Place>
  static void window(const Pool2d& a, ptrdiff_t ow, const T* y, const Place* places, ptrdiff_t base, T* x,
                     ptrdiff_t& at) noexcept {
    ptrdiff_t iw = ow * a.stride_w - a.pad_w, first = iw < 0 ? -iw : 0, channels = a.c;
    ptrdiff_t taps = a.kernel_w < a.iw - iw ? a.kernel_w : a.iw - iw;
    if (iw * channels > at) zero(x, at, iw * channels);  // between two windows
    y += ow * a.y_w, places += ow * a.indices_w;
    for (ptrdiff_t c = 0; c < channels; c += L) {
      ptrdiff_t some = channels - c < L ? channels - c : L;
      vec<T> dy = some == L ? load<T>(y + c) : load_n<T>(y + c, some);
      auto place = load_some(places + c, some) - int32_t(base);
      for (ptrdiff_t kw = first; kw < taps; kw++) {
        int32_t here = int32_t(sizeof(Place) == 8 ? iw + kw : kw);
        vec<T> dx = place == here ? dy : vec<T>{};
        T* to = x + (iw + kw) * channels + c;
        if (some == L) store<T>(to, dx);
        else store_n<T>(to, dx, some);
      }
    }
    if (taps > 0) at = (iw + taps) * channels;
  }

  template <class Place>
  static inline __attribute__((always_inline)) typename Before::Places load_some(const Place* p, ptrdiff_t n) {
    if (n == L) return Before::load_places(p);
    Place lane[L] = {};
    for (ptrdiff_t i = 0; i < n; i++) lane[i] = p[i];
    return Before::load_places(lane);
  }
};
