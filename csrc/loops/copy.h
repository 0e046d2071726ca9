// Copies between any two orders of the axes.
#pragma once
#include <cstring>

#include "axes.h"

namespace loopnest::loops {
namespace {

// out[i, j] = a[i, j] for i < m, j < n, the i side by side in a and the j in out: by tiles that
// stay in L1, and of numbers of 4 bytes by blocks of 4 x 4 in registers.
template <class T>
void loop_transposed(const T* a, T* out, int64_t m, int64_t n, int64_t a_j, int64_t out_i) {
  typedef T four __attribute__((vector_size(4 * sizeof(T)), aligned(sizeof(T)), may_alias));
  for (int64_t i0 = 0; i0 < m; i0 += 16)
    for (int64_t j0 = 0; j0 < n; j0 += 64) {
      int64_t i1 = i0 + 16 < m ? i0 + 16 : m, j1 = j0 + 64 < n ? j0 + 64 : n, i = i0;
      if (sizeof(T) == 4)
        for (; i + 4 <= i1; i += 4) {
          int64_t j = j0;
          for (; j + 4 <= j1; j += 4) {
            const T* p = a + i + j * a_j;
            four r0 = *(const four*)p, r1 = *(const four*)(p + a_j);
            four r2 = *(const four*)(p + 2 * a_j), r3 = *(const four*)(p + 3 * a_j);
            four low01 = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
            four low23 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
            four high01 = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
            four high23 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
            T* q = out + i * out_i + j;
            *(four*)q = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
            *(four*)(q + out_i) = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
            *(four*)(q + 2 * out_i) = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
            *(four*)(q + 3 * out_i) = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
          }
          for (; j < j1; j++)
            for (int64_t k = 0; k < 4; k++) out[(i + k) * out_i + j] = a[i + k + j * a_j];
        }
      for (; i < i1; i++)
        for (int64_t j = j0; j < j1; j++) out[i * out_i + j] = a[i + j * a_j];
    }
}

// out = a, which may be repeated along some axes: `axes` of a, nothing, out.
template <class T>
void loop_copy(const T* a, T* out, Axes& axes) {
  collapse(axes, 2);
  int last = axes.rank - 1, across = -1;
  int64_t n = axes.shape[last], p = axes.step[0][last], r = axes.step[2][last], m = 1;
  for (int d = 0; d < last; d++)
    if (axes.step[0][d] == 1 && axes.shape[d] > m) across = d, m = axes.shape[d];
  if (r == 1 && p != 1 && p != 0 && n > 1 && across >= 0) {
    axes.shape[across] = 1;
    int64_t out_i = axes.step[2][across];
    each_row(axes, [=](int64_t from, int64_t, int64_t to) { loop_transposed(a + from, out + to, m, n, p, out_i); });
    return;
  }
  if (p == 1 && r == 1 && last > 0) {  // rows after rows: by two loops, not by the odometer
    int64_t rows = axes.shape[last - 1], x_row = axes.step[0][last - 1], out_row = axes.step[2][last - 1];
    axes.shape[last - 1] = 1;
    each_row(axes, [=](int64_t from, int64_t, int64_t to) {
      const T* x = a + from;
      T* y = out + to;
      for (int64_t i = 0; i < rows; i++) std::memcpy(y + i * out_row, x + i * x_row, n * sizeof(T));
    });
    return;
  }
  each_row(axes, [=](int64_t from, int64_t, int64_t to) {
    const T* x = a + from;
    T first = *x;
    if (p == 1 && r == 1) std::memcpy(out + to, x, n * sizeof(T));
    else if (p == 0 && r == 1) loop(out + to, n, [=](int64_t) { return first; });
    else
      for (int64_t i = 0; i < n; i++) out[to + i * r] = x[i * p];
  });
}

// Numbers of 4 or 8 bytes.
inline void copy_axes(int64_t size, const void* a, void* out, Axes& axes) {
  if (size == 4) loop_copy((const uint32_t*)a, (uint32_t*)out, axes);
  else loop_copy((const uint64_t*)a, (uint64_t*)out, axes);
}

}  // namespace
}  // namespace loopnest::loops
