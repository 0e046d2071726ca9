// Idea:  a vector of a row at a time.
// Since: r0_naive calls exp twice for each number.
// Why:   exp as a polynomial in registers (simd/math.h), computed once: the result holds it until the sum is known.
// Price: the axis must be innermost. Each row ends in two folds over the lanes, which short rows feel.
#pragma once

template <class T>
struct softmax_r1_rows : Plain<Softmax> {
  static constexpr ptrdiff_t L = lanes<T>;

  static const char* supports(const Softmax& a) {
    return a.x_d != 1 || a.y_d != 1 ? "needs the axis innermost in memory (x_d = y_d = 1)" : nullptr;
  }

  static void run(const Softmax& a, const Team& team) noexcept {
    Range rows = share(a.o * a.i, team);
    for (ptrdiff_t row = rows.begin; row < rows.end && a.d > 0; row++) {
      const T* x = static_cast<const T*>(a.x) + row / a.i * a.x_o + row % a.i * a.x_i;  // [d]
      T* y = static_cast<T*>(a.y) + row / a.i * a.y_o + row % a.i * a.y_i;              // [d]
      T top = largest(x, a.d);
      if (a.log) {
        T sum = total(x, y, a.d, top, false);
        T log_sum = T(__builtin_log(double(sum)));
        each(y, x, a.d, [=](vec<T> v) { return (v - top) - log_sum; });
      } else {
        T sum = total(x, y, a.d, top, true);
        each(y, y, a.d, [=](vec<T> v) { return v / sum; });
      }
    }
  }

  static T largest(const T* x, ptrdiff_t count) {
    const T none = -T(__builtin_inf());
    vec<T> most = broadcast<T>(none), more = most;
    ptrdiff_t d = 0;
    for (; d + 2 * L <= count; d += 2 * L) most = max<T>(load<T>(x + d), most), more = max<T>(load<T>(x + d + L), more);
    for (; d + L <= count; d += L) most = max<T>(load<T>(x + d), most);
    if (d < count) most = max<T>(filled(x + d, count - d, none), most);
    return fold_lanes<T>(max<T>(most, more), [](vec<T> p, vec<T> q) { return max<T>(p, q); });
  }

  static vec<T> filled(const T* x, ptrdiff_t n, T fill) {
    T lane[L];
    for (int i = 0; i < L; i++) lane[i] = T(i);
    return load<T>(lane) < T(n) ? load_n<T>(x, n) : broadcast<T>(fill);
  }

  // Sum of exp(x - top); the exponentials go to y if they are to be kept.
  static T total(const T* x, T* y, ptrdiff_t count, T top, bool keep) {
    vec<T> sum{}, more{};
    ptrdiff_t d = 0;
    for (; d + 2 * L <= count; d += 2 * L) {
      vec<T> e = exp<T>(load<T>(x + d) - top), f = exp<T>(load<T>(x + d + L) - top);
      if (keep) store<T>(y + d, e), store<T>(y + d + L, f);
      sum += e, more += f;
    }
    for (; d < count; d += L) {
      ptrdiff_t n = count - d < L ? count - d : L;
      vec<T> e = only_n<T>(exp<T>(filled(x + d, n, top) - top), n);
      if (keep) store_n<T>(y + d, e, n);
      sum += e;
    }
    return add_lanes<T>(sum + more);
  }

  template <class F>
  static void each(T* y, const T* x, ptrdiff_t count, F f) {
    ptrdiff_t d = 0;
    for (; d + L <= count; d += L) store<T>(y + d, f(load<T>(x + d)));
    if (d < count) store_n<T>(y + d, f(load_n<T>(x + d, count - d)), count - d);
  }
};
