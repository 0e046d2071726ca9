// How the elementwise kernels go through their arrays: `walk` hands out pieces of the last axis.
//
// The elements, counted in the order of the axes, are shared among the team like one long row, so that a member may
// start in the middle of the last axis. Every element is computed on its own and by the same instructions wherever
// a piece begins, so results do not depend on the team.
#pragma once

// body(const T* in, const T* dy, T* out, ptrdiff_t n): n neighbours along the last axis, each array with its stride.
template <class T, class F>
inline void walk(const Map& a, const Team& team, F body) {
  constexpr int last = map_rank - 1;
  ptrdiff_t total = 1, index[map_rank];
  for (int64_t length : a.shape) total *= length;
  if (total == 0) return;
  Range mine = share(total, team, 64);  // 64: no two members write to one cache line of a dense array
  ptrdiff_t rest = mine.begin;
  for (int d = last; d >= 0; d--) {
    index[d] = rest % a.shape[d];
    rest /= a.shape[d];
  }
  for (ptrdiff_t done = mine.begin; done < mine.end;) {
    ptrdiff_t in = 0, dy = 0, out = 0;
    for (int d = 0; d < map_rank; d++) {
      in += index[d] * a.in_stride[d];
      dy += index[d] * a.dy_stride[d];
      out += index[d] * a.out_stride[d];
    }
    ptrdiff_t n = a.shape[last] - index[last];
    if (n > mine.end - done) n = mine.end - done;
    body(static_cast<const T*>(a.in) + in, static_cast<const T*>(a.dy) + dy, static_cast<T*>(a.out) + out, n);
    done += n;
    index[last] = 0;  // on to the next row, like an odometer
    for (int d = last - 1; d >= 0 && ++index[d] == a.shape[d]; d--) index[d] = 0;
  }
}

// out = f(in), a vector at a time. Where a stride is not 1, numbers are gathered and scattered one by one, but computed
// by the same instructions.
template <class T, class F>
inline void map_vectors(const Map& a, const Team& team, F f) {
  constexpr ptrdiff_t L = lanes<T>;
  ptrdiff_t in_step = a.in_stride[map_rank - 1], out_step = a.out_stride[map_rank - 1];
  bool dense = in_step == 1 && out_step == 1;
  walk<T>(a, team, [&](const T* in, const T*, T* out, ptrdiff_t n) {
    ptrdiff_t i = 0;
    if (dense)
      for (; i + L <= n; i += L) store<T>(out + i, f(load<T>(in + i)));
    for (; i < n; i += L) {
      ptrdiff_t count = n - i < L ? n - i : L;
      store_strided<T>(out + i * out_step, f(load_strided<T>(in + i * in_step, in_step, count)), out_step, count);
    }
  });
}

// out = f(in, dy), likewise.
template <class T, class F>
inline void map_vectors_2(const Map& a, const Team& team, F f) {
  constexpr ptrdiff_t L = lanes<T>;
  ptrdiff_t in_step = a.in_stride[map_rank - 1], dy_step = a.dy_stride[map_rank - 1];
  ptrdiff_t out_step = a.out_stride[map_rank - 1];
  bool dense = in_step == 1 && dy_step == 1 && out_step == 1;
  walk<T>(a, team, [&](const T* in, const T* dy, T* out, ptrdiff_t n) {
    ptrdiff_t i = 0;
    if (dense)
      for (; i + L <= n; i += L) store<T>(out + i, f(load<T>(in + i), load<T>(dy + i)));
    for (; i < n; i += L) {
      ptrdiff_t count = n - i < L ? n - i : L;
      vec<T> first = load_strided<T>(in + i * in_step, in_step, count);
      vec<T> second = load_strided<T>(dy + i * dy_step, dy_step, count);
      store_strided<T>(out + i * out_step, f(first, second), out_step, count);
    }
  });
}
