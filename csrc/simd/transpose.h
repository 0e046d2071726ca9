// A square of lanes x lanes numbers, one row per vector, turned over its diagonal inside the registers.
//
// Exchange the two off-diagonal quarters, then do the same inside each quarter, down to single numbers (Eklundh's
// method): log2(lanes) rounds of one shuffle per row. For 16 lanes: 64 shuffles for 256 numbers, where moving them one
// by one takes 256 loads and 256 stores.
#pragma once

template <class T, int D>  // D: side of the quarters that this round exchanges
inline __attribute__((always_inline)) void transpose_round(vec<T> (&row)[lanes<T>]) {
  if constexpr (D >= 1) {
    constexpr int L = lanes<T>;
    using Index = __typeof__(vec<T>{} < vec<T>{});  // integers of the same width
    Index upper, lower;                             // numbers 0 .. L-1 are the first row's, L .. 2L-1 the second's
    for (int j = 0; j < L; j++) {
      upper[j] = j & D ? L + j - D : j;
      lower[j] = j & D ? L + j : j + D;
    }
    for (int i = 0; i < L; i++) {
      if (i & D) continue;
      vec<T> first = row[i], second = row[i + D];
      row[i] = __builtin_shuffle(first, second, upper);
      row[i + D] = __builtin_shuffle(first, second, lower);
    }
    transpose_round<T, D / 2>(row);
  }
}

template <class T>
inline __attribute__((always_inline)) void transpose(vec<T> (&row)[lanes<T>]) {
  transpose_round<T, lanes<T> / 2>(row);
}
