// Idea:  one vector of neighbouring channels; "is it larger?" becomes a mask, and the mask selects value and place.
// Since: r0_naive: lanes over channels, the window cut to the image before the loops instead of tested inside them.
// Why:   the branch on data goes away, and a load brings a whole vector of channels.
// Price: x and y must have their channels side by side; a plane must have fewer than 2^31 elements.
#pragma once
#include "taps.h"

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

  // A window cut to the image: how many taps, steps from one to the next in x, and the same in places of a plane, or in
  // taps of the whole window.
  struct Taps {
    ptrdiff_t rows, columns, down, right;
    int32_t place, place_down, place_right;
  };

  static void run(const Pool2d& a, const Team& team) noexcept {
    if (a.taps) rows(a, a.taps, team);
    else rows(a, a.indices, team);
  }

  // Place: int64_t for indices, uint8_t for taps.
  template <class Place>
  static void rows(const Pool2d& given, Place* all_places, const Team& team) noexcept {
    constexpr int L = lanes<T>;
    constexpr bool by_tap = sizeof(Place) == 1;
    const Pool2d a = given;  // or all of it would be read again after every store of places, which are integers too
    // Channels that fill a part of a vector: where pixels touch, a whole one is done, and what it writes of the
    // neighbours to the right is written again by them; but not beyond the row, which may be another member's.
    ptrdiff_t spill = (L - a.c % L) % L, last_x = a.iw * a.c - spill, last_y = a.ow * a.c - spill;
    if (a.x_w != a.c || a.y_w != a.c || a.indices_w != a.c || a.indices_c != 1) last_x = last_y = 0;
    Taps taps = {
        0, 0, a.dilation_h * a.x_h, a.dilation_w * a.x_w, 0, int32_t(a.dilation_h * a.iw), int32_t(a.dilation_w)};
    if (by_tap) taps.place_down = int32_t(a.kernel_w), taps.place_right = 1;
    Range rows = share(a.n * a.oh, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / a.oh, oh = row % a.oh, ih0 = oh * a.stride_h - a.pad_h;
      Range kh = inside(ih0, a.kernel_h, a.dilation_h, a.ih);
      taps.rows = kh.end - kh.begin;
      ptrdiff_t first = ih0 + kh.begin * a.dilation_h;
      const T* x_row = static_cast<const T*>(a.x) + n * a.x_n + first * a.x_h;                 // [iw, c]
      T* y = static_cast<T*>(a.y) + n * a.y_n + oh * a.y_h;                                    // [ow, c]
      Place* places = all_places ? all_places + n * a.indices_n + oh * a.indices_h : nullptr;  // [ow, c]
      for (ptrdiff_t ow = 0; ow < a.ow; ow++, y += a.y_w) {
        ptrdiff_t iw0 = ow * a.stride_w - a.pad_w;
        Range kw = inside(iw0, a.kernel_w, a.dilation_w, a.iw);
        ptrdiff_t left = iw0 + kw.begin * a.dilation_w;
        const T* x = x_row + left * a.x_w;
        taps.columns = kw.end - kw.begin;
        if (!places) {
          largest(taps, x, y, a.c);
          continue;
        }
        taps.place = int32_t(by_tap ? kh.begin * a.kernel_w + kw.begin : first * a.iw + left);
        if (taps.rows <= 0 || taps.columns <= 0) taps.place = by_tap ? no_tap : -1;
        ptrdiff_t c = 0, whole = a.c;
        if ((ow + 1) * a.c <= last_y && (iw0 + (a.kernel_w - 1) * a.dilation_w + 1) * a.c <= last_x) whole += spill;
        Places found;
        for (; c + L <= whole; c += L) {
          auto load_x = [](const T* p) { return load<T>(p); };
          store<T>(y + c, window(taps, x + c, load_x, found));
          store_places(places + c * a.indices_c, a.indices_c, found, L);
        }
        if (c < a.c) {
          auto load_x = [n = a.c - c](const T* p) { return load_n<T>(p, n); };
          store_n<T>(y + c, window(taps, x + c, load_x, found), a.c - c);
          store_places(places + c * a.indices_c, a.indices_c, found, a.c - c);
        }
        places += a.indices_w;
      }
    }
  }

  // All channels of one output if nobody asks for places; four vectors together read neighbouring lines of memory.
  static inline __attribute__((always_inline)) void largest(const Taps& t, const T* x, T* y,
                                                            ptrdiff_t channels) noexcept {
    constexpr int L = lanes<T>, panel = 4;
    auto load_x = [](const T* p) __attribute__((always_inline)) { return load<T>(p); };
    ptrdiff_t c = 0;
    for (; c + panel * L <= channels; c += panel * L) {
      vec<T> best[panel];
      largest_of(t, x + c, load_x, best);
      UNROLL for (int v = 0; v < panel; v++) store<T>(y + c + v * L, best[v]);
    }
    vec<T> best[1];
    for (; c + L <= channels; c += L) {
      largest_of(t, x + c, load_x, best);
      store<T>(y + c, best[0]);
    }
    ptrdiff_t some = channels - c;
    if (some <= 0) return;
    largest_of(t, x + c, [some](const T* p) __attribute__((always_inline)) { return load_n<T>(p, some); }, best);
    store_n<T>(y + c, best[0], some);
  }
  template <int V, class Load>
  static inline __attribute__((always_inline)) void largest_of(const Taps& t, const T* x, Load load_x,
                                                               vec<T> (&best)[V]) {
    UNROLL for (int v = 0; v < V; v++) best[v] = broadcast<T>(-__builtin_inff());
    for (ptrdiff_t h = 0; h < t.rows; h++)
      for (ptrdiff_t w = 0; w < t.columns; w++) UNROLL for (int v = 0; v < V; v++) {
          vec<T> value = load_x(x + h * t.down + w * t.right + v * lanes<T>);
          best[v] = (value > best[v]) | (value != value) ? value : best[v];
        }
  }

  // The largest elements of the window, and where they are. If all is -inf nothing is larger than `best`, and the first
  // tap is the place.
  template <class Load>
  static inline __attribute__((always_inline)) vec<T> window(const Taps& t, const T* x, Load load_x, Places& places) {
    if (t.rows == 2 && t.columns == 2) return four(t, x, load_x, places);
    vec<T> best = broadcast<T>(-__builtin_inff());
    places = Places{} + t.place;
    int32_t row = t.place;
    for (ptrdiff_t h = 0; h < t.rows; h++, x += t.down, row += t.place_down) {
      const T* at = x;
      int32_t place = row;
      for (ptrdiff_t w = 0; w < t.columns; w++, at += t.right, place += t.place_right) {
        vec<T> value = load_x(at);
        auto wins = (value > best) | (value != value);  // the second: NaN
        best = wins ? value : best;
        places = wins ? Places{} + place : places;
      }
    }
    return best;
  }

  // The commonest window by two pairs: their comparisons need not wait for each other.
  template <class Load>
  static inline __attribute__((always_inline)) vec<T> four(const Taps& t, const T* x, Load load_x, Places& places) {
    vec<T> a = load_x(x), b = load_x(x + t.right), c = load_x(x + t.down), d = load_x(x + t.down + t.right);
    auto b_wins = (b > a) | (b != b), d_wins = (d > c) | (d != d);
    a = b_wins ? b : a, c = d_wins ? d : c;
    Places right = Places{} + t.place_right, none = Places{};
    Places above = b_wins ? right : none, below = d_wins ? right : none;
    auto wins = (c > a) | (c != c);
    places = (wins ? below + t.place_down : above) + t.place;
    return wins ? c : a;
  }

  static inline __attribute__((always_inline)) void store_places(uint8_t* to, ptrdiff_t step, Places places,
                                                                 ptrdiff_t count) {
    if (step == 1 && count == lanes<T>) return store_taps<lanes<T>>(to, places);
    for (ptrdiff_t i = 0; i < count; i++) to[i * step] = uint8_t(get_place(places, i));
  }
  static inline __attribute__((always_inline)) void store_places(int64_t* to, ptrdiff_t step, Places places,
                                                                 ptrdiff_t count) {
    if (step == 1 && count == lanes<T>) {
      if constexpr (lanes<T> >= 8) {  // by halves: GCC takes a vector too wide for a register through the stack
        store_half<0>(to, places), store_half<lanes<T> / 2>(to + lanes<T> / 2, places);
        return;
      }
      WidePlaces wide;
      if constexpr (lanes<T> == 1) wide = places;
      else wide = __builtin_convertvector(places, WidePlaces);
      __builtin_memcpy(to, &wide, sizeof wide);
      return;
    }
    for (ptrdiff_t i = 0; i < count; i++) to[i * step] = get_place(places, i);
  }
  template <int first>
  static inline __attribute__((always_inline)) void store_half(int64_t* to, Places places) {
    constexpr int f = first;
    using Wide = typename vec_of<int64_t, lanes<T> / 2>::type;
    Wide wide;
    if constexpr (lanes<T> == 16)
      wide = __builtin_convertvector(
          __builtin_shufflevector(places, places, f, f + 1, f + 2, f + 3, f + 4, f + 5, f + 6, f + 7), Wide);
    else wide = __builtin_convertvector(__builtin_shufflevector(places, places, f, f + 1, f + 2, f + 3), Wide);
    __builtin_memcpy(to, &wide, sizeof wide);
  }
  static int64_t get_place(Places places, ptrdiff_t i) {
    if constexpr (lanes<T> == 1) return places;
    else return places[i];
  }
};
