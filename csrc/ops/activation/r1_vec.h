// Idea:  a vector at a time; which function it is has been decided before the loop.
// Since: r0_naive computes one number at a time.
// Why:   exp, log1p and the normal distribution as polynomials in registers (simd/math.h, simd/special.h).
// Price: within 4 units in the last place instead of half of one; README.md lists them.
#pragma once

template <class T>
struct activation_r1_vec : Plain<Map> {
  static void run(const Map& a, const Team& team) noexcept {
    activations::with_function(
        a, [&](auto function) { map_vectors<T>(a, team, [=](vec<T> x) { return function.value(x); }); });
  }
};
