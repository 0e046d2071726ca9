"""Plain loops over dense arrays, for what has no ladder: + - * / between arrays of one layout, or a number,
and sums of gradients. They are bound by memory, so there is nothing to climb."""

from libc.stdint cimport int64_t


cdef extern from *:
    """
    #include <stdint.h>
    namespace {
    enum { loop_add, loop_sub, loop_mul, loop_div };

    template <class T, class F>
    void loop(T* __restrict__ out, int64_t n, F f) {
      for (int64_t i = 0; i < n; i++) out[i] = f(i);
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

    // into += a over `rank` axes, outermost first, strides in elements; the last axis is the inner loop.
    template <class T>
    void loop_add_strided(const T* a, T* into, int rank, const int64_t* shape, const int64_t* step,
                          const int64_t* into_step) {
      int64_t n = shape[rank - 1], s = step[rank - 1], t = into_step[rank - 1], index[8] = {};
      for (;;) {
        if (s == 1 && t == 1)
          for (int64_t i = 0; i < n; i++) into[i] += a[i];
        else
          for (int64_t i = 0; i < n; i++) into[i * t] += a[i * s];
        int d = rank - 2;
        for (; d >= 0; d--) {  // on to the next row, like an odometer
          a += step[d], into += into_step[d];
          if (++index[d] < shape[d]) break;
          a -= step[d] * shape[d], into -= into_step[d] * shape[d];
          index[d] = 0;
        }
        if (d < 0) return;
      }
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
    void add_strided(int dtype, const void* a, void* into, int rank, const int64_t* shape,
                     const int64_t* step, const int64_t* into_step) {
      LOOP_TYPED(loop_add_strided((const float*)a, (float*)into, rank, shape, step, into_step),
                 loop_add_strided((const double*)a, (double*)into, rank, shape, step, into_step));
    }
    void column_sums(int dtype, const void* a, int64_t m, int64_t n, int64_t a_m, int64_t a_n, void* block,
                     void* out) {
      LOOP_TYPED(loop_column_sums((const float*)a, m, n, a_m, a_n, (float*)block, (float*)out),
                 loop_column_sums((const double*)a, m, n, a_m, a_n, (double*)block, (double*)out));
    }
    double dense_sum(int dtype, const void* a, int64_t n) {
      return dtype == 0 ? loop_sum((const float*)a, n) : loop_sum((const double*)a, n);
    }
    }  // namespace
    """
    int ADD "loop_add"
    int SUB "loop_sub"
    int MUL "loop_mul"
    int DIV "loop_div"
    void arrays(int dtype, int op, const void* a, const void* b, void* out, int64_t n) nogil
    void scalar(int dtype, int op, bint swapped, const void* a, double s, void* out, int64_t n) nogil
    void add_dense(int dtype, const void* a, void* into, int64_t n) nogil
    void add_strided(int dtype, const void* a, void* into, int rank, const int64_t* shape,
                     const int64_t* step, const int64_t* into_step) nogil
    void column_sums(int dtype, const void* a, int64_t m, int64_t n, int64_t a_m, int64_t a_n, void* block,
                     void* out) nogil
    double dense_sum(int dtype, const void* a, int64_t n) nogil
