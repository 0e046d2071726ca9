// Idea:  a vector of units at a time, everything between sums and state in registers.
// Since: r0_naive computes one unit at a time.
// Why:   five exponentials as polynomials (simd/math.h), and every array passes through the caches once: as operators
//        of their own, slices, sigmoids, products and sums walk through memory some twenty times.
// Price: within a few units in the last place. The last units of a row, if h is no multiple of a vector, are loaded
//        and stored in part.
#pragma once

template <class T>
struct lstm_cell_r1_vec : Plain<LstmCell> {
  static constexpr ptrdiff_t L = lanes<T>;

  static void run(const LstmCell& a, const Team& team) noexcept {
    Range rows = share(a.m, team);
    for (ptrdiff_t m = rows.begin; m < rows.end; m++)
      for (ptrdiff_t u = 0; u < a.h; u += L) units(a, m, u, a.h - u < L ? a.h - u : L);
  }

  // Units u .. u + n of row m. Never inlined: the same instructions for whole vectors and the rest.
  static __attribute__((noinline)) void units(const LstmCell& a, ptrdiff_t m, ptrdiff_t u, ptrdiff_t n) noexcept {
    const T* sums = static_cast<const T*>(a.sums) + m * a.sums_m + u;  // [4, n] of [4, h]
    const T* more = a.more ? static_cast<const T*>(a.more) + m * a.more_m + u : nullptr;
    vec<T> gate[4], cell = a.c0 ? load_lanes<T>(static_cast<const T*>(a.c0) + m * a.c0_m + u, n) : vec<T>{};
    UNROLL for (int q = 0; q < 4; q++) {
      gate[q] = load_lanes<T>(sums + q * a.h, n);
      if (more) gate[q] += load_lanes<T>(more + q * a.h, n);
    }
    vec<T> h = lstm_cell<T>(gate, cell);
    if (a.gates)
      UNROLL for (int q = 0; q < 4; q++)
          store_lanes<T>(static_cast<T*>(a.gates) + m * a.gates_m + q * a.h + u, gate[q], n);
    store_lanes<T>(static_cast<T*>(a.c) + m * a.c_m + u, cell, n);
    store_lanes<T>(static_cast<T*>(a.y) + m * a.y_m + u, h, n);
  }
};
