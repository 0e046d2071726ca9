// All lanes of a vector made into one number by halves: the upper half onto the lower, log2(lanes) times.
#pragma once

template <class T, int D, class F>  // D: how many lanes are still to be folded
inline __attribute__((always_inline)) T fold_half(vec<T> v, F f) {
  if constexpr (D == 0) {
    return get_lane<T>(v, 0);
  } else {
    using Index = __typeof__(vec<T>{} < vec<T>{});  // integers of the same width
    Index from;
    for (int j = 0; j < lanes<T>; j++) from[j] = (j + D) % lanes<T>;
    return fold_half<T, D / 2>(f(v, vec<T>(__builtin_shuffle(v, from))), f);
  }
}

// f(vec, vec) -> vec, such as a + b or max(a, b).
template <class T, class F>
inline __attribute__((always_inline)) T fold_lanes(vec<T> v, F f) {
  return fold_half<T, lanes<T> / 2>(v, f);
}
