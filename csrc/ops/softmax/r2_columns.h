// Idea:  where the axis is not innermost, neighbouring rows lie side by side: one row in each lane.
// Since: r1_rows needs the axis innermost.
// Why:   nothing is folded over lanes, and every load brings neighbours.
// Price: i must have neighbours (x_i = y_i = 1); walks along d have a stride, so long axes leave L1 between them.
#pragma once

template <class T>
struct softmax_r2_columns : Plain<Softmax> {
  static constexpr ptrdiff_t L = lanes<T>;

  static const char* supports(const Softmax& a) {
    return a.i < 2 || a.x_i != 1 || a.y_i != 1 ? "needs an axis inside of it, innermost in memory (x_i = y_i = 1)"
                                               : nullptr;
  }

  static void run(const Softmax& a, const Team& team) noexcept {
    ptrdiff_t vectors = (a.i + L - 1) / L;
    Range items = share(a.o * vectors, team);
    for (ptrdiff_t item = items.begin; item < items.end; item++) {
      ptrdiff_t i = item % vectors * L;
      const T* x = static_cast<const T*>(a.x) + item / vectors * a.x_o + i;  // [d, L]
      T* y = static_cast<T*>(a.y) + item / vectors * a.y_o + i;              // [d, L]
      if (i + L <= a.i) columns<true>(a, x, y, L);
      else columns<false>(a, x, y, a.i - i);
    }
  }

  template <bool whole>
  static void columns(const Softmax& a, const T* x, T* y, ptrdiff_t n) noexcept {
    auto get = [n](const T* p) { return whole ? load<T>(p) : load_n<T>(p, n); };
    auto put = [n](T* p, vec<T> v) { whole ? store<T>(p, v) : store_n<T>(p, v, n); };
    vec<T> top = broadcast<T>(-T(__builtin_inf())), sum{};
    for (ptrdiff_t d = 0; d < a.d; d++) top = max<T>(get(x + d * a.x_d), top);
    for (ptrdiff_t d = 0; d < a.d; d++) {
      vec<T> e = exp<T>(get(x + d * a.x_d) - top);
      if (!a.log) put(y + d * a.y_d, e);
      sum += e;
    }
    if (a.log) {
      T lane[L];
      store<T>(lane, sum);
      for (ptrdiff_t k = 0; k < n; k++) lane[k] = T(__builtin_log(double(lane[k])));
      vec<T> log_sum = load_n<T>(lane, n);
      for (ptrdiff_t d = 0; d < a.d; d++) put(y + d * a.y_d, (get(x + d * a.x_d) - top) - log_sum);
    } else {
      for (ptrdiff_t d = 0; d < a.d; d++) put(y + d * a.y_d, get(y + d * a.y_d) / sum);
    }
  }
};
