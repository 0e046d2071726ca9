// Element-wise recurrences over time, for engine/scan.pyx.
#pragma once
#include <math.h>

#include "axes.h"

namespace loopnest::loops {
namespace {

// All arrays [t, m] dense; h0 [m] or null: zeros.
template <class T>
void scan_linear(const T* f, const T* b, const T* h0, T* h, int64_t t, int64_t m) {
  const T* before = h0;
  for (int64_t k = 0; k < t; k++, f += m, b += m, before = h, h += m) {
    if (before)
      for (int64_t j = 0; j < m; j++) h[j] = f[j] * before[j] + b[j];
    else
      for (int64_t j = 0; j < m; j++) h[j] = b[j];
  }
}

// df = dh * h[t-1], db = dh, with dh = g + f[t+1] * dh[t+1]; dh0 holds dh[t+1] * f[t+1] on the way.
template <class T>
void scan_linear_backward(const T* f, const T* h0, const T* h, const T* g, T* df, T* db, T* dh0, int64_t t, int64_t m) {
  for (int64_t j = 0; j < m; j++) dh0[j] = 0;
  for (int64_t k = t; k-- > 0;) {
    const T* before = k > 0 ? h + (k - 1) * m : h0;
    for (int64_t j = 0; j < m; j++) {
      T d = g[k * m + j] + dh0[j];
      db[k * m + j] = d;
      df[k * m + j] = before ? d * before[j] : T(0);
      dh0[j] = d * f[k * m + j];
    }
  }
}

// x, h [t, n, w]; u [w]; h0 [n, w] or null.
template <class T>
void scan_independent(const T* x, const T* u, const T* h0, T* h, bool relu, int64_t t, int64_t n, int64_t w) {
  const T* before = h0;
  for (int64_t k = 0; k < t; k++, before = h, h += n * w, x += n * w)
    for (int64_t r = 0; r < n; r++) {
      const T* p = before ? before + r * w : nullptr;
      T* to = h + r * w;
      for (int64_t j = 0; j < w; j++) to[j] = x[r * w + j] + (p ? u[j] * p[j] : T(0));
      if (relu)
        for (int64_t j = 0; j < w; j++) to[j] = to[j] < 0 ? T(0) : to[j];
      else
        for (int64_t j = 0; j < w; j++) to[j] = T(tanh(to[j]));
    }
}

// dx = dh * slope, du = sum of dx * h[t-1], dh0 holds dx[t+1] * u on the way.
template <class T>
void scan_independent_backward(const T* u, const T* h0, const T* h, const T* g, T* dx, T* du, T* dh0, bool relu,
                               int64_t t, int64_t n, int64_t w) {
  for (int64_t j = 0; j < n * w; j++) dh0[j] = 0;
  for (int64_t j = 0; j < w; j++) du[j] = 0;
  for (int64_t k = t; k-- > 0;)
    for (int64_t r = 0; r < n; r++) {
      int64_t at = (k * n + r) * w;
      const T* before = k > 0 ? h + at - n * w : h0 ? h0 + r * w : nullptr;
      for (int64_t j = 0; j < w; j++) {
        T y = h[at + j], d = g[at + j] + dh0[r * w + j];
        d *= relu ? (y > 0 ? T(1) : T(0)) : 1 - y * y;
        dx[at + j] = d;
        du[j] += before ? d * before[j] : T(0);
        dh0[r * w + j] = d * u[j];
      }
    }
}

// ---- what engine/scan.pyx declares: the same for both dtypes ----

inline void linear(int dtype, const void* f, const void* b, const void* h0, void* h, int64_t t, int64_t m) {
  typed(dtype, [=](auto zero) {
    using T = decltype(zero);
    scan_linear((const T*)f, (const T*)b, (const T*)h0, (T*)h, t, m);
  });
}

inline void linear_backward(int dtype, const void* f, const void* h0, const void* h, const void* g, void* df, void* db,
                            void* dh0, int64_t t, int64_t m) {
  typed(dtype, [=](auto zero) {
    using T = decltype(zero);
    scan_linear_backward((const T*)f, (const T*)h0, (const T*)h, (const T*)g, (T*)df, (T*)db, (T*)dh0, t, m);
  });
}

inline void independent_forward(int dtype, const void* x, const void* u, const void* h0, void* h, bool relu, int64_t t,
                                int64_t n, int64_t w) {
  typed(dtype, [=](auto zero) {
    using T = decltype(zero);
    scan_independent((const T*)x, (const T*)u, (const T*)h0, (T*)h, relu, t, n, w);
  });
}

inline void independent_backward(int dtype, const void* u, const void* h0, const void* h, const void* g, void* dx,
                                 void* du, void* dh0, bool relu, int64_t t, int64_t n, int64_t w) {
  typed(dtype, [=](auto zero) {
    using T = decltype(zero);
    scan_independent_backward((const T*)u, (const T*)h0, (const T*)h, (const T*)g, (T*)dx, (T*)du, (T*)dh0, relu, t, n,
                              w);
  });
}

}  // namespace
}  // namespace loopnest::loops
