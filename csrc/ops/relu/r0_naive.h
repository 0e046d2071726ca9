// Idea:  one element after the other, in the order of the axes.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: one number at a time, unless the compiler adds a second copy of the loop for strides of 1 (GCC 12 does).
#pragma once

template <class T>
struct relu_r0_naive : Plain<Map> {
  static void run(const Map& a, const Team& team) noexcept {
    ptrdiff_t x_step = a.in_stride[map_rank - 1], y_step = a.out_stride[map_rank - 1];
    walk<T>(a, team, [&](const T* x, const T*, T* y, ptrdiff_t n) {
      for (ptrdiff_t i = 0; i < n; i++) {
        T xi = x[i * x_step];
        y[i * y_step] = xi <= 0 ? T(0) : xi;  // asked this way round, NaN stays NaN
      }
    });
  }
};
