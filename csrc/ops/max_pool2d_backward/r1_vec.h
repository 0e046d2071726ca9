// Idea:  row by row of dx: every window that covers a row asks each of its columns "are you the largest?" and adds its
//        gradient there, a vector of neighbouring channels at a time.
// Since: r0_naive: lanes over channels; a gather in height (any row can be anybody's share), a scatter in width.
// Why:   a scatter to the indices cannot use vectors, since lanes go to different places; comparing the index with each
//        place of the window can, and the row being added to stays in L1.
// Price: every element of a window is looked at, kernel_h * kernel_w for each gradient. An index outside its own
//        window, which max_pool2d never writes, finds nobody.
#pragma once
#include "../max_pool2d/taps.h"

template <class T>
struct max_pool2d_backward_r1_vec : Plain<Pool2d> {
  static constexpr int L = lanes<T>;
  using Places = typename vec_of<int32_t, L>::type;
  using WidePlaces = typename vec_of<int64_t, L>::type;

  static const char* supports(const Pool2d& a) {
    if (a.x_c != 1 || a.y_c != 1 || a.indices_c != 1) return "needs channels-last arrays (x_c = y_c = indices_c = 1)";
    if (a.ih * a.iw > INT32_MAX) return "needs fewer than 2^31 elements in a plane";
    return nullptr;
  }

  static void run(const Pool2d& a, const Team& team) noexcept {
    if (a.taps) rows(a, a.taps, team);
    else rows(a, a.indices, team);
  }

  // Place: int64_t for indices, uint8_t for taps.
  template <class Place>
  static void rows(const Pool2d& a, const Place* places, const Team& team) noexcept {
    Range rows = share(a.n * a.ih, team);
    for (ptrdiff_t i = rows.begin; i < rows.end; i++) {
      ptrdiff_t n = i / a.ih, ih = i % a.ih;
      T* x = static_cast<T*>(a.x) + n * a.x_n + ih * a.x_h;  // [iw, c]
      // Windows oh that may hold row ih: oh * stride - pad <= ih <= oh * stride - pad + reach.
      ptrdiff_t top = ih + a.pad_h, reach = (a.kernel_h - 1) * a.dilation_h;
      Range oh = {top < reach ? 0 : (top - reach + a.stride_h - 1) / a.stride_h, top / a.stride_h + 1};
      if (oh.end > a.oh) oh.end = a.oh;
      ptrdiff_t c = 0;
      for (; c + L <= a.c; c += L) channels(a, places, n, ih, oh, c, x + c);
      if (c < a.c) rest(a, places, n, ih, oh, c, x);
    }
  }

  // What the places of row ih are counted from in the windows of row h: places - base is the column for indices, and
  // for taps the tap within its row. False if dilation leaves the window's taps beside the row.
  template <class Place>
  static bool base(const Pool2d& a, ptrdiff_t ih, ptrdiff_t h, ptrdiff_t& out) noexcept {
    if constexpr (sizeof(Place) == 8) {
      out = ih * a.iw;
      return true;
    } else {
      ptrdiff_t down = ih + a.pad_h - h * a.stride_h;
      out = down / a.dilation_h * a.kernel_w;
      return down % a.dilation_h == 0;
    }
  }

  // One row of dx for L channels from c.
  template <class Place>
  static void channels(const Pool2d& a, const Place* all_places, ptrdiff_t n, ptrdiff_t ih, Range oh, ptrdiff_t c,
                       T* x) noexcept {
    // Copies in locals: for all that the compiler knows, storing a vector could change the struct.
    ptrdiff_t size = a.iw, out_w = a.ow, x_w = a.x_w, y_w = a.y_w, places_w = a.indices_w, stride = a.stride_w;
    ptrdiff_t taps = a.kernel_w, pad = a.pad_w, dilation = a.dilation_w, row;
    for (ptrdiff_t iw = 0; iw < size; iw++) store<T>(x + iw * x_w, vec<T>{});
    for (ptrdiff_t h = oh.begin; h < oh.end; h++) {
      if (!base<Place>(a, ih, h, row)) continue;
      const Place* places = all_places + n * a.indices_n + h * a.indices_h + c;  // [ow, L]
      const T* y = static_cast<const T*>(a.y) + n * a.y_n + h * a.y_h + c;       // [ow, L]
      for (ptrdiff_t ow = 0; ow < out_w; ow++) {
        Places column = load_places(places + ow * places_w) - int32_t(row);
        vec<T> dy = load<T>(y + ow * y_w);
        ptrdiff_t iw = ow * stride - pad;
        for (ptrdiff_t kw = 0; kw < taps; kw++, iw += dilation) {
          if (iw < 0 || iw >= size) continue;
          T* out = x + iw * x_w;
          int32_t here = int32_t(sizeof(Place) == 8 ? iw : kw);
          store<T>(out, load<T>(out) + (column == here ? dy : vec<T>{}));
        }
      }
    }
  }

  // The channels that do not fill a vector: straight to the place that the index names, if it is in this row. A choice
  // of what to add instead of a branch, which would be mispredicted half of the time. (Part of a vector would do as
  // well, but a load that meets a masked store of its neighbour waits for it: four times slower with 6 channels.)
  template <class Place>
  static void rest(const Pool2d& a, const Place* all_places, ptrdiff_t n, ptrdiff_t ih, Range oh, ptrdiff_t first,
                   T* x) noexcept {
    ptrdiff_t row;
    for (ptrdiff_t iw = 0; iw < a.iw; iw++) store_n<T>(x + iw * a.x_w + first, vec<T>{}, a.c - first);
    for (ptrdiff_t h = oh.begin; h < oh.end; h++) {
      if (!base<Place>(a, ih, h, row)) continue;
      for (ptrdiff_t ow = 0; ow < a.ow; ow++) {
        const Place* places = all_places + n * a.indices_n + h * a.indices_h + ow * a.indices_w;  // [c]
        const T* y = static_cast<const T*>(a.y) + n * a.y_n + h * a.y_h + ow * a.y_w;             // [c]
        for (ptrdiff_t c = first; c < a.c; c++) {
          ptrdiff_t iw = ptrdiff_t(places[c]) - row;
          bool here = true;
          if constexpr (sizeof(Place) == 1) {
            here = iw >= 0 && iw < a.kernel_w;
            iw = ow * a.stride_w - a.pad_w + iw * a.dilation_w;
          }
          here = here && iw >= 0 && iw < a.iw;
          x[(here ? iw : 0) * a.x_w + c] += here ? y[c] : T(0);
        }
      }
    }
  }

  static inline __attribute__((always_inline)) Places load_places(const uint8_t* p) { return load_taps<L>(p); }
  // Of places of 64 bits the lower halves, by two registers: GCC takes a vector too wide for one through the stack.
  static inline __attribute__((always_inline)) Places load_places(const int64_t* p) {
    if constexpr (L >= 4) {
      Places low, high;
      __builtin_memcpy(&low, p, sizeof low);
      __builtin_memcpy(&high, p + L / 2, sizeof high);
      if constexpr (L == 4) return __builtin_shufflevector(low, high, 0, 2, 4, 6);
      else if constexpr (L == 8) return __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14);
      else return __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    } else {
      WidePlaces wide;
      __builtin_memcpy(&wide, p, sizeof wide);
      if constexpr (L == 1) return Places(wide);
      else return __builtin_convertvector(wide, Places);
    }
  }
};
