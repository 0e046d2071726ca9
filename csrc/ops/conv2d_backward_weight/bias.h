// dL/dbias: the sum of dy over all pixels, for the rungs above naive. It reads dy once and does one add per number,
// where dw does ic * kh * kw multiply-adds, so it is simple: a sum per row of pixels, then the sum of the rows (two
// levels also keep the rounding errors of long sums small).
#pragma once

// The sum of `size` vectors that lie `step` apart; four at a time, since an add takes four cycles.
template <class T, class Load>
inline __attribute__((always_inline)) vec<T> sum_row(const T* p, ptrdiff_t size, ptrdiff_t step, Load load_p) {
  vec<T> s0 = {}, s1 = {}, s2 = {}, s3 = {};
  ptrdiff_t i = 0;
  for (; i + 4 <= size; i += 4) {
    s0 += load_p(p + i * step), s1 += load_p(p + (i + 1) * step);
    s2 += load_p(p + (i + 2) * step), s3 += load_p(p + (i + 3) * step);
  }
  for (; i < size; i++) s0 += load_p(p + i * step);
  return (s0 + s1) + (s2 + s3);
}

template <class T>
inline void bias_gradient(const Conv2d& a, const Team& team) noexcept {
  constexpr int L = lanes<T>;
  T* bias = static_cast<T*>(a.bias);
  if (!bias) return;
  bool channels_last = a.y_c == 1;
  Range mine = share(a.oc, team, channels_last ? L : 1);
  for (ptrdiff_t oc = mine.begin; oc < mine.end; oc += channels_last ? L : 1) {
    ptrdiff_t count = mine.end - oc < L ? mine.end - oc : L;
    vec<T> total = {};
    for (ptrdiff_t n = 0; n < a.n; n++)
      for (ptrdiff_t oh = 0; oh < a.oh; oh++) {
        const T* row = static_cast<const T*>(a.y) + n * a.y_n + oc * a.y_c + oh * a.y_h;  // [ow]
        if (channels_last && count == L) total += sum_row(row, a.ow, a.y_w, [](const T* p) { return load<T>(p); });
        else if (channels_last) total += sum_row(row, a.ow, a.y_w, [=](const T* p) { return load_n<T>(p, count); });
        else if (a.y_w == 1) {  // NCHW: vectors along the row
          total += sum_row(row, a.ow / L, L, [](const T* p) { return load<T>(p); });
          if (a.ow % L) total += load_n<T>(row + a.ow / L * L, a.ow % L);
        } else {
          T sum = 0;
          for (ptrdiff_t ow = 0; ow < a.ow; ow++) sum += row[ow * a.y_w];
          T first[L] = {sum};
          total += load<T>(first);
        }
      }
    if (channels_last) store_n<T>(bias + oc, total, count);
    else bias[oc] = sum_lanes<T>(total);
  }
}
