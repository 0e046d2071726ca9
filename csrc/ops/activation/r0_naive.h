// Idea:  one element after the other, in the order of the axes.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: calls to the C library, in double, for each element.
#pragma once

template <class T>
struct activation_r0_naive : Plain<Map> {
  static void run(const Map& a, const Team& team) noexcept {
    ptrdiff_t x_step = a.in_stride[map_rank - 1], y_step = a.out_stride[map_rank - 1];
    activations::with_function(a, [&](auto function) {
      walk<T>(a, team, [&](const T* x, const T*, T* y, ptrdiff_t n) {
        for (ptrdiff_t i = 0; i < n; i++) y[i * y_step] = T(function.value(double(x[i * x_step])));
      });
    });
  }
};
