// Idea:  a vector of a row at a time.
// Since: r0_naive computes one number at a time.
// Why:   two loads and a store for a whole register; exp as a polynomial in registers (simd/math.h).
// Price: the axis must be innermost.
#pragma once

template <class T>
struct softmax_backward_r1_rows : Plain<Softmax> {
  static constexpr ptrdiff_t L = lanes<T>;

  static const char* supports(const Softmax& a) {
    return a.y_d != 1 || a.dy_d != 1 || a.dx_d != 1 ? "needs the axis innermost in memory (y_d = dy_d = dx_d = 1)"
                                                    : nullptr;
  }

  static void run(const Softmax& a, const Team& team) noexcept {
    Range rows = share(a.o * a.i, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t o = row / a.i, i = row % a.i;
      const T* y = static_cast<const T*>(a.y) + o * a.y_o + i * a.y_i;      // [d]
      const T* dy = static_cast<const T*>(a.dy) + o * a.dy_o + i * a.dy_i;  // [d]
      T* dx = static_cast<T*>(a.dx) + o * a.dx_o + i * a.dx_i;              // [d]
      vec<T> sums{};
      for (ptrdiff_t d = 0; d < a.d; d += L) {
        vec<T> g = part(dy, d, a.d);
        sums += a.log ? g : g * part(y, d, a.d);
      }
      T sum = add_lanes<T>(sums);
      for (ptrdiff_t d = 0; d < a.d; d += L) {
        vec<T> g = part(dy, d, a.d), v = part(y, d, a.d);
        vec<T> result = a.log ? g - exp<T>(v) * sum : v * (g - sum);
        if (d + L <= a.d) store<T>(dx + d, result);
        else store_n<T>(dx + d, result, a.d - d);
      }
    }
  }

  static vec<T> part(const T* p, ptrdiff_t d, ptrdiff_t count) {
    return d + L <= count ? load<T>(p + d) : load_n<T>(p + d, count - d);
  }
};
