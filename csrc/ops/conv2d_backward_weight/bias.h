// dL/dbias: the sum of dy over all pixels, for the rungs above naive. It reads dy once and does one add per number,
// where dw does ic * kh * kw multiply-adds, so it is simple: a sum per row of pixels, then the sum of the rows (two
// levels also keep the rounding errors of long sums small).
#pragma once

// Channels-last: V vectors of channels (the last one with `last` lanes), 4 / V pixels at a time: an add takes four
// cycles, so four sums.
template <int V, class T>
inline void bias_channels(const Conv2d& a, ptrdiff_t oc, ptrdiff_t last) noexcept {
  constexpr int L = lanes<T>, U = 4 / V;
  auto load_y = [=](const T* y, int v) {
    return v < V - 1 || last == L ? load<T>(y + v * L) : load_n<T>(y + v * L, last);
  };
  vec<T> total[V] = {};
  for (ptrdiff_t n = 0; n < a.n; n++)
    for (ptrdiff_t oh = 0; oh < a.oh; oh++) {
      const T* y = static_cast<const T*>(a.y) + n * a.y_n + oc + oh * a.y_h;  // [ow, V * L]
      vec<T> sum[U][V] = {};
      ptrdiff_t ow = 0;
      for (; ow + U <= a.ow; ow += U)
        for (int u = 0; u < U; u++, y += a.y_w)
          for (int v = 0; v < V; v++) sum[u][v] += load_y(y, v);
      for (; ow < a.ow; ow++, y += a.y_w)
        for (int v = 0; v < V; v++) sum[0][v] += load_y(y, v);
      for (int u = 0; u < U; u++)
        for (int v = 0; v < V; v++) total[v] += sum[u][v];
    }
  T* bias = static_cast<T*>(a.bias) + oc;
  for (int v = 0; v < V; v++) store_n<T>(bias + v * L, total[v], v < V - 1 ? L : last);
}

// Any strides: one channel, vectors along the row where it is dense (NCHW).
template <class T>
inline void bias_channel(const Conv2d& a, ptrdiff_t oc) noexcept {
  constexpr int L = lanes<T>;
  vec<T> total = {};
  T rest = 0;
  for (ptrdiff_t n = 0; n < a.n; n++)
    for (ptrdiff_t oh = 0; oh < a.oh; oh++) {
      const T* y = static_cast<const T*>(a.y) + n * a.y_n + oc * a.y_c + oh * a.y_h;  // [ow]
      ptrdiff_t ow = 0;
      T sum = 0;
      if (a.y_w == 1)
        for (; ow + L <= a.ow; ow += L) total += load<T>(y + ow);
      for (; ow < a.ow; ow++) sum += y[ow * a.y_w];
      rest += sum;
    }
  static_cast<T*>(a.bias)[oc] = sum_lanes<T>(total) + rest;
}

template <class T>
inline void bias_gradient(const Conv2d& a, const Team& team) noexcept {
  constexpr int L = lanes<T>;
  if (!a.bias) return;
  if (a.y_c != 1) {
    Range mine = share(a.oc, team);
    for (ptrdiff_t oc = mine.begin; oc < mine.end; oc++) bias_channel<T>(a, oc);
    return;
  }
  Range mine = share(a.oc, team, L);
  for (ptrdiff_t oc = mine.begin; oc < mine.end;) {
    ptrdiff_t rest = mine.end - oc;
    if (rest >= 4 * L) bias_channels<4, T>(a, oc, L), oc += 4 * L;
    else if (rest >= 2 * L) bias_channels<2, T>(a, oc, L), oc += 2 * L;
    else bias_channels<1, T>(a, oc, rest < L ? rest : L), oc += L;
  }
}
