// Idea:  with few output channels the lanes hold neighbouring places of a row of dy, brought into planes in registers:
//        a vector of x meets those of all channels, and the lanes are added up once, at the very end.
// Since: r2_tile has channels in the lanes: 6 of them leave 10 of 16 lanes idle.
// Why:   as in conv2d's r13_across. The images are cut into fixed pieces, each with its own sums, which are added in
//        one order: members share pieces, and nobody brings the same dy into planes twice.
// Price: that of conv2d's r13_across; 16 pieces of oc * ic * kh * kw vectors of sums.
#pragma once
#include "../conv2d/across.h"

template <class T>
struct conv2d_backward_weight_r8_across : Plain<Conv2d> {
  static constexpr int L = lanes<T>;

  // Scratch: [pieces, taps + 1, oc, L] sums, the last ones those of the bias; then for each member the copy of x and dy
  // in planes, [rows, oc, vectors * L].
  struct Plan : Across<T> {
    ptrdiff_t taps, pieces, sums_size, y_size;
    explicit Plan(const Conv2d& a) noexcept : Across<T>(a) {
      taps = a.kh * a.ic * a.kw;
      sums_size = (taps + 1) * a.oc * L;
      ptrdiff_t room = ptrdiff_t((1 << 20) / sizeof(T)) / sums_size, all = this->items(a);  // 1 MB: half an L2
      pieces = room < 1 ? 1 : room > 16 ? 16 : room;
      if (pieces > all) pieces = all;
      y_size = this->rows * a.oc * this->vectors * L;
    }
  };

  static const char* supports(const Conv2d& a) { return Across<T>::supports(a); }
  // 64 -> 3 channels, 3x3, on 2 of 32x32, 16 registers: 181 us here, 107 by r9_turned.
  static const char* declines(const Conv2d& a) {
    if (isa_registers == 16 && a.x_w != 1 && a.ic >= L) return "many input channels, which would have to be turned";
    return Across<T>::declines(a);
  }
  static size_t scratch_bytes(const Conv2d& a, int threads) {
    Plan p(a);
    return size_t(p.pieces * p.sums_size + threads * (p.x_size + p.y_size)) * sizeof(T);
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    Plan p(a);
    for_channels<Across<T>::most>(a.oc, [&]<int N>() { pieces<N>(a, p, team); });
    team.barrier(&team);
    const T* sums = static_cast<const T*>(a.workspace.scratch);
    Range mine = share((p.taps + 1) * a.oc, team);
    for (ptrdiff_t i = mine.begin; i < mine.end; i++) {
      vec<T> sum{};
      for (ptrdiff_t piece = 0; piece < p.pieces; piece++) sum += load<T>(sums + piece * p.sums_size + i * L);
      ptrdiff_t oc = i % a.oc, tap = i / a.oc, kw = tap % a.kw, ic = tap / a.kw % a.ic, kh = tap / (a.kw * a.ic);
      if (tap < p.taps) static_cast<T*>(a.w)[oc * a.w_o + ic * a.w_i + kh * a.w_h + kw * a.w_w] = sum_lanes<T>(sum);
      else if (a.bias) static_cast<T*>(a.bias)[oc] = sum_lanes<T>(sum);
    }
  }

  template <int N>
  static void pieces(const Conv2d& a, const Plan& p, const Team& team) noexcept {
    T* sums = static_cast<T*>(a.workspace.scratch);
    T* x = sums + p.pieces * p.sums_size + team.rank * (p.x_size + p.y_size);
    T* planes = x + p.x_size;
    Range mine = share(p.pieces, team);
    for (ptrdiff_t piece = mine.begin; piece < mine.end; piece++) {
      T* own = sums + piece * p.sums_size;
      for (ptrdiff_t i = 0; i < p.sums_size; i += L) store<T>(own + i, vec<T>{});
      ptrdiff_t all = p.items(a);
      for (ptrdiff_t i = all * piece / p.pieces; i < all * (piece + 1) / p.pieces; i++) {
        auto item = p.item(a, i);
        ptrdiff_t first = item.first, rows = item.rows;
        p.copy(a, item, x);
        to_planes<N>(a, p, item, planes, own + p.taps * N * L);
        for (ptrdiff_t kh = 0; kh < a.kh; kh++) {
          // rows of dy whose tap kh lies in the image
          ptrdiff_t start = first * a.stride_h - a.pad_h + kh * a.dilation_h;
          ptrdiff_t begin = ceil_div(-start, a.stride_h), end = ceil_div(a.ih - start, a.stride_h);
          if (end > rows) end = rows;
          for (ptrdiff_t ic = 0; ic < a.ic && begin < end; ic++)
            kernel_row<N>(a, p, x + ((kh * a.dilation_h + begin * a.stride_h) * a.ic + ic) * p.wide,
                          planes + begin * N * p.vectors * L, end - begin, own + (kh * a.ic + ic) * a.kw * N * L);
        }
      }
    }
  }

