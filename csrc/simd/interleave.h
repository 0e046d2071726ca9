// N rows of lanes<T> numbers, one vector each, and the same numbers row by row of places: N neighbours for each place,
// in N vectors. What brings few channels from planes to channels-last, and back.
//
// A vector is put together from all N others, by N - 1 shuffles of two: N * (N - 1) in all, few while N is small.
#pragma once

// L numbers out of all N * L: those out of the vectors R, R + 1 ... N - 1 of `in`, added to `v`, which holds those out
// of the vectors before. source(f) is where number f lies: vector * L + lane.
template <class T, int N, int R, class F>
inline __attribute__((always_inline)) vec<T> gather_from(vec<T> v, const vec<T> (&in)[N], F source) {
  if constexpr (R == N) {
    return v;
  } else {
    constexpr int L = lanes<T>;
    __typeof__(vec<T>{} < vec<T>{}) from;  // 0 .. L-1: numbers of v, L .. 2L-1: of in[R]
    for (int i = 0; i < L; i++) {
      int vector = source(i) / L, lane = source(i) % L;
      from[i] = vector == R ? L + lane : R == 1 && vector == 0 ? lane : i;
    }
    return gather_from<T, N, R + 1>(__builtin_shuffle(v, in[R], from), in, source);
  }
}

// in[r] is row r; out holds N numbers of place 0, N of place 1 ...
template <class T, int N, int J = 0>
inline __attribute__((always_inline)) void interleave(const vec<T> (&in)[N], vec<T> (&out)[N]) {
  constexpr int L = lanes<T>;
  if constexpr (L == 1) {
    for (int j = 0; j < N; j++) out[j] = in[j];
  } else if constexpr (J < N) {
    out[J] = gather_from<T, N, 1>(in[0], in, [](int i) { return (J * L + i) % N * L + (J * L + i) / N; });
    interleave<T, N, J + 1>(in, out);
  }
}

// The other way.
template <class T, int N, int J = 0>
inline __attribute__((always_inline)) void deinterleave(const vec<T> (&in)[N], vec<T> (&out)[N]) {
  constexpr int L = lanes<T>;
  if constexpr (L == 1) {
    for (int j = 0; j < N; j++) out[j] = in[j];
  } else if constexpr (J < N) {
    out[J] = gather_from<T, N, 1>(in[0], in, [](int i) { return i * N + J; });
    deinterleave<T, N, J + 1>(in, out);
  }
}
