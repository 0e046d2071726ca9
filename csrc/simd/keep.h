// What a recurrent layer keeps of a step for its backward pass: from panels of units, as the kernel computed them, to
// the rows of an array [t, n, gates, h].
//
// A vector of units that is written where it was computed is half a line of the cache (or a quarter), the row's other
// half follows when the next panel is done, and each line is read from memory before it is written. All units of a row
// together, at the end of the step, are whole lines one behind the other, and an array that is larger than the caches
// goes past them. Zen 3, a GRU of 128 units, 50 steps of 50 sequences (5 MB of gates): 1.08 to 1.12 times as fast, an
// LSTM 1.05 to 1.08 times; by plain stores at the end of the step 1.04.
#pragma once

// Where a vector is a line, it is written where it was computed.
constexpr bool keep_apart = line_vectors > 1;

// Is an array of so many numbers, from p on in rows of h, to be written past the caches?
template <class T>
inline bool keep_past(const void* p, ptrdiff_t h, ptrdiff_t numbers) {
  constexpr ptrdiff_t bytes = 4 << 20;  // as in simd/matrix.h
  return numbers * ptrdiff_t(sizeof(T)) >= bytes &&
         (uintptr_t(p) | uintptr_t(h * ptrdiff_t(sizeof(T)))) % sizeof(vec<T>) == 0;
}

// The units of some panels, `panel` numbers apart from `from` on, to a row of h units; 0 at a step that is not valid.
template <class T>
inline void keep_row(const T* from, ptrdiff_t panel, Range panels, bool valid, bool past, T* to, ptrdiff_t h) {
  for (ptrdiff_t p = panels.begin, u = p * lanes<T>; p < panels.end; p++, u += lanes<T>, from += panel) {
    vec<T> v = valid ? load<T>(from) : vec<T>{};
    if (past) stream<T>(to + u, v);
    else store_lanes<T>(to + u, v, h - u);
  }
}
