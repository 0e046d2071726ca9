// Idea:  the formula, one unit after the other.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: five calls to the C library, in double, for each unit.
#pragma once

template <class T>
struct lstm_cell_r0_naive : Plain<LstmCell> {
  static double sigmoid(double x) { return 1 / (1 + __builtin_exp(-x)); }

  static void run(const LstmCell& a, const Team& team) noexcept {
    Range rows = share(a.m, team);
    for (ptrdiff_t m = rows.begin; m < rows.end; m++) {
      const T* sums = static_cast<const T*>(a.sums) + m * a.sums_m;                     // [4, h]
      const T* more = a.more ? static_cast<const T*>(a.more) + m * a.more_m : nullptr;  // [4, h]
      const T* c0 = a.c0 ? static_cast<const T*>(a.c0) + m * a.c0_m : nullptr;          // [h]
      T* gates = a.gates ? static_cast<T*>(a.gates) + m * a.gates_m : nullptr;          // [4, h]
      T* c = static_cast<T*>(a.c) + m * a.c_m;                                          // [h]
      T* y = static_cast<T*>(a.y) + m * a.y_m;                                          // [h]
      for (ptrdiff_t u = 0; u < a.h; u++) {
        double gate[4];
        for (int q = 0; q < 4; q++) {
          double s = sums[q * a.h + u];
          if (more) s += more[q * a.h + u];
          gate[q] = q == 2 ? __builtin_tanh(s) : sigmoid(s);
          if (gates) gates[q * a.h + u] = T(gate[q]);
        }
        double cell = gate[0] * gate[2];
        if (c0) cell += gate[1] * c0[u];
        c[u] = T(cell);
        y[u] = T(gate[3] * __builtin_tanh(cell));
      }
    }
  }
};
