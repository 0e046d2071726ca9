// Idea:  whole vectors: the dot products with h run along k in the lanes, and the function is that of a vector of
// units.
//        (An Elman unit has one sum and no gates; the step is called as in lstm and gru.)
// Since: input_gemm still had one number per instruction wherever h takes part. The product with x is its own.
// Why:   16 lanes (AVX-512) for each instruction of the recurrent half; libm's scalar tanh is gone. Four units take
//        turns, so that four chains of multiply-adds share each load of h.
// Price: a load of w_hh for each multiply-add, the lanes of each dot product must be added up at its end, and all of
//        w_hh is read again for each sequence.
#pragma once

template <class T>
struct rnn_r2_gates : Plain<Rnn> {
  using Below = rnn_r1_input_gemm<T>;
  static constexpr ptrdiff_t L = lanes<T>;
  static size_t packed_bytes(const Rnn& a) { return Below::packed_bytes(a); }
  static void prepare(const Rnn& a, void* packed, const Team& team) noexcept { Below::prepare(a, packed, team); }

  static void run(const Rnn& a, const Team& team) noexcept {
    Range mine = share(Below::panels(a), team), batch = share(a.n, team);
    for (ptrdiff_t p = mine.begin; p < mine.end; p++)
      for (ptrdiff_t t = 0; t < a.t; t++) Below::input_panel(a, p, t);
    team.barrier(&team);
    for (ptrdiff_t n = batch.begin; n < batch.end; n++) sequence(a, n);
  }

  static void sequence(const Rnn& a, ptrdiff_t n) {
    const T* h0 = static_cast<const T*>(a.h0);  // [n, h] or null
    T* h = static_cast<T*>(a.hn) + n * a.h;     // the state
    for (ptrdiff_t u = 0; u < a.h; u++) h[u] = h0 ? h0[n * a.h + u] : T(0);
    for (ptrdiff_t t = 0; t < a.t; t++) {
      T* y = static_cast<T*>(a.y) + t * a.y_t + n * a.y_n;  // the sums of x, then the outputs
      bool valid = is_valid(a, t, n);
      ptrdiff_t u = 0;
      for (; u + 4 <= a.h && valid; u += 4) add_dots<4>(a, u, h, y);
      for (; u < a.h && valid; u++) add_dots<1>(a, u, h, y);
      for (u = 0; u < a.h; u += L) {
        vec<T> s = load_lanes<T>(y + u, a.h - u), after = a.relu ? (s < T(0) ? vec<T>{} : s) : tanh<T>(s);
        store_lanes<T>(y + u, valid ? after : vec<T>{}, a.h - u);
        if (valid) store_lanes<T>(h + u, after, a.h - u);
      }
    }
  }

  // The dot products of `count` units from u on share each load of h.
  template <int count>
  static void add_dots(const Rnn& a, ptrdiff_t u, const T* h, T* sums) {
    const T* w = static_cast<const T*>(a.w_hh) + u * a.h;  // [count, h]
    vec<T> dot[count] = {};
    for (ptrdiff_t k = 0; k < a.h; k += L) {
      vec<T> state = load_lanes<T>(h + k, a.h - k);
      for (int j = 0; j < count; j++) dot[j] += state * load_lanes<T>(w + j * a.h + k, a.h - k);
    }
    for (int j = 0; j < count; j++) sums[u + j] += sum_lanes<T>(dot[j]);
  }
};
