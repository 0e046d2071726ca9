// Idea:  a vector of classes at a time.
// Since: r0_naive calls exp once for each class, and each of its sums waits for the one before.
// Why:   exp as a polynomial in registers (simd/math.h); each lane keeps its own maximum and its own sum.
// Price: sums in float instead of double. Where classes are not neighbours in memory (images as [n, c, h, w]) they
//        are gathered one by one; and 10 classes fill 10 lanes of 16.
#pragma once

template <class T>
struct cross_entropy_r1_vec : Plain<CrossEntropy> {
  static constexpr ptrdiff_t L = lanes<T>;

  static void run(const CrossEntropy& a, const Team& team) noexcept {
    const T* logits = static_cast<const T*>(a.logits);  // [n, c, s]
    const T* weight = static_cast<const T*>(a.weight);  // [c] or null
    T* loss = static_cast<T*>(a.loss);                  // [n, s]
    T* lse = static_cast<T*>(a.lse);                    // [n, s] or null
    T* row_weight = static_cast<T*>(a.row_weight);      // [n, s] or null
    T keep = T(1 - a.label_smoothing), smooth = T(a.label_smoothing / double(a.c));
    Range rows = share(a.n * a.s, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / a.s, s = row % a.s;
      const T* x = logits + n * a.logits_n + s * a.logits_s;
      T log_sum = log_sum_exp(x, a.logits_c, a.c);
      if (lse) lse[row] = log_sum;

      int64_t t = a.target[n * a.target_n + s * a.target_s];
      bool ignored = t == a.ignore_index;
      if (row_weight) row_weight[row] = ignored ? T(0) : weight ? weight[t] : T(1);
      loss[row] = 0;
      if (ignored) continue;
      T spread = smooth == 0 ? T(0) : smooth * spread_over(x, a.logits_c, a.c, weight, log_sum);
      loss[row] = keep * (weight ? weight[t] : T(1)) * (log_sum - x[t * a.logits_c]) + spread;
    }
  }

  // The first n lanes of v; beyond them `fill`.
  static vec<T> first_lanes(vec<T> v, ptrdiff_t n, T fill) {
    if (n >= L) return v;
    T place[L];
    for (int i = 0; i < L; i++) place[i] = T(i);
    return load<T>(place) < T(n) ? v : broadcast<T>(fill);
  }

  // Numbers [c, c + L) of a row; behind its end `fill`.
  static vec<T> load_filled(const T* x, ptrdiff_t step, ptrdiff_t c, ptrdiff_t classes, T fill) {
    ptrdiff_t n = classes - c < L ? classes - c : L;
    return first_lanes(load_strided<T>(x + c * step, step, n), n, fill);
  }

  static T log_sum_exp(const T* x, ptrdiff_t step, ptrdiff_t classes) {
    const T none = -T(__builtin_inf());
    vec<T> most = broadcast<T>(none), sum{};
    for (ptrdiff_t c = 0; c < classes; c += L) most = max<T>(load_filled(x, step, c, classes, none), most);
    T largest = fold_lanes<T>(most, [](vec<T> p, vec<T> q) { return max<T>(p, q); });
    for (ptrdiff_t c = 0; c < classes; c += L)  // not exp(-inf) behind the end: results below 1e-38 take 100 cycles
      sum += first_lanes(exp<T>(load_filled(x, step, c, classes, largest) - largest), classes - c, 0);
    T total = fold_lanes<T>(sum, [](vec<T> p, vec<T> q) { return p + q; });
    return largest + T(__builtin_log(double(total)));
  }

  // sum over c of w[c] * (lse - x[c])
  static T spread_over(const T* x, ptrdiff_t step, ptrdiff_t classes, const T* weight, T log_sum) {
    vec<T> sum{};
    for (ptrdiff_t c = 0; c < classes; c += L) {
      vec<T> distance = log_sum - load_filled(x, step, c, classes, log_sum);
      sum += weight ? load_filled(weight, 1, c, classes, 0) * distance : distance;
    }
    return fold_lanes<T>(sum, [](vec<T> p, vec<T> q) { return p + q; });
  }
};
