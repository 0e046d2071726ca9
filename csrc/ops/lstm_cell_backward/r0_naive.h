// Idea:  the formula, one unit after the other.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: a call to the C library, in double, for each unit.
#pragma once

template <class T>
struct lstm_cell_backward_r0_naive : Plain<LstmCell> {
  static void run(const LstmCell& a, const Team& team) noexcept {
    Range rows = share(a.m, team);
    for (ptrdiff_t m = rows.begin; m < rows.end; m++) {
      const T* gates = static_cast<const T*>(a.gates) + m * a.gates_m;          // [4, h]
      const T* c0 = a.c0 ? static_cast<const T*>(a.c0) + m * a.c0_m : nullptr;  // [h]
      const T* c = static_cast<const T*>(a.c) + m * a.c_m;                      // [h]
      const T* dy = a.dy ? static_cast<const T*>(a.dy) + m * a.dy_m : nullptr;  // [h]
      const T* dc = a.dc ? static_cast<const T*>(a.dc) + m * a.dc_m : nullptr;  // [h]
      T* dsums = static_cast<T*>(a.dsums) + m * a.dsums_m;                      // [4, h]
      T* dc0 = a.dc0 ? static_cast<T*>(a.dc0) + m * a.dc0_m : nullptr;          // [h]
      for (ptrdiff_t u = 0; u < a.h; u++) {
        double i = gates[u], f = gates[a.h + u], g = gates[2 * a.h + u], o = gates[3 * a.h + u];
        double tanh_c = __builtin_tanh(double(c[u])), y = dy ? double(dy[u]) : 0;
        double cell = (dc ? double(dc[u]) : 0) + y * o * (1 - tanh_c * tanh_c);
        dsums[u] = T(cell * g * i * (1 - i));
        dsums[a.h + u] = c0 ? T(cell * c0[u] * f * (1 - f)) : T(0);
        dsums[2 * a.h + u] = T(cell * i * (1 - g * g));
        dsums[3 * a.h + u] = T(y * tanh_c * o * (1 - o));
        if (dc0) dc0[u] = T(cell * f);
      }
    }
  }
};
