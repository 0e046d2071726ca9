// Idea:  one vector of neighbouring channels; "is it larger?" becomes a mask, and the mask selects value and place.
// Since: r0_naive: lanes over channels, the window cut to the image before the loops instead of tested inside them.
// Why:   the branch on data goes away, and a load brings a whole vector of channels.
// Price: x and y must have their channels side by side; a plane must have fewer than 2^31 elements.
#pragma once

template <class T>
struct max_pool2d_r1_vec : Plain<Pool2d> {
  // Places are as wide as a vec<T> while the window is walked, so that one mask selects values and places.
  using Places = typename vec_of<int32_t, lanes<T>>::type;
  using WidePlaces = typename vec_of<int64_t, lanes<T>>::type;

  static const char* supports(const Pool2d& a) {
    if (a.x_c != 1 || a.y_c != 1) return "needs channels-last arrays (x_c = y_c = 1)";
    if (a.ih * a.iw > INT32_MAX) return "needs fewer than 2^31 elements in a plane";
    return nullptr;
  }

  // Taps k in [0, kernel) with 0 <= start + k * dilation < size.
  static Range inside(ptrdiff_t start, ptrdiff_t kernel, ptrdiff_t dilation, ptrdiff_t size) {
    auto taps = [=](ptrdiff_t way) { return dilation == 1 ? way : (way + dilation - 1) / dilation; };
    ptrdiff_t begin = start < 0 ? taps(-start) : 0, end = start < size ? taps(size - start) : 0;
    return {begin, end < kernel ? end : kernel};
  }

  static void run(const Pool2d& a, const Team& team) noexcept {
    constexpr int L = lanes<T>;
    // Channels that fill a part of a vector: where pixels touch, a whole one is done, and what it writes of the
    // neighbours to the right is written again by them; but not beyond the row, which may be another member's.
    ptrdiff_t spill = (L - a.c % L) % L, last_x = a.iw * a.c - spill, last_y = a.ow * a.c - spill;
    if (a.x_w != a.c || a.y_w != a.c || a.indices_w != a.c || a.indices_c != 1) last_x = last_y = 0;
    Range rows = share(a.n * a.oh, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / a.oh, oh = row % a.oh, ih0 = oh * a.stride_h - a.pad_h;
      Range kh = inside(ih0, a.kernel_h, a.dilation_h, a.ih);
      for (ptrdiff_t ow = 0; ow < a.ow; ow++) {
        ptrdiff_t iw0 = ow * a.stride_w - a.pad_w;
        Range kw = inside(iw0, a.kernel_w, a.dilation_w, a.iw);
        const T* x = static_cast<const T*>(a.x) + n * a.x_n;                // [ih, iw, c]
        T* y = static_cast<T*>(a.y) + n * a.y_n + oh * a.y_h + ow * a.y_w;  // [c]
        ptrdiff_t place_0 = n * a.indices_n + oh * a.indices_h + ow * a.indices_w;
        ptrdiff_t c = 0;
        if (!a.indices) {
          largest(a, x + ih0 * a.x_h + iw0 * a.x_w, y, kh, kw);
          continue;
        }
        ptrdiff_t whole = a.c;
        if ((ow + 1) * a.c <= last_y && (iw0 + (a.kernel_w - 1) * a.dilation_w + 1) * a.c <= last_x) whole += spill;
        for (; c + L <= whole; c += L) {
          auto load_x = [](const T* p) { return load<T>(p); };
          Places places;
          store<T>(y + c, window(a, x + c, ih0, iw0, kh, kw, load_x, places));
          store_places(a, place_0 + c * a.indices_c, places, L);
        }
        if (c < a.c) {
          auto load_x = [n = a.c - c](const T* p) { return load_n<T>(p, n); };
          Places places;
          store_n<T>(y + c, window(a, x + c, ih0, iw0, kh, kw, load_x, places), a.c - c);
          store_places(a, place_0 + c * a.indices_c, places, a.c - c);
        }
      }
    }
  }

  // All channels of one output if nobody asks for places; x is where tap (0, 0) lies.
  static inline __attribute__((always_inline)) void largest(const Pool2d& a, const T* x, T* y, Range kh,
                                                            Range kw) noexcept {
    constexpr int L = lanes<T>;
    ptrdiff_t down = a.dilation_h * a.x_h, right = a.dilation_w * a.x_w;
    auto window = [=](ptrdiff_t c, auto load_x) __attribute__((always_inline)) {
      vec<T> best = broadcast<T>(-__builtin_inff());
      for (ptrdiff_t h = kh.begin; h < kh.end; h++)
        for (ptrdiff_t w = kw.begin; w < kw.end; w++) {
          vec<T> value = load_x(x + h * down + w * right + c);
          best = (value > best) | (value != value) ? value : best;
        }
      return best;
    };
    ptrdiff_t c = 0;
    for (; c + L <= a.c; c += L)
      store<T>(y + c, window(c, [](const T* p) __attribute__((always_inline)) { return load<T>(p); }));
    if (c < a.c)
      store_n<T>(y + c, window(c, [n = a.c - c](const T* p) __attribute__((always_inline)) { return load_n<T>(p, n); }),
                 a.c - c);
  }

  // The largest elements of the window, and where they are.
  template <class Load>
  static inline __attribute__((always_inline)) vec<T> window(const Pool2d& a, const T* x, ptrdiff_t ih0, ptrdiff_t iw0,
                                                             Range kh, Range kw, Load load_x, Places& places) {
    vec<T> best = broadcast<T>(-__builtin_inff());
    bool empty = kh.begin >= kh.end || kw.begin >= kw.end;
    // If all is -inf nothing is larger than `best`, and the first tap is the place.
    ptrdiff_t first = (ih0 + kh.begin * a.dilation_h) * a.iw + iw0 + kw.begin * a.dilation_w;
    places = Places{} + int32_t(empty ? -1 : first);
    for (ptrdiff_t h = kh.begin; h < kh.end; h++)
      for (ptrdiff_t w = kw.begin; w < kw.end; w++) {
        ptrdiff_t ih = ih0 + h * a.dilation_h, iw = iw0 + w * a.dilation_w;
        vec<T> value = load_x(x + ih * a.x_h + iw * a.x_w);
        auto wins = (value > best) | (value != value);  // the second: NaN
        best = wins ? value : best;
        places = wins ? Places{} + int32_t(ih * a.iw + iw) : places;
      }
    return best;
  }

  static void store_places(const Pool2d& a, ptrdiff_t at, Places places, ptrdiff_t count) {
    WidePlaces wide;
    if constexpr (lanes<T> == 1) wide = places;
    else wide = __builtin_convertvector(places, WidePlaces);
    int64_t list[lanes<T>];
    __builtin_memcpy(list, &wide, sizeof list);
    if (a.indices_c == 1 && count == lanes<T>) __builtin_memcpy(a.indices + at, list, sizeof list);
    else
      for (ptrdiff_t i = 0; i < count; i++) a.indices[at + i * a.indices_c] = list[i];
  }
};
