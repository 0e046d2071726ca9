// Volumes of few channels as images: the taps in depth of all input channels, side by side, are an image's channels.
// What the rungs `depth` of conv3d and of its backward pass to the weights share.
#pragma once
#include "../../simd/interleave.h"
#include "planes.h"

template <class T>
struct Unfold {
  static constexpr int L = lanes<T>;
  static constexpr ptrdiff_t most = 24;                // channels of an image
  static constexpr ptrdiff_t chunk_bytes = 256 << 10;  // of copied planes: a part of an L2, where y goes as well

  static const char* supports(const Conv3d& a) {
    if (a.groups != 1) return "wants one group";
    if (a.ic != 1 && a.kd != 1 && a.w_i != a.kd * a.w_d)
      return "wants a filter's taps in depth behind each other (w_i = kd * w_d)";
    return nullptr;
  }
  static const char* declines(const Conv3d& a) {
    if (a.pad_d > 0 && a.precision >= Exact)
      return "multiplies by the zeros of padding; the precision setting is \"exact\"";
    if (a.kh * a.kw == 1) return "a kernel of depth alone is an image as it is";
    return a.ic * a.kd > most ? "wants few input channels: the others' sums are long enough" : nullptr;
  }

  // Images of `count` planes of y, for arrays that are still to be named.
  static Conv2d image(const Conv3d& a, ptrdiff_t count) {
    Conv2d p = plane_of<T>(a, 0);
    p.n = count, p.precision = a.precision;
    p.ic = a.ic * a.kd, p.w_i = a.kd == 1 ? a.w_i : a.w_d;  // channel c's tap kd is channel c * kd + tap
    p.x_c = 1, p.x_w = p.ic, p.x_h = a.iw * p.ic, p.x_n = a.ih * p.x_h;
    p.y_n = a.y_d;
    return p;
  }

  static ptrdiff_t plane_size(const Conv3d& a) { return a.ih * a.iw * a.ic * a.kd; }
  // Planes of y copied together.
  static ptrdiff_t chunk(const Conv3d& a) {
    ptrdiff_t fit = chunk_bytes / (plane_size(a) * ptrdiff_t(sizeof(T)) + 1);
    return fit < 1 ? 1 : fit > a.od ? a.od : fit;
  }

  // What plane od of sample n sees.
  static void copy(const Conv3d& a, ptrdiff_t n, ptrdiff_t od, T* to) noexcept {
    bool touching = a.x_w == a.ic && (a.ic == 1 || a.x_c == 1);
    bool copied = touching && with_taps<7>(a, [&]<int N>() { rows<N>(a, n, od, to); });
    if (!copied) numbers(a, n, od, to);
  }

  template <int N, class F>
  static bool with_taps(const Conv3d& a, F f) {
    if constexpr (N < 1) return false;
    else if (a.kd == N) return f.template operator()<N>(), true;
    else return with_taps<N - 1>(a, f);
  }

  // The plane that tap kd sees, or null: padding.
  static const T* seen(const Conv3d& a, ptrdiff_t n, ptrdiff_t od, ptrdiff_t kd) {
    ptrdiff_t id = od * a.stride_d - a.pad_d + kd * a.dilation_d;
    return id < 0 || id >= a.id ? nullptr : static_cast<const T*>(a.x) + n * a.x_n + id * a.x_d;
  }

  // Rows without gaps: N of them, a vector of each at a time.
  template <int N>
  static void rows(const Conv3d& a, ptrdiff_t n, ptrdiff_t od, T* to) noexcept {
    const T* plane[N];
    UNROLL for (int kd = 0; kd < N; kd++) plane[kd] = seen(a, n, od, kd);
    bool whole = a.x_h == a.iw * a.ic;
    ptrdiff_t lines = whole ? 1 : a.ih, line = whole ? a.ih * a.iw * a.ic : a.iw * a.ic;
    for (ptrdiff_t r = 0; r < lines; r++, to += line * N)
      for (ptrdiff_t i = 0; i < line; i += L) {
        ptrdiff_t some = line - i < L ? line - i : L;
        vec<T> in[N], out[N];
        UNROLL for (int kd = 0; kd < N; kd++) {
          const T* from = plane[kd] ? plane[kd] + r * a.x_h + i : nullptr;
          in[kd] = !from ? vec<T>{} : some == L ? load<T>(from) : load_n<T>(from, some);
        }
        interleave<T, N>(in, out);
        UNROLL for (int v = 0; v < N; v++) {
          ptrdiff_t left = some * N - v * L;
          if (left >= L) store<T>(to + i * N + v * L, out[v]);
          else if (left > 0) store_n<T>(to + i * N + v * L, out[v], left);
        }
      }
  }

  static void numbers(const Conv3d& a, ptrdiff_t n, ptrdiff_t od, T* to) noexcept {
    ptrdiff_t channels = a.ic * a.kd;
    for (ptrdiff_t kd = 0; kd < a.kd; kd++) {
      const T* plane = seen(a, n, od, kd);
      for (ptrdiff_t c = 0; c < a.ic; c++)
        for (ptrdiff_t ih = 0; ih < a.ih; ih++) {
          T* out = to + ih * a.iw * channels + c * a.kd + kd;
          const T* x = plane ? plane + ih * a.x_h + c * a.x_c : nullptr;
          for (ptrdiff_t iw = 0; iw < a.iw; iw++, out += channels) *out = x ? x[iw * a.x_w] : T(0);
        }
    }
  }
};
