// Idea:  every pixel of dx asks the windows that it lies in "was I the largest?", all channels before the next pixel;
//        the sum of their answers stays in a register.
// Since: r1_vec added to a row of dx in memory, tap after tap, and each addition waited for the store before it; it
//        went down the whole row for one vector of channels, which is no order that memory is read well in.
// Why:   3x3 with stride 1: 9 compares and 9 additions for a vector of dx, which is written once, in order. Two vectors
//        share the look at where a window's numbers are. 8 images of 112x112x96, Ice Lake: 26.3 and 7.6 ms, with
//        stride 2 10.3 and 2.7.
// Price: a list of the windows for each pixel: with few channels it costs more than the sums.
#pragma once

template <class T>
struct max_pool2d_backward_r4_gather : Plain<Pool2d> {
  static constexpr int L = lanes<T>;
  static constexpr ptrdiff_t most = 64;  // windows over a pixel
  using Before = max_pool2d_backward_r1_vec<T>;
  using Places = typename Before::Places;

  // Windows that an element may lie in, along an axis.
  static ptrdiff_t windows(ptrdiff_t kernel, ptrdiff_t dilation, ptrdiff_t stride) {
    return ((kernel - 1) * dilation + stride) / stride;
  }

  static const char* supports(const Pool2d& a) {
    if (const char* reason = Before::supports(a)) return reason;
    if (a.c < L) return "wants a vector full of channels";
    ptrdiff_t down = windows(a.kernel_h, a.dilation_h, a.stride_h);
    if (down * windows(a.kernel_w, a.dilation_w, a.stride_w) > most) return "more than 64 windows over an element";
    return nullptr;
  }
  static const char* declines(const Pool2d& a) {
    if (a.c == L) return "with one vector of channels the list of windows costs more than the sums";
    return max_pool2d_backward_r3_apart<T>::supports(a) ? nullptr
                                                        : "apart reads nothing to find an element's one window";
  }

  static void run(const Pool2d& a, const Team& team) noexcept {
    if (a.taps) rows(a, a.taps, team);
    else rows(a, a.indices, team);
  }

  // A window over a pixel: its numbers of all channels, and what its place must be to name the pixel.
  template <class Place>
  struct Window {
    const Place* places;
    const T* dy;
    int32_t here;
  };

  // The outputs o whose window holds input i, and which tap it is there: calls each(o, tap).
  template <class F>
  static inline __attribute__((always_inline)) void over(ptrdiff_t i, ptrdiff_t out, ptrdiff_t kernel, ptrdiff_t stride,
                                                         ptrdiff_t pad, ptrdiff_t dilation, F each) {
    ptrdiff_t top = i + pad, reach = (kernel - 1) * dilation;
    ptrdiff_t begin = top < reach ? 0 : quotient(top - reach + stride - 1, stride), end = quotient(top, stride) + 1;
    for (ptrdiff_t o = begin; o < (end < out ? end : out); o++) {
      ptrdiff_t way = top - o * stride, tap = dilation == 1 ? way : way / dilation;
      if (tap * dilation == way) each(o, tap);
    }
  }
  // A division takes as long as a vector of dx.
  static ptrdiff_t quotient(ptrdiff_t a, ptrdiff_t b) { return b == 1 ? a : b == 2 ? a >> 1 : a / b; }

  // Place: int64_t for indices, uint8_t for taps.
  template <class Place>
  static void rows(const Pool2d& given, const Place* all_places, const Team& team) noexcept {
    const Pool2d a = given;  // or all of it would be read again after every store
    bool past =
        L * sizeof(T) == 64 && goes_past<T>(a.x, a.y, a.x_n | a.x_h | a.x_w, a.n * a.ih * a.iw * a.c * sizeof(T));
    Window<Place> row[most], list[most];  // rows of windows over a row of dx, windows over a pixel
    Range rows = share(a.n * a.ih, team);
    for (ptrdiff_t item = rows.begin; item < rows.end; item++) {
      ptrdiff_t n = item / a.ih, ih = item % a.ih, height = 0;
      const Place* places = all_places + n * a.indices_n;    // [oh, ow, c]
      const T* dy = static_cast<const T*>(a.y) + n * a.y_n;  // [oh, ow, c]
      T* x = static_cast<T*>(a.x) + n * a.x_n + ih * a.x_h;  // [iw, c]
      over(ih, a.oh, a.kernel_h, a.stride_h, a.pad_h, a.dilation_h, [&](ptrdiff_t oh, ptrdiff_t kh) {
        ptrdiff_t here = sizeof(Place) == 1 ? kh * a.kernel_w : ih * a.iw;
        row[height++] = {places + oh * a.indices_h, dy + oh * a.y_h, int32_t(here)};
      });
      for (ptrdiff_t iw = 0; iw < a.iw; iw++, x += a.x_w) {
        ptrdiff_t count = 0;
        over(iw, a.ow, a.kernel_w, a.stride_w, a.pad_w, a.dilation_w, [&](ptrdiff_t ow, ptrdiff_t kw) {
          int32_t here = int32_t(sizeof(Place) == 1 ? kw : iw);
          for (ptrdiff_t k = 0; k < height; k++)
            list[count++] = {row[k].places + ow * a.indices_w, row[k].dy + ow * a.y_w, row[k].here + here};
        });
        ptrdiff_t c = 0;
        for (; c + 2 * L <= a.c; c += 2 * L) channels<2>(list, count, c, x, past);
        for (; c < a.c; c += L) channels<1>(list, count, c + L <= a.c ? c : a.c - L, x, past && c + L <= a.c);
      }
    }
    if (past) stream_end();
  }

  // V vectors of channels from c on. The last one of a pixel overlaps its neighbour rather than being short.
  template <int V, class Place>
  static inline __attribute__((always_inline)) void channels(const Window<Place>* list, ptrdiff_t count, ptrdiff_t c,
                                                             T* x, bool past) {
    vec<T> sum[V] = {};
    for (ptrdiff_t k = 0; k < count; k++) UNROLL for (int v = 0; v < V; v++) {
        ptrdiff_t at = c + v * L;
        Places place = Before::load_places(list[k].places + at);
        sum[v] += place == list[k].here ? load<T>(list[k].dy + at) : vec<T>{};
      }
    UNROLL for (int v = 0; v < V; v++) put<T>(x + c + v * L, sum[v], past);
  }
};
