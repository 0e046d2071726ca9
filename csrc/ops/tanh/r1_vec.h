// Idea:  a vector at a time.
// Since: r0_naive computes one number at a time.
// Why:   polynomials in registers (simd/math.h) instead of a call for each number.
// Price: within 3 units in the last place instead of half of one.
#pragma once

template <class T>
struct tanh_r1_vec : Plain<Map> {
  static void run(const Map& a, const Team& team) noexcept {
    map_vectors<T>(a, team, [](vec<T> x) { return tanh<T>(x); });
  }
};
