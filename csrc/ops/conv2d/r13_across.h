// Idea:  with few output channels the lanes hold neighbouring places of a row: a vector of x, loaded once, meets the
//        weight of every channel; the channels are put side by side at the end, in registers.
// Since: r10_taps has channels in the lanes: 6 of them leave 10 of 16 lanes idle.
// Why:   LeNet's first layer (1 -> 6 channels, 28 places a row): 12 multiply-adds for a tap of a row instead of 28.
// Price: x is copied with zeros around it (infinity times a padding's 0 is NaN), and channels-last x turned on the way;
//        up to half a vector of channels (6 of 8); oc * (oc - 1) shuffles for each vector of places.
#pragma once
#include "across.h"

template <class T>
struct conv2d_r13_across : Plain<Conv2d> {
  static constexpr bool epilogue = true;
  static constexpr int L = lanes<T>;

  static const char* supports(const Conv2d& a) { return Across<T>::supports(a); }
  static const char* declines(const Conv2d& a) { return Across<T>::declines(a); }

  // [kh, ic, kw, oc]
  static size_t packed_bytes(const Conv2d& a) { return size_t(a.kh * a.ic * a.kw * a.oc) * sizeof(T); }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    const T* w = static_cast<const T*>(a.w);
    T* to = static_cast<T*>(packed);
    Range taps = share(a.kh * a.ic * a.kw, team);
    for (ptrdiff_t tap = taps.begin; tap < taps.end; tap++) {
      ptrdiff_t kw = tap % a.kw, ic = tap / a.kw % a.ic, kh = tap / (a.kw * a.ic);
      for (ptrdiff_t oc = 0; oc < a.oc; oc++)
        to[tap * a.oc + oc] = w[oc * a.w_o + ic * a.w_i + kh * a.w_h + kw * a.w_w];
    }
  }
  static size_t scratch_bytes(const Conv2d& a, int threads) {
    return size_t(threads) * size_t(Across<T>(a).x_size) * sizeof(T);
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    for_channels<Across<T>::most>(a.oc, [&]<int N>() { bands<N>(a, team); });
  }

  template <int N>
  static void bands(const Conv2d& a, const Team& team) noexcept {
    Across<T> p(a);
    constexpr int fits = Across<T>::template side<N>;
    T* x = static_cast<T*>(a.workspace.scratch) + team.rank * p.x_size;
    Range mine = share(p.items(a), team);
    for (ptrdiff_t i = mine.begin; i < mine.end; i++) {
      auto item = p.item(a, i);
      p.copy(a, item, x);
      for (ptrdiff_t r = 0; r < item.rows; r++) {
        ptrdiff_t oh = item.first + r, vectors = ceil_div(item.places, L);
        T* y = static_cast<T*>(a.y) + item.n * a.y_n + oh * a.y_h + item.left * N;  // [places, oc]
        Range kh = window(oh * a.stride_h - a.pad_h, a.ih, a.kh, a.dilation_h);
        const T* row = x + r * a.stride_h * a.ic * p.wide;
        ptrdiff_t v = 0;
        for (; v + fits <= vectors; v += fits)
          block<N, fits>(a, row + v * L, p.wide, kh, y + v * L * N, item.places - v * L);
        if constexpr (fits > 1)
          if (v < vectors)
            with_int<fits - 1>(vectors - v, [&](auto some) {
              block<N, decltype(some)::value>(a, row + v * L, p.wide, kh, y + v * L * N, item.places - v * L);
            });
        finish_sums<T>(a, y, 1, 0, 1, 0, item.places * N);
      }
    }
  }

  // V vectors of places, of which `left` are in the row, and all N channels.
  template <int N, int V>
  static __attribute__((noinline)) void block(const Conv2d& a, const T* x, ptrdiff_t wide, Range rows, T* y,
                                              ptrdiff_t left) noexcept {
    const T* bias = static_cast<const T*>(a.bias);
    vec<T> sum[V][N];
    UNROLL for (int c = 0; c < N; c++) UNROLL for (int v = 0; v < V; v++) sum[v][c] =
        broadcast<T>(bias ? bias[c] : T(0));
    ptrdiff_t taps = a.kw, step = a.dilation_w, channels = a.ic;
    const T* w = static_cast<const T*>(a.workspace.packed) + rows.begin * channels * taps * N;
    for (ptrdiff_t kh = rows.begin; kh < rows.end; kh++) {
      const T* row = x + kh * a.dilation_h * channels * wide;
      for (ptrdiff_t ic = 0; ic < channels; ic++, row += wide) {
        const T* at = row;
        for (ptrdiff_t kw = 0; kw < taps; kw++, at += step, w += N) {
          vec<T> xv[V];
          UNROLL for (int v = 0; v < V; v++) xv[v] = load<T>(at + v * L);
          UNROLL for (int c = 0; c < N; c++) UNROLL for (int v = 0; v < V; v++) sum[v][c] += w[c] * xv[v];
        }
      }
    }
    UNROLL for (int v = 0; v < V; v++) store_places<T, N>(sum[v], y + v * N * L, (left - v * L) * N);
  }
};
