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

// `count` vectors, dense. Never inlined: the compiler may fuse other multiply-adds in another copy of f, and then the
// same number would give other bits at the end of a row or in a strided array.
template <class T, class F>
__attribute__((noinline)) void dense_vectors(const T* in, const T* dy, T* out, ptrdiff_t count, F f, bool past) {
  constexpr ptrdiff_t L = lanes<T>;
  for (ptrdiff_t i = 0; i < count * L; i += L) {
    if constexpr (requires(vec<T> v) { f(v); }) put<T>(out + i, f(load<T>(in + i)), past);
    else put<T>(out + i, f(load<T>(in + i), load<T>(dy + i)), past);
  }
}

template <class T>
inline void gather(T* to, const T* from, ptrdiff_t step, ptrdiff_t n, ptrdiff_t room) {
  for (ptrdiff_t i = 0; i < n; i++) to[i] = from[i * step];
  for (ptrdiff_t i = n; i < room; i++) to[i] = 0;
}

// out = f(in) or f(in, dy), a vector at a time. The ends of rows and strided arrays go through a small buffer.
template <class T, class F>
inline void map_vectors(const Map& a, const Team& team, F f) {
  constexpr ptrdiff_t L = lanes<T>, room = 8 * L;
  constexpr int last = map_rank - 1;
  ptrdiff_t in_step = a.in_stride[last], dy_step = a.dy_stride[last], out_step = a.out_stride[last];
  bool dense = in_step == 1 && out_step == 1 && (!a.dy || dy_step == 1);
  ptrdiff_t bytes = sizeof(T);
  for (int64_t length : a.shape) bytes *= length;
  bool past = dense && a.out != a.dy && goes_past<T>(a.out, a.in, 0, bytes);
  walk<T>(a, team, [&](const T* in, const T* dy, T* out, ptrdiff_t n) {
    ptrdiff_t i = dense ? n / L * L : 0;
    dense_vectors<T>(in, dy, out, i / L, f, past && uintptr_t(out) % sizeof(vec<T>) == 0);
    T buffer[room], dy_buffer[room];
    for (; i < n; i += room) {
      ptrdiff_t count = n - i < room ? n - i : room;
      ptrdiff_t whole = (count + L - 1) / L;
      gather(buffer, in + i * in_step, in_step, count, whole * L);
      if (a.dy) gather(dy_buffer, dy + i * dy_step, dy_step, count, whole * L);
      dense_vectors<T>(buffer, dy_buffer, buffer, whole, f, false);
      for (ptrdiff_t k = 0; k < count; k++) out[(i + k) * out_step] = buffer[k];
    }
  });
  if (past) stream_end();
}
