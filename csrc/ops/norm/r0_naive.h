// Idea:  set by set: the mean, the mean of the squared distances from it, and then the formula.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same. Sums are in double.
// Price: three walks over each set, with a stride of all channels where the set is one channel.
#pragma once

template <class T>
struct norm_r0_naive : Plain<Norm> {
  static constexpr bool epilogue = true;

  // f(x, index of the element in x, its channel) for each element of the set (image or -1, group).
  template <class F>
  static void each(const Norm& a, ptrdiff_t image, ptrdiff_t group, F f) {
    ptrdiff_t width = a.c / a.groups, n0 = a.over_n ? 0 : image, n1 = a.over_n ? a.n : image + 1;
    for (ptrdiff_t n = n0; n < n1; n++)
      for (ptrdiff_t s = 0; s < a.s; s++)
        for (ptrdiff_t c = group * width; c < (group + 1) * width; c++) f(n, s, c);
  }

  static void run(const Norm& a, const Team& team) noexcept {
    const T* x = static_cast<const T*>(a.x);            // [n, s, c]
    const T* weight = static_cast<const T*>(a.weight);  // [c] or null
    const T* bias = static_cast<const T*>(a.bias);      // [c] or null
    const T* add = static_cast<const T*>(a.add);        // [n, s, c] or null
    T* y = static_cast<T*>(a.y);                        // [n, s, c] or null
    T* mean = static_cast<T*>(a.mean);                  // [sets]
    T* var = static_cast<T*>(a.var);                    // [sets]
    if (a.n * a.s * a.c == 0) return;
    Range sets = share((a.over_n ? 1 : a.n) * a.groups, team);
    double count = double(a.s) * double(a.c / a.groups) * double(a.over_n ? a.n : 1);
    for (ptrdiff_t set = sets.begin; set < sets.end; set++) {
      ptrdiff_t image = set / a.groups, group = set % a.groups;
      double centre = 0, spread = 0;
      if (a.given) {
        centre = mean[set], spread = var[set];
      } else {
        if (a.centre)
          each(a, image, group,
               [&](ptrdiff_t n, ptrdiff_t s, ptrdiff_t c) { centre += x[n * a.x_n + s * a.x_s + c * a.x_c]; });
        centre /= count;
        each(a, image, group, [&](ptrdiff_t n, ptrdiff_t s, ptrdiff_t c) {
          double d = x[n * a.x_n + s * a.x_s + c * a.x_c] - centre;
          spread += d * d;
        });
        spread /= count;
        mean[set] = T(centre), var[set] = T(spread);
      }
      if (!y) continue;
      double rstd = 1 / __builtin_sqrt(spread + a.eps);
      each(a, image, group, [&](ptrdiff_t n, ptrdiff_t s, ptrdiff_t c) {
        double h = (x[n * a.x_n + s * a.x_s + c * a.x_c] - centre) * rstd;
        T v = T(h * (weight ? weight[c] : 1) + (bias ? bias[c] : 0));
        ptrdiff_t at = n * a.y_n + s * a.y_s + c * a.y_c;
        if (add) v += add[at];
        y[at] = a.activation && v <= 0 ? T(0) : v;
      });
    }
  }
};
