// Idea:  set by set: the mean of g = dy * weight and of g * h, and then the formula; channel by channel the sums.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same. Sums are in double.
// Price: three walks over everything; members share sets, then channels.
#pragma once

template <class T>
struct norm_backward_r0_naive : Plain<Norm> {
  static constexpr bool epilogue = true;

  static void run(const Norm& a, const Team& team) noexcept {
    if (a.dx && a.n * a.s * a.c > 0) input(a, team);
    if (a.dweight || a.dbias) affine(a, team);
  }

  static double rstd(const Norm& a, ptrdiff_t set) {
    return 1 / __builtin_sqrt(double(static_cast<const T*>(a.var)[set]) + a.eps);
  }

  // h of one element
  static double normal(const Norm& a, ptrdiff_t n, ptrdiff_t s, ptrdiff_t c, double r) {
    ptrdiff_t set = (a.over_n ? 0 : n * a.groups) + c / (a.c / a.groups);
    return (double(static_cast<const T*>(a.x)[n * a.x_n + s * a.x_s + c * a.x_c]) -
            static_cast<const T*>(a.mean)[set]) *
           r;
  }

  // dL/dy of one element: nothing where ReLU let nothing through
  static T upstream(const Norm& a, ptrdiff_t n, ptrdiff_t s, ptrdiff_t c, double r) {
    if (a.activation) {
      T weight = a.weight ? static_cast<const T*>(a.weight)[c] : T(1);
      T y = T(normal(a, n, s, c, r) * weight + (a.bias ? static_cast<const T*>(a.bias)[c] : T(0)));
      if (y <= 0) return 0;
    }
    return static_cast<const T*>(a.y)[n * a.y_n + s * a.y_s + c * a.y_c];
  }

  static void input(const Norm& a, const Team& team) noexcept {
    const T* weight = static_cast<const T*>(a.weight);  // [c] or null
    T* dx = static_cast<T*>(a.dx);                      // [n, s, c]
    Range sets = share((a.over_n ? 1 : a.n) * a.groups, team);
    double count = double(a.s) * double(a.c / a.groups) * double(a.over_n ? a.n : 1);
    for (ptrdiff_t set = sets.begin; set < sets.end; set++) {
      double r = rstd(a, set), mean_g = 0, mean_gh = 0;
      auto g = [&](ptrdiff_t n, ptrdiff_t s, ptrdiff_t c) {
        return double(upstream(a, n, s, c, r)) * (weight ? weight[c] : 1);
      };
      if (!a.given) {
        norm_r0_naive<T>::each(a, set / a.groups, set % a.groups, [&](ptrdiff_t n, ptrdiff_t s, ptrdiff_t c) {
          if (a.centre) mean_g += g(n, s, c);
          mean_gh += g(n, s, c) * normal(a, n, s, c, r);
        });
        mean_g /= count, mean_gh /= count;
      }
      norm_r0_naive<T>::each(a, set / a.groups, set % a.groups, [&](ptrdiff_t n, ptrdiff_t s, ptrdiff_t c) {
        dx[n * a.dx_n + s * a.dx_s + c * a.dx_c] = T(r * (g(n, s, c) - mean_g - normal(a, n, s, c, r) * mean_gh));
      });
    }
  }

  static void affine(const Norm& a, const Team& team) noexcept {
    Range channels = share(a.c, team);
    for (ptrdiff_t c = channels.begin; c < channels.end; c++) {
      double sum = 0, sum_h = 0;
      for (ptrdiff_t n = 0; n < a.n; n++) {
        double r = rstd(a, (a.over_n ? 0 : n * a.groups) + c / (a.c / a.groups));
        for (ptrdiff_t s = 0; s < a.s; s++) {
          double g = upstream(a, n, s, c, r);
          sum += g;
          sum_h += g * normal(a, n, s, c, r);
        }
      }
      if (a.dweight) static_cast<T*>(a.dweight)[c] = T(sum_h);
      if (a.dbias) static_cast<T*>(a.dbias)[c] = T(sum);
    }
  }
};
