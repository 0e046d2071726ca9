// Idea:  one element after the other, in the order of the axes: dx = dy * slope(x).
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: calls to the C library, in double, for each element.
#pragma once

template <class T>
struct activation_backward_r0_naive : Plain<Map> {
  static void run(const Map& a, const Team& team) noexcept {
    ptrdiff_t x_step = a.in_stride[map_rank - 1], dy_step = a.dy_stride[map_rank - 1];
    ptrdiff_t dx_step = a.out_stride[map_rank - 1];
    activations::with_function(a, [&](auto function) {
      walk<T>(a, team, [&](const T* x, const T* dy, T* dx, ptrdiff_t n) {
        for (ptrdiff_t i = 0; i < n; i++) dx[i * dx_step] = T(dy[i * dy_step] * function.slope(double(x[i * x_step])));
      });
    });
  }
};
