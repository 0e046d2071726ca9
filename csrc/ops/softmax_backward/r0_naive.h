// Idea:  row by row: one sum, then the formula.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: one number at a time, in double.
#pragma once

template <class T>
struct softmax_backward_r0_naive : Plain<Softmax> {
  static void run(const Softmax& a, const Team& team) noexcept {
    Range rows = share(a.o * a.i, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t o = row / a.i, i = row % a.i;
      const T* y = static_cast<const T*>(a.y) + o * a.y_o + i * a.y_i;      // [d]
      const T* dy = static_cast<const T*>(a.dy) + o * a.dy_o + i * a.dy_i;  // [d]
      T* dx = static_cast<T*>(a.dx) + o * a.dx_o + i * a.dx_i;              // [d]
      double sum = 0;
      for (ptrdiff_t d = 0; d < a.d; d++) sum += double(dy[d * a.dy_d]) * (a.log ? 1 : double(y[d * a.y_d]));
      for (ptrdiff_t d = 0; d < a.d; d++) {
        double g = dy[d * a.dy_d], v = y[d * a.y_d];
        dx[d * a.dx_d] = T(a.log ? g - __builtin_exp(v) * sum : v * (g - sum));
      }
    }
  }
};
