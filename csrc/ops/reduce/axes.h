// What the rungs of reduce share: the kept and the reduced axes apart, and the three functions.
#pragma once

namespace reductions {

// The axes of one kind among the first `before`, outermost first; those of length 1 are left out.
struct Axes {
  int rank = 0;
  ptrdiff_t count = 1;  // of all places along them
  ptrdiff_t length[reduce_rank], x_step[reduce_rank], y_step[reduce_rank];

  Axes(const Reduce& a, bool reduced, int before) {
    for (int d = 0; d < before; d++) {
      if (a.shape[d] == 1 || (a.reduced[d] != 0) != reduced) continue;
      length[rank] = a.shape[d], x_step[rank] = a.x_stride[d], y_step[rank] = a.y_stride[d];
      count *= a.shape[d];
      rank++;
    }
  }

  ptrdiff_t offset(ptrdiff_t place, const ptrdiff_t* step) const {
    ptrdiff_t at = 0;
    for (int d = rank - 1; d > 0; d--) at += place % length[d] * step[d], place /= length[d];
    return rank ? at + place * step[0] : 0;
  }
};

struct sum {
  template <class V>
  static V join(V a, V b) {
    return a + b;
  }
  template <class T>
  static constexpr T none = T(0);
};

// Comparisons with NaN are false: a NaN in b is taken because it differs from itself, one in a because nothing is
// larger.
struct amax {
  template <class V>
  static V join(V a, V b) {
    return (b > a) | (b != b) ? b : a;
  }
  template <class T>
  static constexpr T none = -T(__builtin_inf());
};

struct amin {
  template <class V>
  static V join(V a, V b) {
    return (b < a) | (b != b) ? b : a;
  }
  template <class T>
  static constexpr T none = T(__builtin_inf());
};

template <class F>
inline void with_function(const Reduce& a, F f) {
  if (a.function == reduce_function::sum) f(sum{});
  if (a.function == reduce_function::amax) f(amax{});
  if (a.function == reduce_function::amin) f(amin{});
}

}  // namespace reductions
