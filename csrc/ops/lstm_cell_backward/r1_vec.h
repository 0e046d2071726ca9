// Idea:  a vector of units at a time, all gradients of a unit while its gates are in registers.
// Since: r0_naive computes one unit at a time.
// Why:   one exponential, as a polynomial, and one walk over memory.
// Price: within a few units in the last place.
#pragma once

template <class T>
struct lstm_cell_backward_r1_vec : Plain<LstmCell> {
  static constexpr ptrdiff_t L = lanes<T>;

  static void run(const LstmCell& a, const Team& team) noexcept {
    Range rows = share(a.m, team);
    for (ptrdiff_t m = rows.begin; m < rows.end; m++)
      for (ptrdiff_t u = 0; u < a.h; u += L) units(a, m, u, a.h - u < L ? a.h - u : L);
  }

  static vec<T> some(const void* p, ptrdiff_t at, ptrdiff_t n) {
    return p ? load_lanes<T>(static_cast<const T*>(p) + at, n) : vec<T>{};
  }

  // Units u .. u + n of row m. Never inlined: the same instructions for whole vectors and the rest.
  static __attribute__((noinline)) void units(const LstmCell& a, ptrdiff_t m, ptrdiff_t u, ptrdiff_t n) noexcept {
    vec<T> gate[4];
    UNROLL for (int q = 0; q < 4; q++) gate[q] = some(a.gates, m * a.gates_m + q * a.h + u, n);
    vec<T> i = gate[0], f = gate[1], g = gate[2], o = gate[3];
    vec<T> tanh_c = tanh<T>(some(a.c, m * a.c_m + u, n)), dy = some(a.dy, m * a.dy_m + u, n);
    vec<T> cell = some(a.dc, m * a.dc_m + u, n) + dy * o * (1 - tanh_c * tanh_c);
    gate[0] = cell * g * i * (1 - i);
    gate[1] = cell * some(a.c0, m * a.c0_m + u, n) * f * (1 - f);
    gate[2] = cell * i * (1 - g * g);
    gate[3] = dy * tanh_c * o * (1 - o);
    UNROLL for (int q = 0; q < 4; q++)
        store_lanes<T>(static_cast<T*>(a.dsums) + m * a.dsums_m + q * a.h + u, gate[q], n);
    if (a.dc0) store_lanes<T>(static_cast<T*>(a.dc0) + m * a.dc0_m + u, cell * f, n);
  }
};
