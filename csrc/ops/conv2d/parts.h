// Small parts that several rungs of conv2d use.
#pragma once
#include "filters.h"

// ceil(a / b), or 0 if a <= 0. Most strides are 1, and a division takes as long as a dozen vector instructions.
inline ptrdiff_t ceil_div(ptrdiff_t a, ptrdiff_t b) { return a <= 0 ? 0 : b == 1 ? a : (a - 1) / b + 1; }

// Which taps of the kernel lie inside the image, for one axis: the taps k in [begin, end) are those with
// 0 <= start + k * dilation < size, where `start` is where tap 0 lies.
inline Range window(ptrdiff_t start, ptrdiff_t size, ptrdiff_t kernel, ptrdiff_t dilation) {
  ptrdiff_t end = ceil_div(size - start, dilation);
  if (end > kernel) end = kernel;
  ptrdiff_t begin = ceil_div(-start, dilation);
  return {begin < end ? begin : end, end};
}

// One vector to or from n channels that lie `stride` apart (n <= 0: none). Channels-last, stride 1, is one instruction.
template <class T>
inline void store_channels(T* y, ptrdiff_t stride, vec<T> v, ptrdiff_t n) {
  if (stride == 1 && n >= lanes<T>) store<T>(y, v);
  else if (stride == 1 && n > 0) store_n<T>(y, v, n);
  else
    for (int i = 0; i < lanes<T> && i < n; i++) y[i * stride] = get_lane<T>(v, i);
}

template <class T>
inline vec<T> load_channels(const T* y, ptrdiff_t stride, ptrdiff_t n) {
  if (stride == 1 && n >= lanes<T>) return load<T>(y);
  if (stride == 1 && n > 0) return load_n<T>(y, n);
  T lane[lanes<T>] = {};
  for (int i = 0; i < lanes<T> && i < n; i++) lane[i] = y[i * stride];
  return load<T>(lane);
}
