// Idea:  row by row: the largest number, the sum of exponentials, the quotients.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same. The largest is taken out first, because exp(89)
//        is already more than a float holds.
// Price: two calls to the C library, in double, for each number.
#pragma once

template <class T>
struct softmax_r0_naive : Plain<Softmax> {
  static void run(const Softmax& a, const Team& team) noexcept {
    Range rows = share(a.o * a.i, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      const T* x = static_cast<const T*>(a.x) + row / a.i * a.x_o + row % a.i * a.x_i;  // [d]
      T* y = static_cast<T*>(a.y) + row / a.i * a.y_o + row % a.i * a.y_i;              // [d]
      double largest = -__builtin_inf(), sum = 0;
      for (ptrdiff_t d = 0; d < a.d; d++)
        if (x[d * a.x_d] > largest) largest = x[d * a.x_d];  // a NaN among them spoils the sum, as it should
      for (ptrdiff_t d = 0; d < a.d; d++) sum += __builtin_exp(x[d * a.x_d] - largest);
      double log_sum = __builtin_log(sum);
      for (ptrdiff_t d = 0; d < a.d; d++) {
        double z = x[d * a.x_d] - largest;
        y[d * a.y_d] = T(a.log ? z - log_sum : __builtin_exp(z) / sum);
      }
    }
  }
};
