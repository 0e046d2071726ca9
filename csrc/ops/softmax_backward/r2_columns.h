// Idea:  where the axis is not innermost, neighbouring rows lie side by side: one row in each lane.
// Since: r1_rows needs the axis innermost.
// Why:   nothing is folded over lanes, and every load brings neighbours.
// Price: i must have neighbours (y_i = dy_i = dx_i = 1); walks along d have a stride.
#pragma once

template <class T>
struct softmax_backward_r2_columns : Plain<Softmax> {
  static constexpr ptrdiff_t L = lanes<T>;

  static const char* supports(const Softmax& a) {
    return a.i < 2 || a.y_i != 1 || a.dy_i != 1 || a.dx_i != 1
               ? "needs an axis inside of it, innermost in memory (y_i = dy_i = dx_i = 1)"
               : nullptr;
  }

  static void run(const Softmax& a, const Team& team) noexcept {
    ptrdiff_t vectors = (a.i + L - 1) / L;
    Range items = share(a.o * vectors, team);
    for (ptrdiff_t item = items.begin; item < items.end; item++) {
      ptrdiff_t o = item / vectors, i = item % vectors * L, n = a.i - i < L ? a.i - i : L;
      const T* y = static_cast<const T*>(a.y) + o * a.y_o + i;     // [d, L]
      const T* dy = static_cast<const T*>(a.dy) + o * a.dy_o + i;  // [d, L]
      T* dx = static_cast<T*>(a.dx) + o * a.dx_o + i;              // [d, L]
      auto get = [n](const T* p) { return n == L ? load<T>(p) : load_n<T>(p, n); };
      vec<T> sum{};
      for (ptrdiff_t d = 0; d < a.d; d++) {
        vec<T> g = get(dy + d * a.dy_d);
        sum += a.log ? g : g * get(y + d * a.y_d);
      }
      for (ptrdiff_t d = 0; d < a.d; d++) {
        vec<T> g = get(dy + d * a.dy_d), v = get(y + d * a.y_d);
        vec<T> result = a.log ? g - exp<T>(v) * sum : v * (g - sum);
        if (n == L) store<T>(dx + d * a.dx_d, result);
        else store_n<T>(dx + d * a.dx_d, result, n);
      }
    }
  }
};
