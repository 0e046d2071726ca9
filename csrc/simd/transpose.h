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

// Columns of a table whose rows lie anywhere: column[k] holds number k of each of `lanes` rows, for k in [0, N).
// Nothing beyond a row's N numbers is read. Row by row and lane by lane through memory, each vector would wait until
// the stores of its lanes have reached the cache: 9 columns of 8 lanes took 200 cycles on Zen 3, so they take 25.
template <int N, class T>
inline __attribute__((always_inline)) void load_columns(const T* const (&row)[lanes<T>], vec<T> (&column)[N]) {
  constexpr int L = lanes<T>;
  if constexpr (L == 1) {
    for (int k = 0; k < N; k++) column[k] = row[0][k];
  } else {
#pragma GCC unroll 16
    for (int k = 0; k < N; k += L) {
      int from = N < L || k + L <= N ? k : N - L;  // the last square overlaps the one before
      vec<T> square[L];
#pragma GCC unroll 16
      for (int i = 0; i < L; i++) square[i] = N < L ? load_n<T>(row[i], N) : load<T>(row[i] + from);
      transpose<T>(square);
#pragma GCC unroll 16
      for (int i = 0; i < L; i++)
        if (from + i < N) column[from + i] = square[i];
    }
  }
}