  // The item's part of dy in planes, [rows, oc, vectors * L], zeros behind its end; its sums added to those of the
  // bias.
  template <int N>
  static void to_planes(const Conv2d& a, const Plan& p, const typename Across<T>::Item& item, T* to, T* bias) noexcept {
    const T* dy = static_cast<const T*>(a.y) + item.n * a.y_n + item.first * a.y_h + item.left * N;
    vec<T> sum[N];
    UNROLL for (int c = 0; c < N; c++) sum[c] = vec<T>{};
    for (ptrdiff_t r = 0; r < item.rows; r++, dy += a.y_h, to += N * p.vectors * L)
      for (ptrdiff_t v = 0; v < p.vectors; v++) {
        vec<T> out[N];
        load_places<T, N>(dy + v * N * L, (item.places - v * L) * N, out);
        UNROLL for (int c = 0; c < N; c++) {
          store<T>(to + (c * p.vectors + v) * L, out[c]);
          sum[c] += out[c];
        }
      }
    UNROLL for (int c = 0; c < N; c++) store<T>(bias + c * L, load<T>(bias + c * L) + sum[c]);
  }

  // All taps of one kernel row and input channel, several at a time: so many sums that registers hold them beside a
  // vector of each plane. 16 registers hold too few for 5 or 6 planes: half of the planes at a time, then the others.
  template <int N>
  static void kernel_row(const Conv2d& a, const Plan& p, const T* x, const T* planes, ptrdiff_t rows,
                         T* sums) noexcept {
    constexpr int first = isa_registers == 16 && N > 4 ? (N + 1) / 2 : N;
    some_planes<first>(a, p, x, planes, rows, sums);
    if constexpr (first < N) some_planes<N - first>(a, p, x, planes + first * p.vectors * L, rows, sums + first * L);
  }
  template <int C>
  static void some_planes(const Conv2d& a, const Plan& p, const T* x, const T* planes, ptrdiff_t rows,
                          T* sums) noexcept {
    constexpr int room = (isa_registers - 2 - C) / C, M = room > 5 ? 5 : room < 1 ? 1 : room;
    ptrdiff_t blocks = (a.kw + M - 1) / M;
    for (ptrdiff_t b = 0; b < blocks; b++) {  // as equal as can be
      ptrdiff_t begin = a.kw * b / blocks, count = a.kw * (b + 1) / blocks - begin;
      block_of<C, M>(count, a, p, x + begin * a.dilation_w, planes, rows, sums + begin * a.oc * L);
    }
  }
  template <int C, int M>
  static void block_of(ptrdiff_t count, const Conv2d& a, const Plan& p, const T* x, const T* planes, ptrdiff_t rows,
                       T* sums) noexcept {
    if constexpr (M > 0) {
      if (count == M) block<C, M>(a, p, x, planes, rows, sums);
      else block_of<C, M - 1>(count, a, p, x, planes, rows, sums);
    }
  }

  // C of the planes, M taps.
  template <int C, int M>
  static __attribute__((noinline)) void block(const Conv2d& a, const Plan& p, const T* x, const T* planes,
                                              ptrdiff_t rows, T* sums) noexcept {
    vec<T> sum[M][C];
    UNROLL for (int m = 0; m < M; m++) UNROLL for (int c = 0; c < C; c++) sum[m][c] = vec<T>{};
    ptrdiff_t plane = p.vectors * L, x_row = a.stride_h * a.ic * p.wide, step = a.dilation_w;
    for (ptrdiff_t r = 0; r < rows; r++, x += x_row, planes += a.oc * plane)
      for (ptrdiff_t v = 0; v < plane; v += L) {
        vec<T> dy[C];
        UNROLL for (int c = 0; c < C; c++) dy[c] = load<T>(planes + c * plane + v);
        const T* at = x + v;
        UNROLL for (int m = 0; m < M; m++, at += step) {
          vec<T> xm = load<T>(at);
          UNROLL for (int c = 0; c < C; c++) sum[m][c] += xm * dy[c];
        }
      }
    UNROLL for (int m = 0; m < M; m++) UNROLL for (int c = 0; c < C; c++) {
      T* to = sums + (m * a.oc + c) * L;
      store<T>(to, load<T>(to) + sum[m][c]);
    }
  }
};
