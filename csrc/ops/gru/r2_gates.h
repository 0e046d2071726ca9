// Idea:  whole vectors: the dot products with h run along k in the lanes, and the gates of a vector of units are
//        computed together by the vector exp and tanh of simd/math.h.
// Since: input_gemm still had one number per instruction wherever h takes part. The product with x is its own.
// Why:   16 lanes (AVX-512) for each instruction of the recurrent half, three chains side by side that share each load
//        of h; libm's scalar exp and tanh are gone.
// Price: a load of w_hh for each multiply-add, the lanes of each dot product must be added up at its end, and all of
//        w_hh is read again for each sequence.
#pragma once

template <class T>
struct gru_r2_gates : Plain<Gru> {
  using Below = gru_r1_input_gemm<T>;
  static constexpr ptrdiff_t L = lanes<T>;
  static const char* supports(const Gru& a) { return a.before ? "it computes all three gates from one h" : nullptr; }
  static size_t packed_bytes(const Gru& a) { return Below::packed_bytes(a); }
  static void prepare(const Gru& a, void* packed, const Team& team) noexcept { Below::prepare(a, packed, team); }

  // sums of x [t, n, row_size], and of each sequence those of h [n][3h]
  static size_t scratch_bytes(const Gru& a, int) {
    return size_t(a.t * a.n * Below::row_size(a) + 3 * a.n * a.h) * sizeof(T);
  }

  static void run(const Gru& a, const Team& team) noexcept {
    Range mine = share(Below::panels(a), team), batch = share(a.n, team);
    for (ptrdiff_t p = mine.begin; p < mine.end; p++) Below::input_panel(a, p);
    team.barrier(&team);
    for (ptrdiff_t n = batch.begin; n < batch.end; n++) sequence(a, n);
  }

  static void sequence(const Gru& a, ptrdiff_t n) {
    const T* h0 = static_cast<const T*>(a.h0);  // [n, h] or null
    T* h = static_cast<T*>(a.hn) + n * a.h;     // the state
    T* of_h = Below::sums_of(a, a.t, 0) + 3 * n * a.h;
    for (ptrdiff_t u = 0; u < a.h; u++) h[u] = h0 ? h0[n * a.h + u] : T(0);
    for (ptrdiff_t t = 0; t < a.t; t++) {
      T* y = static_cast<T*>(a.y) + t * a.y_t + n * a.y_n;
      if (!is_valid(a, t, n)) {
        gru_r0_naive<T>::nothing(a, t, n, y);
        continue;
      }
      for (ptrdiff_t u = 0; u < a.h; u++) dots(a, u, h, of_h);
      for (ptrdiff_t u = 0; u < a.h; u += L) units(a, t, n, u, of_h, h, y);
    }
  }

  // of_h = b_hh + h * w_hh^T of unit u: its three dot products share each load of h.
  static void dots(const Gru& a, ptrdiff_t u, const T* h, T* of_h) {
    const T* w = static_cast<const T*>(a.w_hh) + u * a.h;  // [3, h], a gate's row every h * h
    const T* b_hh = static_cast<const T*>(a.b_hh);         // [3h] or null
    vec<T> dot[3] = {};
    for (ptrdiff_t k = 0; k < a.h; k += L) {
      vec<T> state = load_lanes<T>(h + k, a.h - k);
      for (int g = 0; g < 3; g++) dot[g] += state * load_lanes<T>(w + g * a.h * a.h + k, a.h - k);
    }
    for (int g = 0; g < 3; g++) of_h[g * a.h + u] = (b_hh ? b_hh[g * a.h + u] : T(0)) + sum_lanes<T>(dot[g]);
  }

  // Units u .. u + lanes, or as many as there are: the new state, in y and in h.
  static void units(const Gru& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t u, const T* of_h, T* h, T* y) {
    ptrdiff_t count = a.h - u;
    const T* of_x = Below::sums_of(a, t, n);
    vec<T> x[3], q[3];
    for (int g = 0; g < 3; g++) {
      x[g] = load_lanes<T>(of_x + g * a.h + u, count);
      q[g] = load_lanes<T>(of_h + g * a.h + u, count);
    }
    vec<T> r = sigmoid<T>(x[0] + q[0]), z = sigmoid<T>(x[1] + q[1]), v = tanh<T>(x[2] + r * q[2]);
    vec<T> after = v + z * (load_lanes<T>(h + u, count) - v), kept[4] = {r, z, v, q[2]};
    store_lanes<T>(h + u, after, count);
    store_lanes<T>(y + u, after, count);
    for (int g = 0; g < 4 && a.gates; g++)
      store_lanes<T>(gru_r0_naive<T>::gates_of(a, t, n) + g * a.h + u, kept[g], count);
  }
};
