// Vectors whose numbers do not lie side by side, and what to do at the end of a row.
#pragma once

// The first n lanes (0 <= n <= lanes) from p[0], p[stride], p[2 * stride] ...; the others are 0.
template <class T>
inline vec<T> load_strided(const T* p, ptrdiff_t stride, ptrdiff_t n) {
  if (stride == 1) return n == lanes<T> ? load<T>(p) : load_n<T>(p, n);
  T gathered[lanes<T>] = {};
  for (ptrdiff_t i = 0; i < n; i++) gathered[i] = p[i * stride];
  return load<T>(gathered);
}

template <class T>
inline void store_strided(T* p, vec<T> v, ptrdiff_t stride, ptrdiff_t n) {
  if (stride == 1) {
    if (n == lanes<T>) store<T>(p, v);
    else store_n<T>(p, v, n);
    return;
  }
  T scattered[lanes<T>];
  store<T>(scattered, v);
  for (ptrdiff_t i = 0; i < n; i++) p[i * stride] = scattered[i];
}
