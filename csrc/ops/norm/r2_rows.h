// Idea:  where a row of numbers is a set of its own (layer and RMS norm), walk over it three times in L1.
// Since: r1_channels cuts the rows into pieces and meets twice to put them together: nothing of that is needed here.
// Why:   one row, one member; mean first, then the distances from it, so that nothing cancels.
// Price: only for one group and s = 1. Each row ends in two sums over the lanes.
#pragma once

template <class T>
struct norm_r2_rows : Plain<Norm> {
  static constexpr ptrdiff_t L = lanes<T>;

  static const char* supports(const Norm& a) {
    if (a.groups != 1 || a.s != 1 || a.over_n || a.given)
      return "needs rows that are sets: one group, s = 1, statistics from x";
    if (!a.y) return "writes a result, not statistics alone";
    return a.c > 1 && (a.x_c != 1 || a.y_c != 1) ? "needs rows of neighbours (x_c = y_c = 1)" : nullptr;
  }

  static void run(const Norm& a, const Team& team) noexcept {
    const T* weight = static_cast<const T*>(a.weight);  // [c] or null
    const T* bias = static_cast<const T*>(a.bias);      // [c] or null
    Range rows = share(a.n, team, 16);                  // 16: no two members write into one line of mean
    if (a.c == 0) return;
    bool past = goes_past<T>(a.y, a.x, a.y_n, a.n * a.c * sizeof(T));
    for (ptrdiff_t n = rows.begin; n < rows.end; n++) {
      const T* x = static_cast<const T*>(a.x) + n * a.x_n;  // [c]
      T* y = static_cast<T*>(a.y) + n * a.y_n;              // [c]
      T mean = a.centre ? sum(x, a.c, [](vec<T> v, ptrdiff_t) { return v; }) / T(a.c) : T(0);
      T var = sum(x, a.c,
                  [mean](vec<T> v, ptrdiff_t k) {
                    vec<T> d = k < L ? only_n<T>(v - mean, k) : v - mean;
                    return d * d;
                  }) /
              T(a.c);
      static_cast<T*>(a.mean)[n] = mean;
      static_cast<T*>(a.var)[n] = var;
      T rstd = get_lane<T>(reciprocal_root<T>(broadcast<T>(var + T(a.eps))), 0);
      if (weight && bias)
        write(x, y, a.c, mean, rstd, past,
              [=](ptrdiff_t c, ptrdiff_t k, vec<T> h) { return h * part(weight, c, k) + part(bias, c, k); });
      else if (weight)
        write(x, y, a.c, mean, rstd, past, [=](ptrdiff_t c, ptrdiff_t k, vec<T> h) { return h * part(weight, c, k); });
      else
        write(x, y, a.c, mean, rstd, past,
              [=](ptrdiff_t c, ptrdiff_t k, vec<T> h) { return bias ? h + part(bias, c, k) : h; });
    }
    if (past) stream_end();
  }

  static inline vec<T> part(const T* p, ptrdiff_t c, ptrdiff_t k) {
    return k >= L ? load<T>(p + c) : load_n<T>(p + c, k);
  }

  // Sum over the row of f(vector, how many of its lanes count). Four sums, so that additions need not wait.
  template <class F>
  static inline T sum(const T* x, ptrdiff_t count, F f) {
    vec<T> s[4] = {};
    ptrdiff_t c = 0;
    for (; c + 4 * L <= count; c += 4 * L) UNROLL for (int v = 0; v < 4; v++) s[v] += f(load<T>(x + c + v * L), L);
    for (; c + L <= count; c += L) s[0] += f(load<T>(x + c), L);
    if (c < count) s[1] += f(load_n<T>(x + c, count - c), count - c);
    return add_lanes<T>((s[0] + s[1]) + (s[2] + s[3]));
  }

  template <class F>
  static inline void write(const T* x, T* y, ptrdiff_t count, T mean, T rstd, bool past, F f) {
    ptrdiff_t c = 0;
    for (; c + L <= count; c += L) put<T>(y + c, f(c, L, (load<T>(x + c) - mean) * rstd), past);
    if (c < count) store_n<T>(y + c, f(c, count - c, (load_n<T>(x + c, count - c) - mean) * rstd), count - c);
  }
};
