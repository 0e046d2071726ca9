// Idea:  only d' must be found step by step; its products with x, h and w_ih are one big product each, for some steps
//        at a time (../rnn_backward/through_time.h). d' is computed in vectors, d' * w_hh in blocks over the batch.
// Since: naive made one dot product for each number.
// Why:   almost all of the work is in add_product (simd/product.h), at the speed of its register block. A row of
//        d' is n r z q: the first three belong to w_ih, the last three to w_hh, so both products read the same row.
// Price: weights are packed, and x and h once more as the right-hand side of the weights' gradients; d' of a few steps
//        lies in scratch memory.
#pragma once

template <class T>
struct GruUnit {
  using A = GruBackward;
  static constexpr int gates = 4, ih_first = 0, ih_count = 3, hh_first = 1, hh_count = 3;
  static constexpr int ih_order[3] = {2, 0, 1}, hh_order[3] = {0, 1, 2}, second = -1, second_order = 0;
  static constexpr bool two_states = false;

  static vec<T> unit(const A& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t u, ptrdiff_t count, vec<T> dh, vec<T>* d,
                     vec<T>&) {
    const T* gates = static_cast<const T*>(a.gates) + t * a.gates_t + n * 4 * a.h + u;
    vec<T> r = load_lanes<T>(gates, count), z = load_lanes<T>(gates + a.h, count);
    vec<T> v = load_lanes<T>(gates + 2 * a.h, count), q = load_lanes<T>(gates + 3 * a.h, count);
    const T* h = state_before<T>(a, t, n);
    vec<T> before = h ? load_lanes<T>(h + u, count) : vec<T>{};
    d[0] = dh * (T(1) - z) * (T(1) - v * v);
    d[1] = d[0] * q * r * (T(1) - r);
    d[2] = dh * (before - v) * z * (T(1) - z);
    d[3] = d[0] * r;
    return dh * z;
  }
  static void fetch(const A& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t u) {
    const T* kept = static_cast<const T*>(a.gates) + t * a.gates_t + n * 4 * a.h + u;
    UNROLL for (int g = 0; g < 4; g++) __builtin_prefetch(kept + g * a.h);
  }
  static T* db(const A& a, int which) { return static_cast<T*>(which ? a.db_hh : a.db_ih); }
};

template <class T>
struct gru_backward_r1_fast : ThroughTime<GruUnit<T>, GruBackward, T> {
  static const char* supports(const GruBackward& a) {
    return a.before ? "it has only the formulas of a reset gate after the product" : nullptr;
  }
};
