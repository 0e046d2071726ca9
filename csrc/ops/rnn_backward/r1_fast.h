// Idea:  only d' must be found step by step; its products with x, h and w_ih are one big product each, for some steps
//        at a time. d' is computed in vectors, and d' * w_hh in register blocks over the batch.
// Since: naive made one dot product for each number.
// Why:   almost all of the work is in add_product (simd/product.h), at the speed of its register block.
// Price: weights are packed, and x and h once more as the right-hand side of the weights' gradients; d' of a few steps
//        lies in scratch memory.
#pragma once

template <class T>
struct RnnUnit {
  using A = RnnBackward;
  static constexpr int gates = 1, ih_first = 0, ih_count = 1, hh_first = 0, hh_count = 1;
  static constexpr int ih_order[1] = {0}, hh_order[1] = {0}, second = -1, second_order = 0;
  static constexpr bool two_states = false;

  static vec<T> unit(const A& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t u, ptrdiff_t count, vec<T> dh, vec<T>* d,
                     vec<T>&) {
    vec<T> y = load_lanes<T>(static_cast<const T*>(a.y) + t * a.y_t + n * a.y_n + u, count);
    d[0] = a.relu ? (y > T(0) ? dh : vec<T>{}) : dh * (T(1) - y * y);
    return vec<T>{};
  }
  static void fetch(const A&, ptrdiff_t, ptrdiff_t, ptrdiff_t) {}
  static T* db(const A& a, int which) { return which ? nullptr : static_cast<T*>(a.db); }
};

template <class T>
struct rnn_backward_r1_fast : ThroughTime<RnnUnit<T>, RnnBackward, T> {};
