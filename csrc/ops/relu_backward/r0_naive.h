// Idea:  one element after the other, in the order of the axes.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: one number at a time, unless the compiler adds a second copy of the loop for strides of 1 (GCC 12 does).
#pragma once

template <class T>
struct relu_backward_r0_naive : Plain<Map> {
  static void run(const Map& a, const Team& team) noexcept {
    ptrdiff_t y_step = a.in_stride[map_rank - 1], dy_step = a.dy_stride[map_rank - 1];
    ptrdiff_t dx_step = a.out_stride[map_rank - 1];
    walk<T>(a, team, [&](const T* y, const T* dy, T* dx, ptrdiff_t n) {
      for (ptrdiff_t i = 0; i < n; i++) {
        T yi = y[i * y_step], dyi = dy[i * dy_step];
        dx[i * dx_step] = yi <= 0 ? T(0) : dyi;  // not dy * (y > 0): infinity times 0 would be NaN
      }
    });
  }
};
