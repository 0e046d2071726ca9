// Sums of squares and factors, for the clipping of gradients (engine/gradients.pyx).
#pragma once
#include "axes.h"

namespace loopnest::loops {
namespace {

// Sum of squares; eight sums side by side, so that no addition waits for the one before.
template <class T>
double squares(const T* a, int64_t n) {
  double s[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; k++) s[k] += double(a[i + k]) * a[i + k];
  for (; i < n; i++) s[0] += double(a[i]) * a[i];
  return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

template <class T>
void times(T* a, int64_t n, T factor) {
  for (int64_t i = 0; i < n; i++) a[i] *= factor;
}

inline double sum_of_squares(int dtype, const void* a, int64_t n) {
  return typed(dtype, [=](auto zero) { return squares((const decltype(zero)*)a, n); });
}

inline void multiply_by(int dtype, void* a, int64_t n, double factor) {
  typed(dtype, [=](auto zero) {
    using T = decltype(zero);
    times((T*)a, n, T(factor));
  });
}

}  // namespace
}  // namespace loopnest::loops
