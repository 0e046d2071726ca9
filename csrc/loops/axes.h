// The two loops that all others here are made of: over neighbours, and over the rows of arrays of any strides.
//
// csrc/loops is for the engine alone (engine/elementwise.pxd, plan.pyx, scan.pyx, gradients.pyx): plain loops over
// arrays for what has no ladder. They are bound by memory, so there is nothing to climb.
#pragma once
#include <stdint.h>
#include <cstdlib>
#include <utility>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "array.h"

namespace loopnest::loops {
namespace {

// f(0) of the type that dtype, F32 or F64, stands for.
template <class F>
inline auto typed(int dtype, F f) {
  return dtype == F32 ? f(float()) : f(double());
}

inline int64_t bytes_of(int dtype) {
  return typed(dtype, [](auto zero) { return int64_t(sizeof zero); });
}

// out[i] = f(i). Large results go past the caches, as those of kernels do (simd/vec.h): by lines of 64 bytes, because
// the compiler makes no such stores of its own.
template <class T, class F>
void loop(T* __restrict__ out, int64_t n, F f) {
  int64_t i = 0;
#if defined(__x86_64__)
  constexpr int64_t some = 64 / sizeof(T);
  bool past = n * int64_t(sizeof(T)) >= past_from && uintptr_t(out) % 16 == 0;
  for (; past && i + some <= n; i += some) {
    alignas(16) T block[some];
    for (int64_t k = 0; k < some; k++) block[k] = f(i + k);
    const __m128i* from = reinterpret_cast<const __m128i*>(block);
    __m128i* to = reinterpret_cast<__m128i*>(out + i);
    for (uint64_t k = 0; k < sizeof block / 16; k++) _mm_stream_si128(to + k, from[k]);
  }
  if (past) _mm_sfence();
#endif
  for (; i < n; i++) out[i] = f(i);
}

// The axes of two or three arrays; strides in elements, 0 where one is repeated. The last one is written. No gaps
// between members: a plan compares arguments word by word.
struct Axes {
  int64_t rank, shape[max_rank], step[3][max_rank];
};

// Orders the axes so that the strides of array `first` fall, and merges those that continue each other in
// all arrays.
inline void collapse(Axes& x, int first) {
  auto exchange = [&](int i, int j) {
    std::swap(x.shape[i], x.shape[j]);
    for (auto& step : x.step) std::swap(step[i], step[j]);
  };
  for (int i = 1; i < x.rank; i++)  // axes of length 1 go first
    for (int j = i; j > 0 && x.shape[j - 1] > 1; j--) {
      if (x.shape[j] > 1 && std::abs(x.step[first][j - 1]) >= std::abs(x.step[first][j])) break;
      exchange(j - 1, j);
    }
  int last = x.rank - 1;
  for (int d = x.rank - 2; d >= 0; d--) {
    bool continues = true;
    for (auto& step : x.step) continues = continues && step[d] == x.shape[last] * step[last];
    if (continues || x.shape[d] == 1) x.shape[last] *= x.shape[d];
    else exchange(d, --last);
  }
  x.rank -= last > 0 ? last : 0;
  for (int d = 0; d < x.rank; d++) exchange(d, d + last);
}

// f(places of the three arrays' elements) at the beginning of every row, that is, of the last axis.
template <class F>
inline void each_row(const Axes& x, F f) {
  int64_t index[max_rank] = {}, at[3] = {};
  for (;;) {
    f(at[0], at[1], at[2]);
    int d = x.rank - 2;
    for (; d >= 0; d--) {  // on to the next row, like an odometer
      for (int k = 0; k < 3; k++) at[k] += x.step[k][d];
      if (++index[d] < x.shape[d]) break;
      for (int k = 0; k < 3; k++) at[k] -= x.step[k][d] * x.shape[d];
      index[d] = 0;
    }
    if (d < 0) return;
  }
}

}  // namespace
}  // namespace loopnest::loops
