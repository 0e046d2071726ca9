// Idea:  only d' must be found step by step; its products with x, h and w_ih are one big product each, for some steps
//        at a time (../rnn_backward/through_time.h). The gate gradients are computed in vectors, and d' * w_hh in
//        register blocks over the batch.
// Since: naive made one dot product for each number.
// Why:   almost all of the work is in add_product (simd/product.h), at the speed of its register block.
// Price: weights are packed, and x and h once more as the right-hand side of the weights' gradients; d' of a few steps
//        lies in scratch memory.
#pragma once

template <class T>
struct LstmUnit {
  using A = LstmBackward;
  static constexpr int gates = 4, ih_first = 0, ih_count = 4, hh_first = 0, hh_count = 4;
  static constexpr int ih_order[4] = {0, 1, 2, 3}, hh_order[4] = {0, 1, 2, 3}, second = -1, second_order = 0;
  static constexpr bool two_states = true;

  // The formulas of lstm_backward.h. Nothing of dh remains, since all of it goes through w_hh.
  static vec<T> unit(const A& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t u, ptrdiff_t count, vec<T> dh, vec<T>* d,
                     vec<T>& dc) {
    const T* kept = static_cast<const T*>(a.gates) + t * a.gates_t + n * 4 * a.h + u;  // i f g o
    const T* cells = static_cast<const T*>(a.cells) + t * a.cells_t + n * a.h + u;     // c[t]
    const T* c0 = a.c0 ? static_cast<const T*>(a.c0) + n * a.h + u : nullptr;          // or null
    const T* before = t > valid_steps(a, n).begin ? cells - a.cells_t : c0;            // c[t-1], or null
    vec<T> i = load_lanes<T>(kept, count), f = load_lanes<T>(kept + a.h, count);
    vec<T> g = load_lanes<T>(kept + 2 * a.h, count), o = load_lanes<T>(kept + 3 * a.h, count);
    vec<T> c_before = before ? load_lanes<T>(before, count) : vec<T>{};
    vec<T> tanh_c = tanh<T>(load_lanes<T>(cells, count));
    dc += dh * o * (T(1) - tanh_c * tanh_c);
    d[0] = dc * g * i * (T(1) - i);
    d[1] = dc * c_before * f * (T(1) - f);
    d[2] = dc * i * (T(1) - g * g);
    d[3] = dh * tanh_c * o * (T(1) - o);
    dc *= f;
    return vec<T>{};
  }
  static void fetch(const A& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t u) {
    const T* kept = static_cast<const T*>(a.gates) + t * a.gates_t + n * 4 * a.h + u;
    UNROLL for (int g = 0; g < 4; g++) __builtin_prefetch(kept + g * a.h);
    __builtin_prefetch(static_cast<const T*>(a.cells) + (t - 1) * a.cells_t + n * a.h + u);
  }
  static T* db(const A& a, int which) { return which ? nullptr : static_cast<T*>(a.db); }
  static const T* dcn(const A& a) { return static_cast<const T*>(a.dcn); }
  static T* dc0(const A& a) { return static_cast<T*>(a.dc0); }
};

template <class T>
struct lstm_backward_r1_fast : ThroughTime<LstmUnit<T>, LstmBackward, T> {};
