// Idea:  a vector at a time; which function it is has been decided before the loop.
// Since: r0_naive computes one number at a time.
// Why:   exp and the normal distribution as polynomials in registers (simd/math.h, simd/special.h).
// Price: the function is computed anew from x; its result would do for some of them, but not for all.
#pragma once

template <class T>
struct activation_backward_r1_vec : Plain<Map> {
  static void run(const Map& a, const Team& team) noexcept {
    activations::with_function(a, [&](auto function) {
      map_vectors<T>(a, team, [=](vec<T> x, vec<T> dy) { return dy * function.slope(x); });
    });
  }
};
