// Idea:  the reset gate before the product: what n sends back goes through w_hn first, to q = r . h, and only then are
//        the gradients of r known; the second way of ../rnn_backward/through_time.h.
// Since: fast has the formulas of a reset gate after the product.
// Why:   as fast: all that need not be found step by step is a big product over many steps.
// Price: two products after each other in every step, and q once more as a right-hand side.
#pragma once

template <class T>
struct GruBeforeUnit {
  using A = GruBackward;
  static constexpr int gates = 3, ih_first = 0, ih_count = 3, hh_first = 1, hh_count = 2;  // n r z
  static constexpr int ih_order[3] = {2, 0, 1}, hh_order[2] = {0, 1}, second = 0, second_order = 2;
  static constexpr bool two_states = false;

  static const T* gates_of(const A& a, ptrdiff_t t, ptrdiff_t n) {
    return static_cast<const T*>(a.gates) + t * a.gates_t + n * 4 * a.h;
  }
  static const T* q(const A& a, ptrdiff_t t, ptrdiff_t n) { return gates_of(a, t, n) + 3 * a.h; }
  static vec<T> before(const A& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t u, ptrdiff_t count) {
    const T* h = state_before<T>(a, t, n);
    return h ? load_lanes<T>(h + u, count) : vec<T>{};
  }

  static vec<T> unit(const A& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t u, ptrdiff_t count, vec<T> dh, vec<T>* d,
                     vec<T>&) {
    const T* kept = gates_of(a, t, n) + u;
    vec<T> z = load_lanes<T>(kept + a.h, count), v = load_lanes<T>(kept + 2 * a.h, count);
    d[0] = dh * (T(1) - z) * (T(1) - v * v);
    d[2] = dh * (before(a, t, n, u, count) - v) * z * (T(1) - z);
    return dh * z;
  }
  static vec<T> unit2(const A& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t u, ptrdiff_t count, vec<T> dq, vec<T>* d) {
    vec<T> r = load_lanes<T>(gates_of(a, t, n) + u, count);
    d[1] = dq * before(a, t, n, u, count) * r * (T(1) - r);
    return dq * r;
  }
  static void fetch(const A& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t u) {
    UNROLL for (int g = 0; g < 4; g++) __builtin_prefetch(gates_of(a, t, n) + g * a.h + u);
  }
  static T* db(const A& a, int which) { return static_cast<T*>(which ? a.db_hh : a.db_ih); }
};

template <class T>
struct gru_backward_r2_before : ThroughTime<GruBeforeUnit<T>, GruBackward, T> {
  static const char* supports(const GruBackward& a) {
    return a.before ? nullptr : "it has only the formulas of a reset gate before the product";
  }
};
