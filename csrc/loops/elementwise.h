// + - * / between arrays or with a number, sums of gradients, cumulated sums, the largest elements, masks.
#pragma once
#include "axes.h"

namespace loopnest::loops {
namespace {

// What two arrays may be combined by; copy takes the first alone (strided.h). engine/elementwise.pxd has the names.
enum { loop_add, loop_sub, loop_mul, loop_div, loop_same };

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
  auto beats = [=](T x, T y) { return largest ? x > y || (x != x && y == y) : x < y || (y != y && x == x); };
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
    if (p == 1 && q == 1 && r == 1) loop(out + at, n, [=](int64_t i) { return x[i] == best[i] ? one[i] : T(0); });
    else if (p == 1 && q == 0 && r == 1) loop(out + at, n, [=](int64_t i) { return x[i] == first ? second : T(0); });
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

// ---- what engine/elementwise.pxd declares: the same for both dtypes ----

inline void arrays(int dtype, int op, const void* a, const void* b, void* out, int64_t n) {
  typed(dtype, [=](auto zero) {
    using T = decltype(zero);
    loop_arrays(op, (const T*)a, (const T*)b, (T*)out, n);
  });
}

inline void scalar(int dtype, int op, bool swapped, const void* a, double s, void* out, int64_t n) {
  typed(dtype, [=](auto zero) {
    using T = decltype(zero);
    loop_scalar(op, swapped, (const T*)a, T(s), (T*)out, n);
  });
}

inline void add_dense(int dtype, const void* a, void* into, int64_t n) {
  typed(dtype, [=](auto zero) {
    using T = decltype(zero);
    loop_add_into((const T*)a, (T*)into, n);
  });
}

inline void add_strided(int dtype, const void* a, void* into, Axes& axes) {
  typed(dtype, [=, &axes](auto zero) {
    using T = decltype(zero);
    loop_add_strided((const T*)a, (T*)into, axes);
  });
}

inline void broadcast(int dtype, int op, const void* a, const void* b, void* out, Axes& axes) {
  typed(dtype, [=, &axes](auto zero) {
    using T = decltype(zero);
    loop_broadcast(op, (const T*)a, (const T*)b, (T*)out, axes);
  });
}

inline void column_sums(int dtype, const void* a, int64_t m, int64_t n, int64_t a_m, int64_t a_n, void* block,
                        void* out) {
  typed(dtype, [=](auto zero) {
    using T = decltype(zero);
    loop_column_sums((const T*)a, m, n, a_m, a_n, (T*)block, (T*)out);
  });
}

inline void cumulate(int dtype, const void* a, void* out, int64_t outer, int64_t d, int64_t inner, bool back) {
  typed(dtype, [=](auto zero) {
    using T = decltype(zero);
    loop_cumsum((const T*)a, (T*)out, outer, d, inner, back);
  });
}

inline void best_places(int dtype, const void* a, int64_t rows, int64_t n, int64_t k, bool largest, int64_t* out) {
  typed(dtype, [=](auto zero) {
    using T = decltype(zero);
    loop_best((const T*)a, rows, n, k, largest, out);
  });
}

inline void fill_mask(int dtype, uint64_t seed, uint64_t zeros, double kept, void* out, int64_t n) {
  typed(dtype, [=](auto zero) {
    using T = decltype(zero);
    loop_mask(seed, zeros, T(kept), (T*)out, n);
  });
}

inline void share_equal(int dtype, const void* a, const void* y, const void* g, void* share, int64_t m, void* out,
                        Axes& axes) {
  typed(dtype, [=, &axes](auto zero) {
    using T = decltype(zero);
    loop_share_equal((const T*)a, (const T*)y, (const T*)g, (T*)share, m, (T*)out, axes);
  });
}

inline double dense_sum(int dtype, const void* a, int64_t n) {
  return typed(dtype, [=](auto zero) { return loop_sum((const decltype(zero)*)a, n); });
}

}  // namespace
}  // namespace loopnest::loops
