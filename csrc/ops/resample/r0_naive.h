// Idea:  for every output, walk over its taps along the three axes.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: a sum over all combinations of taps for each number: 8 for trilinear.
#pragma once

template <class T>
struct resample_r0_naive : Plain<Resample> {
  static void run(const Resample& a, const Team& team) noexcept {
    const T* weight_d = static_cast<const T*>(a.weight_d);
    const T* weight_h = static_cast<const T*>(a.weight_h);
    const T* weight_w = static_cast<const T*>(a.weight_w);
    Range rows = share(a.n * a.od * a.oh, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / (a.od * a.oh), d = row / a.oh % a.od, h = row % a.oh;
      for (ptrdiff_t w = 0; w < a.ow; w++)
        for (ptrdiff_t c = 0; c < a.c; c++) {
          const T* x = static_cast<const T*>(a.x) + n * a.x_n + c * a.x_c;  // [id, ih, iw]
          double sum = 0;
          bool some = false;
          for (ptrdiff_t p = a.begin_d[d]; p < a.begin_d[d + 1]; p++)
            for (ptrdiff_t q = a.begin_h[h]; q < a.begin_h[h + 1]; q++)
              for (ptrdiff_t r = a.begin_w[w]; r < a.begin_w[w + 1]; r++) {
                double value = x[a.index_d[p] * a.x_d + a.index_h[q] * a.x_h + a.index_w[r] * a.x_w];
                sum += double(weight_d[p]) * double(weight_h[q]) * double(weight_w[r]) * value;
                some = true;
              }
          static_cast<T*>(a.y)[n * a.y_n + c * a.y_c + d * a.y_d + h * a.y_h + w * a.y_w] = T(some ? sum : a.fill);
        }
    }
  }
};
