"""Plain loops over arrays, for what has no ladder: + - * / between arrays or with a number, sums of
gradients, copies to another order of the axes, masks. They are bound by memory, so there is nothing to
climb."""

from libc.stdint cimport int64_t, uint64_t


cdef extern from *:
    """
    #include <stdint.h>
    #include <cstdlib>
    #include <cstring>
    #include <utility>
    #if defined(__x86_64__)
    #include <emmintrin.h>
    #endif
    namespace {
    enum { loop_add, loop_sub, loop_mul, loop_div };

    // out[i] = f(i). Results from 8 MB on go past the caches, as in csrc/simd/vec.h: by lines of 64
    // bytes, because the compiler makes no such stores of its own.
    template <class T, class F>
    void loop(T* __restrict__ out, int64_t n, F f) {
      int64_t i = 0;
    #if defined(__x86_64__)
      constexpr int64_t some = 64 / sizeof(T);
      bool past = n * int64_t(sizeof(T)) >= 8 << 20 && uintptr_t(out) % 16 == 0;
      for (; past && i + some <= n; i += some) {
        alignas(16) T block[some];
        for (int64_t k = 0; k < some; k++) block[k] = f(i + k);
        const __m128i* from = reinterpret_cast<const __m128i*>(block);
        __m128i* to = reinterpret_cast<__m128i*>(out + i);
        for (size_t k = 0; k < sizeof block / 16; k++) _mm_stream_si128(to + k, from[k]);
      }
      if (past) _mm_sfence();
    #endif
      for (; i < n; i++) out[i] = f(i);
    }

    // out = a op b
    template <class T>
    void loop_arrays(int op, const T* a, const T* b, T* out, int64_t n) {
      if (op == loop_add) loop(out, n, [=](int64_t i) { return a[i] + b[i]; });
      if (op == loop_sub) loop(out, n, [=](int64_t i) { return a[i] - b[i]; });
      if (op == loop_mul) loop(out, n, [=](int64_t i) { return a[i] * b[i]; });
      if (op == loop_div) loop(out, n, [=](int64_t i) { return a[i] / b[i]; });
    }

    // out = a op s, or s op a if swapped
    template <class T>
    void loop_scalar(int op, bool swapped, const T* a, T s, T* out, int64_t n) {
      if (op == loop_add) loop(out, n, [=](int64_t i) { return a[i] + s; });
      if (op == loop_sub && !swapped) loop(out, n, [=](int64_t i) { return a[i] - s; });
      if (op == loop_sub && swapped) loop(out, n, [=](int64_t i) { return s - a[i]; });
      if (op == loop_mul) loop(out, n, [=](int64_t i) { return a[i] * s; });
      if (op == loop_div && !swapped) loop(out, n, [=](int64_t i) { return a[i] / s; });
      if (op == loop_div && swapped) loop(out, n, [=](int64_t i) { return s / a[i]; });
    }

    // into += a
    template <class T>
    void loop_add_into(const T* __restrict__ a, T* __restrict__ into, int64_t n) {
      for (int64_t i = 0; i < n; i++) into[i] += a[i];
    }

    // The axes of two or three arrays; strides in elements, 0 where one is repeated. The last one is written.
    struct Axes {
      int rank;
      int64_t shape[8], step[3][8];
    };

    // Orders the axes so that the strides of array `first` fall, and merges those that continue each other in
    // all arrays.
    inline void collapse(Axes& x, int first) {
      auto exchange = [&](int i, int j) {
        std::swap(x.shape[i], x.shape[j]);
        for (auto& step : x.step) std::swap(step[i], step[j]);
      };
      for (int i = 1; i < x.rank; i++)  // axes of length 1 go first
        for (int j = i; j > 0 && x.shape[j - 1] > 1; j--) {
          if (x.shape[j] > 1 && std::abs(x.step[first][j - 1]) >= std::abs(x.step[first][j])) break;
          exchange(j - 1, j);
        }
      int last = x.rank - 1;
      for (int d = x.rank - 2; d >= 0; d--) {
        bool continues = true;
        for (auto& step : x.step) continues = continues && step[d] == x.shape[last] * step[last];
        if (continues || x.shape[d] == 1) x.shape[last] *= x.shape[d];
        else exchange(d, --last);
      }
      x.rank -= last > 0 ? last : 0;
      for (int d = 0; d < x.rank; d++) exchange(d, d + last);
    }

    // f(places of the three arrays' elements) at the beginning of every row, that is, of the last axis.
    template <class F>
    inline void each_row(const Axes& x, F f) {
      int64_t index[8] = {}, at[3] = {};
      for (;;) {
        f(at[0], at[1], at[2]);
        int d = x.rank - 2;
        for (; d >= 0; d--) {  // on to the next row, like an odometer
          for (int k = 0; k < 3; k++) at[k] += x.step[k][d];
          if (++index[d] < x.shape[d]) break;
          for (int k = 0; k < 3; k++) at[k] -= x.step[k][d] * x.shape[d];
          index[d] = 0;
        }
        if (d < 0) return;
      }
    }

    // into += a: `axes` of a, nothing, into.
    template <class T>
    void loop_add_strided(const T* a, T* into, Axes& axes) {
      collapse(axes, 2);
      int last = axes.rank - 1;
      int64_t n = axes.shape[last], s = axes.step[0][last], t = axes.step[2][last];
      each_row(axes, [=](int64_t at, int64_t, int64_t to) {
        if (s == 1 && t == 1) loop_add_into(a + at, into + to, n);
        else
          for (int64_t i = 0; i < n; i++) into[to + i * t] += a[at + i * s];
      });
    }

    // out[i, j] = a[i, j] for i < m, j < n, the i side by side in a and the j in out: by tiles that
    // stay in L1, and of numbers of 4 bytes by blocks of 4 x 4 in registers.
    template <class T>
    void loop_transposed(const T* a, T* out, int64_t m, int64_t n, int64_t a_j, int64_t out_i) {
      typedef T four __attribute__((vector_size(4 * sizeof(T)), aligned(sizeof(T)), may_alias));
      for (int64_t i0 = 0; i0 < m; i0 += 16)
        for (int64_t j0 = 0; j0 < n; j0 += 64) {
          int64_t i1 = i0 + 16 < m ? i0 + 16 : m, j1 = j0 + 64 < n ? j0 + 64 : n, i = i0;
          if (sizeof(T) == 4)
            for (; i + 4 <= i1; i += 4) {
              int64_t j = j0;
              for (; j + 4 <= j1; j += 4) {
                const T* p = a + i + j * a_j;
                four r0 = *(const four*)p, r1 = *(const four*)(p + a_j);
                four r2 = *(const four*)(p + 2 * a_j), r3 = *(const four*)(p + 3 * a_j);
                four low01 = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
                four low23 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
                four high01 = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
                four high23 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
                T* q = out + i * out_i + j;
                *(four*)q = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
                *(four*)(q + out_i) = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
                *(four*)(q + 2 * out_i) = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
                *(four*)(q + 3 * out_i) = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
              }
              for (; j < j1; j++)
                for (int64_t k = 0; k < 4; k++) out[(i + k) * out_i + j] = a[i + k + j * a_j];
            }
          for (; i < i1; i++)
            for (int64_t j = j0; j < j1; j++) out[i * out_i + j] = a[i + j * a_j];
        }
    }

    // out = a, which may be repeated along some axes: `axes` of a, nothing, out.
    template <class T>
    void loop_copy(const T* a, T* out, Axes& axes) {
      collapse(axes, 2);
      int last = axes.rank - 1, across = -1;
      int64_t n = axes.shape[last], p = axes.step[0][last], r = axes.step[2][last], m = 1;
      for (int d = 0; d < last; d++)
        if (axes.step[0][d] == 1 && axes.shape[d] > m) across = d, m = axes.shape[d];
      if (r == 1 && p != 1 && p != 0 && n > 1 && across >= 0) {
        axes.shape[across] = 1;
        int64_t out_i = axes.step[2][across];
        each_row(axes, [=](int64_t from, int64_t, int64_t to) {
          loop_transposed(a + from, out + to, m, n, p, out_i);
        });
        return;
      }
      if (p == 1 && r == 1 && last > 0) {  // rows after rows: by two loops, not by the odometer
        int64_t rows = axes.shape[last - 1], x_row = axes.step[0][last - 1], out_row = axes.step[2][last - 1];
        axes.shape[last - 1] = 1;
        each_row(axes, [=](int64_t from, int64_t, int64_t to) {
          const T* x = a + from;
          T* y = out + to;
          for (int64_t i = 0; i < rows; i++) std::memcpy(y + i * out_row, x + i * x_row, n * sizeof(T));
        });
        return;
      }
      each_row(axes, [=](int64_t from, int64_t, int64_t to) {
        const T* x = a + from;
        T first = *x;
        if (p == 1 && r == 1) std::memcpy(out + to, x, n * sizeof(T));
        else if (p == 0 && r == 1) loop(out + to, n, [=](int64_t) { return first; });
        else
          for (int64_t i = 0; i < n; i++) out[to + i * r] = x[i * p];
      });
    }

    // out = a op b, where a or b may be repeated along some axes: `axes` of a, b, out.
    template <class T, class F>
    void loop_repeated(const T* a, const T* b, T* out, const Axes& axes, F f) {
      int last = axes.rank - 1;
      int64_t n = axes.shape[last], p = axes.step[0][last], q = axes.step[1][last], r = axes.step[2][last];
      each_row(axes, [=](int64_t a_at, int64_t b_at, int64_t at) {
        const T *x = a + a_at, *y = b + b_at;
        T first = *x, second = *y;
        if (p == 1 && q == 1 && r == 1) loop(out + at, n, [=](int64_t i) { return f(x[i], y[i]); });
        else if (p == 1 && q == 0 && r == 1) loop(out + at, n, [=](int64_t i) { return f(x[i], second); });
        else if (p == 0 && q == 1 && r == 1) loop(out + at, n, [=](int64_t i) { return f(first, y[i]); });
        else
          for (int64_t i = 0; i < n; i++) out[at + i * r] = f(x[i * p], y[i * q]);
      });
    }

    // The same where b is one short row for many rows of a that lie one after the other (channels-last images
    // and a number for each channel): b is copied side by side first, so that the inner loop is long.
    template <class T, class F>
    void loop_short_rows(const T* a, const T* b, T* out, Axes axes, F f) {
      constexpr int64_t room = 512;
      int64_t n = axes.shape[axes.rank - 1], rows = axes.shape[--axes.rank - 1], copies = room / n;
      each_row(axes, [=](int64_t a_at, int64_t b_at, int64_t at) {
        T wide[room];
        for (int64_t i = 0; i < copies * n; i++) wide[i] = b[b_at + i % n];
        for (int64_t r = 0; r < rows; r += copies) {
          const T *x = a + a_at + r * n, *y = wide;
          int64_t count = (rows - r < copies ? rows - r : copies) * n;
          loop(out + at + r * n, count, [=](int64_t i) { return f(x[i], y[i]); });
        }
      });
    }

    inline bool has_short_rows(const Axes& x) {
      int last = x.rank - 1;
      if (last < 1 || x.shape[last] > 128 || x.shape[last - 1] < 8) return false;
      auto goes_on = [&](int k) { return x.step[k][last] == 1 && x.step[k][last - 1] == x.shape[last]; };
      return goes_on(0) && goes_on(2) && x.step[1][last] == 1 && x.step[1][last - 1] == 0;
    }

    template <class T, class F>
    void loop_either(const T* a, const T* b, T* out, Axes& axes, F f) {
      if (has_short_rows(axes)) return loop_short_rows(a, b, out, axes, f);
      loop_repeated(a, b, out, axes, f);
    }

    template <class T>
    void loop_broadcast(int op, const T* a, const T* b, T* out, Axes& axes) {
      collapse(axes, 2);
      if (op == loop_add) loop_either(a, b, out, axes, [](T x, T y) { return x + y; });
      if (op == loop_sub) loop_either(a, b, out, axes, [](T x, T y) { return x - y; });
      if (op == loop_mul) loop_either(a, b, out, axes, [](T x, T y) { return x * y; });
      if (op == loop_div) loop_either(a, b, out, axes, [](T x, T y) { return x / y; });
    }

    // out[j] = sum over i of a[i, j], a with strides. 64 rows at a time are summed in `block` (n places)
    // first: a float32 sum over m rows then goes through 64 + m / 64 additions in a row instead of m.
    template <class T>
    void loop_column_sums(const T* a, int64_t m, int64_t n, int64_t a_m, int64_t a_n, T* block, T* out) {
      for (int64_t j = 0; j < n; j++) out[j] = 0;
      for (int64_t start = 0; start < m; start += 64) {
        int64_t end = start + 64 < m ? start + 64 : m;
        for (int64_t j = 0; j < n; j++) block[j] = 0;
        for (int64_t i = start; i < end; i++) {
          const T* row = a + i * a_m;
          if (a_n == 1)
            for (int64_t j = 0; j < n; j++) block[j] += row[j];
          else
            for (int64_t j = 0; j < n; j++) block[j] += row[j * a_n];
        }
        for (int64_t j = 0; j < n; j++) out[j] += block[j];
      }
    }

    // out[o, k, i] = a[o, k, i] + out[o, k - 1, i], or k + 1 if `back`; C order.
    template <class T>
    void loop_cumsum(const T* a, T* out, int64_t outer, int64_t d, int64_t inner, bool back) {
      for (int64_t o = 0; o < outer; o++) {
        int64_t first = (o * d + (back ? d - 1 : 0)) * inner, step = back ? -inner : inner;
        for (int64_t i = 0; i < inner; i++) out[first + i] = a[first + i];
        for (int64_t k = 1; k < d; k++) {
          const T *x = a + first + k * step, *before = out + first + (k - 1) * step;
          loop(out + first + k * step, inner, [=](int64_t i) { return before[i] + x[i]; });
        }
      }
    }

    // out[r, 0 .. k): the places of the k largest (or smallest) of a[r, 0 .. n), best first, equal ones in
    // their own order, NaN as the largest. k is at most most_best; most elements are compared with the last
    // of them only.
    enum { most_best = 64 };

    template <class T>
    void loop_best(const T* a, int64_t rows, int64_t n, int64_t k, bool largest, int64_t* out) {
      auto beats = [=](T x, T y) {
        return largest ? x > y || (x != x && y == y) : x < y || (y != y && x == x);
      };
      for (int64_t r = 0; r < rows && k > 0; r++, a += n, out += k) {
        T best[most_best];
        int64_t count = 0;
        for (int64_t i = 0; i < n; i++) {
          if (count == k && !beats(a[i], best[k - 1])) continue;
          int64_t j = count < k ? count++ : k - 1;
          for (; j > 0 && beats(a[i], best[j - 1]); j--) best[j] = best[j - 1], out[j] = out[j - 1];
          best[j] = a[i], out[j] = i;
        }
      }
    }

    // out = a == y ? share : 0, where share = g / (how many of a are equal to that y): the gradient of y, the
    // largest (or smallest) of a along the axes that y repeats. g and share have m elements and lie as y.
    template <class T>
    void loop_share_equal(const T* a, const T* y, const T* g, T* share, int64_t m, T* out, Axes& axes) {
      collapse(axes, 2);
      int last = axes.rank - 1;
      int64_t n = axes.shape[last], p = axes.step[0][last], q = axes.step[1][last], r = axes.step[2][last];
      for (int64_t i = 0; i < m; i++) share[i] = 0;
      each_row(axes, [=](int64_t a_at, int64_t y_at, int64_t) {
        const T *x = a + a_at, *best = y + y_at;
        T* count = share + y_at;
        if (p == 1 && q == 1)
          for (int64_t i = 0; i < n; i++) count[i] += x[i] == best[i] ? T(1) : T(0);
        else if (q == 0) {
          int64_t hits = 0;
          T first = *best;
          for (int64_t i = 0; i < n; i++) hits += x[i * p] == first;
          *count += T(hits);
        } else
          for (int64_t i = 0; i < n; i++) count[i * q] += x[i * p] == best[i * q] ? T(1) : T(0);
      });
      for (int64_t i = 0; i < m; i++) share[i] = g[i] / (share[i] > 1 ? share[i] : T(1));
      each_row(axes, [=](int64_t a_at, int64_t y_at, int64_t at) {
        const T *x = a + a_at, *best = y + y_at, *one = share + y_at;
        T first = *best, second = *one;
        if (p == 1 && q == 1 && r == 1)
          loop(out + at, n, [=](int64_t i) { return x[i] == best[i] ? one[i] : T(0); });
        else if (p == 1 && q == 0 && r == 1)
          loop(out + at, n, [=](int64_t i) { return x[i] == first ? second : T(0); });
        else
          for (int64_t i = 0; i < n; i++) out[at + i * r] = x[i * p] == best[i * q] ? one[i * q] : T(0);
      });
    }

    // out[i] = 0 with a probability of zeros / 2^32, otherwise `kept`: 32 bits of SplitMix64 (Steele, Lea and
    // Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014) for each, from `seed` on.
    template <class T>
    void loop_mask(uint64_t seed, uint64_t zeros, T kept, T* out, int64_t n) {
      const T either[2] = {0, kept};  // a branch would be mispredicted half of the time
      for (int64_t i = 0; i < n; i += 2) {
        uint64_t z = seed += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        z ^= z >> 31;
        out[i] = either[(z & 0xFFFFFFFF) >= zeros];
        if (i + 1 < n) out[i + 1] = either[(z >> 32) >= zeros];
      }
    }

    // Sum of n neighbours, in double: for losses.
    template <class T>
    double loop_sum(const T* a, int64_t n) {
      double s = 0;
      for (int64_t i = 0; i < n; i++) s += a[i];
      return s;
    }

    #define LOOP_TYPED(call32, call64) do { if (dtype == 0) call32; else call64; } while (0)
    void arrays(int dtype, int op, const void* a, const void* b, void* out, int64_t n) {
      LOOP_TYPED(loop_arrays(op, (const float*)a, (const float*)b, (float*)out, n),
                 loop_arrays(op, (const double*)a, (const double*)b, (double*)out, n));
    }
    void scalar(int dtype, int op, bool swapped, const void* a, double s, void* out, int64_t n) {
      LOOP_TYPED(loop_scalar(op, swapped, (const float*)a, (float)s, (float*)out, n),
                 loop_scalar(op, swapped, (const double*)a, s, (double*)out, n));
    }
    void add_dense(int dtype, const void* a, void* into, int64_t n) {
      LOOP_TYPED(loop_add_into((const float*)a, (float*)into, n),
                 loop_add_into((const double*)a, (double*)into, n));
    }
    void add_strided(int dtype, const void* a, void* into, Axes& axes) {
      LOOP_TYPED(loop_add_strided((const float*)a, (float*)into, axes),
                 loop_add_strided((const double*)a, (double*)into, axes));
    }
    void broadcast(int dtype, int op, const void* a, const void* b, void* out, Axes& axes) {
      LOOP_TYPED(loop_broadcast(op, (const float*)a, (const float*)b, (float*)out, axes),
                 loop_broadcast(op, (const double*)a, (const double*)b, (double*)out, axes));
    }
    void column_sums(int dtype, const void* a, int64_t m, int64_t n, int64_t a_m, int64_t a_n, void* block,
                     void* out) {
      LOOP_TYPED(loop_column_sums((const float*)a, m, n, a_m, a_n, (float*)block, (float*)out),
                 loop_column_sums((const double*)a, m, n, a_m, a_n, (double*)block, (double*)out));
    }
    void cumulate(int dtype, const void* a, void* out, int64_t outer, int64_t d, int64_t inner, bool back) {
      LOOP_TYPED(loop_cumsum((const float*)a, (float*)out, outer, d, inner, back),
                 loop_cumsum((const double*)a, (double*)out, outer, d, inner, back));
    }
    void best_places(int dtype, const void* a, int64_t rows, int64_t n, int64_t k, bool largest,
                     int64_t* out) {
      LOOP_TYPED(loop_best((const float*)a, rows, n, k, largest, out),
                 loop_best((const double*)a, rows, n, k, largest, out));
    }
    // Numbers of 4 or 8 bytes.
    void copy_axes(int64_t size, const void* a, void* out, Axes& axes) {
      if (size == 4) loop_copy((const uint32_t*)a, (uint32_t*)out, axes);
      else loop_copy((const uint64_t*)a, (uint64_t*)out, axes);
    }
    void fill_mask(int dtype, uint64_t seed, uint64_t zeros, double kept, void* out, int64_t n) {
      LOOP_TYPED(loop_mask(seed, zeros, (float)kept, (float*)out, n),
                 loop_mask(seed, zeros, kept, (double*)out, n));
    }
    void share_equal(int dtype, const void* a, const void* y, const void* g, void* share, int64_t m,
                     void* out, Axes& axes) {
      LOOP_TYPED(loop_share_equal((const float*)a, (const float*)y, (const float*)g, (float*)share, m,
                                  (float*)out, axes),
                 loop_share_equal((const double*)a, (const double*)y, (const double*)g, (double*)share, m,
                                  (double*)out, axes));
    }
    double dense_sum(int dtype, const void* a, int64_t n) {
      return dtype == 0 ? loop_sum((const float*)a, n) : loop_sum((const double*)a, n);
    }
    }  // namespace
    """
    cdef struct Axes:
        int rank
        int64_t shape[8]
        int64_t step[3][8]
    int ADD "loop_add"
    int SUB "loop_sub"
    int MUL "loop_mul"
    int DIV "loop_div"
    void arrays(int dtype, int op, const void* a, const void* b, void* out, int64_t n) nogil
    void scalar(int dtype, int op, bint swapped, const void* a, double s, void* out, int64_t n) nogil
    void add_dense(int dtype, const void* a, void* into, int64_t n) nogil
    void add_strided(int dtype, const void* a, void* into, Axes& axes) nogil
    void broadcast(int dtype, int op, const void* a, const void* b, void* out, Axes& axes) nogil
    void column_sums(int dtype, const void* a, int64_t m, int64_t n, int64_t a_m, int64_t a_n, void* block,
                     void* out) nogil
    void cumulate(int dtype, const void* a, void* out, int64_t outer, int64_t d, int64_t inner,
                  bint back) nogil
    int most_best
    void best_places(int dtype, const void* a, int64_t rows, int64_t n, int64_t k, bint largest,
                     int64_t* out) nogil
    void copy_axes(int64_t size, const void* a, void* out, Axes& axes) nogil
    void fill_mask(int dtype, uint64_t seed, uint64_t zeros, double kept, void* out, int64_t n) nogil
    void share_equal(int dtype, const void* a, const void* y, const void* g, void* share, int64_t m,
                     void* out, Axes& axes) nogil
    double dense_sum(int dtype, const void* a, int64_t n) nogil
