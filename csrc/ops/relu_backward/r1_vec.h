// Idea:  a vector at a time.
// Since: r0_naive computes one number at a time.
// Why:   two loads and a store for a whole register: memory sets the pace.
// Price: two loops instead of one. No faster where GCC has vectorised r0_naive, but it does not depend on that.
#pragma once

template <class T>
struct relu_backward_r1_vec : Plain<Map> {
  static void run(const Map& a, const Team& team) noexcept {
    map_vectors<T>(a, team, [](vec<T> y, vec<T> dy) { return y <= 0 ? vec<T>{} : dy; });
  }
};
