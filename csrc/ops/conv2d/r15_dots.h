// Idea:  few output channels, few taps: dot products along the input channels, as they lie in memory. The sums of a
//        vector of places wait beside each other until squares of them are turned and added up.
// Since: r13_across copies x into planes, which takes longer than 1x1 to 3 channels themselves.
// Why:   nothing is copied, x is read once and in order; a vector of x meets the weights of every channel.
// Price: a weight is loaded for every few multiply-adds; lanes beyond the last input channel are idle; channels-last x.
#pragma once
#include "across.h"

template <class T>
struct conv2d_r15_dots : Plain<Conv2d> {
  static constexpr bool epilogue = true;
  static constexpr int L = lanes<T>, most = Across<T>::most;

  static const char* supports(const Conv2d& a) {
    if (a.groups != 1) return "wants one group";
    if (a.oc > most) return "wants fewer output channels: these fill most of a vector";
    if (a.x_c != 1 && a.ic != 1) return "wants channels-last x (x_c = 1)";
    if (a.y_c != 1 || a.y_w != a.oc) return "wants channels-last y without gaps (y_c = 1, y_w = oc)";
    return nullptr;
  }

  static const char* declines(const Conv2d& a) {
    double here = cycles(a);
    if (across_takes(a) && Across<T>::cycles(a) <= here) return "across copies little beside what it multiplies";
    return Across<T>::direct_cycles(a) <= here ? "adding up lanes takes longer than vectors of channels" : nullptr;
  }

  // As in across.h; a masked load takes as long as two. Microseconds of pack, across and this rung on Zen 3:
  //
  //   1x1   32 -> 3, 4 of 128x128   706  702  549      3x3    64 -> 1, 2 of 32x32   299  102   46
  //         16 -> 1, 8 of 32x32      62   40   31            256 -> 4, 2 of 14x14   244  241  103
  //         16 -> 6, 8 of 32x32      60   57  114             16 -> 1, 2 of 64x64   321   92   90
  //         12 -> 3, 8 of 96x96     463  310  556      3     64 -> 1, 8 of 1000     363  179   68
  static double cycles(const Conv2d& a) {
    ptrdiff_t length = run_length(a), runs = joined(a) ? a.kh : a.kh * a.kw;
    double loads = double(runs * (length / L + (length % L ? 2 : 0)) * L), oc = double(a.oc);
    if (isa_registers == 16) return Across<T>::multiply_add * loads * oc + 5 * L * oc + 60;  // 5 * L: to add up lanes
    double each = (a.oc > 6 ? 0.65 : 0.45) * (packed_bytes(a) > near_bytes ? 1.2 : 1);
    return loads * (each * oc + 0.8) + 6 * L * oc + 50;
  }
  static constexpr size_t near_bytes = 32 << 10;  // weights that stay in the first-level cache

  // Whether few output channels make this rung or across the fastest, Winograd's included: it leaves most lanes idle
  // and transforms every input channel all the same. 3x3 on 2 of 32x32: 64 -> 3 channels by F(4x4) 187 us, here 87; 64
  // -> 6 186 and 199.
  static bool few_outputs(const Conv2d& a) { return a.oc <= 4 && (across_takes(a) || takes(a)); }
  // The same, where Winograd would take so many cycles.
  static bool few_outputs(const Conv2d& a, double winograd) {
    bool here = takes(a);
    if (isa_registers == 16 || (!here && !across_takes(a))) return few_outputs(a);
    return (here ? cycles(a) : Across<T>::cycles(a)) * double(a.n * a.oh * a.ow) / L < winograd;
  }
  static bool takes(const Conv2d& a) { return !supports(a) && !declines(a); }
  static bool across_takes(const Conv2d& a) { return !Across<T>::supports(a) && !Across<T>::declines(a); }

  // Taps of a kernel row whose channels follow each other in x are one long sum.
  static bool joined(const Conv2d& a) { return a.dilation_w == 1 && a.x_w == a.ic; }
  static ptrdiff_t run_length(const Conv2d& a) { return joined(a) ? a.kw * a.ic : a.ic; }

  // [kh, oc, kw, ic]
  static size_t packed_bytes(const Conv2d& a) { return size_t(a.kh * a.oc * a.kw * a.ic) * sizeof(T); }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    const T* w = static_cast<const T*>(a.w);
    Range rows = share(a.kh * a.oc * a.kw, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t kw = row % a.kw, oc = row / a.kw % a.oc, kh = row / (a.kw * a.oc);
      T* to = static_cast<T*>(packed) + row * a.ic;
      for (ptrdiff_t ic = 0; ic < a.ic; ic++) to[ic] = w[oc * a.w_o + ic * a.w_i + kh * a.w_h + kw * a.w_w];
    }
  }

  static void run(const Conv2d& given, const Team& team) noexcept {
    if (given.n == 0 || given.oh == 0 || given.ow == 0) return;
    Conv2d a = conv2d_r5_pack<T>::flat(given);
    for_channels<most>(a.oc, [&]<int N>() { groups<N>(a, team); });
  }

  // L neighbouring places of a row at a time.
  template <int N>
  static void groups(const Conv2d& a, const Team& team) noexcept {
    ptrdiff_t parts = ceil_div(a.ow, L);
    Range mine = share(a.n * a.oh * parts, team);
    for (ptrdiff_t i = mine.begin; i < mine.end; i++) {
      ptrdiff_t row = i / parts, ow = i % parts * L, n = row / a.oh, oh = row % a.oh;
      ptrdiff_t count = a.ow - ow < L ? a.ow - ow : L;
      T* y = static_cast<T*>(a.y) + n * a.y_n + oh * a.y_h + ow * N;
      T sums[N][L][L];  // of each channel and place, lanes still to be added up
      places<N>(a, n, oh, ow, count, sums);
      const T* bias = static_cast<const T*>(a.bias);
      vec<T> planes[N];
      for (int c = 0; c < N; c++) {
        vec<T> square[L];
        UNROLL for (int p = 0; p < L; p++) square[p] = load<T>(sums[c][p]);
        transpose<T>(square);
        vec<T> sum = broadcast<T>(bias ? bias[c] : T(0));
        UNROLL for (int lane = 0; lane < L; lane++) sum += square[lane];
        planes[c] = sum;
      }
      store_places<T, N>(planes, y, count * N);
      finish_sums<T>(a, y, 1, 0, 1, 0, count * N);
    }
  }

  // As many places side by side as registers hold sums of.
  template <int N>
  static constexpr int side = (isa_registers == 32 ? 24 : 12) / N < 8 ? (isa_registers == 32 ? 24 : 12) / N : 8;

  template <int N>
  static void places(const Conv2d& a, ptrdiff_t n, ptrdiff_t oh, ptrdiff_t ow, ptrdiff_t count,
                     T (&sums)[N][L][L]) noexcept {
    constexpr int P = side<N> < L ? side<N> : L;
    Range rows = window(oh * a.stride_h - a.pad_h, a.ih, a.kh, a.dilation_h);
    const T* x = static_cast<const T*>(a.x) + n * a.x_n + (oh * a.stride_h - a.pad_h) * a.x_h;
    for (ptrdiff_t p = 0, fit; p < count; p += fit) {
      ptrdiff_t iw = (ow + p) * a.stride_w - a.pad_w, last = iw + (a.kw - 1) * a.dilation_w;
      Range taps = {0, a.kw};
      fit = count - p < P ? count - p : P;
      if (iw < 0) fit = 1;
      while (fit > 1 && last + (fit - 1) * a.stride_w >= a.iw) fit--;
      if (fit == 1) taps = window(iw, a.iw, a.kw, a.dilation_w);
      with_int<P>(fit, [&](auto m) { some<N, decltype(m)::value>(a, x + iw * a.x_w, rows, taps, &sums[0][p]); });
    }
  }

  // P places which see the same taps: to[c * L + p] the sums of channel c.
  template <int N, int P>
  static __attribute__((noinline)) void some(const Conv2d& a, const T* x, Range kh, Range kw, T (*to)[L]) noexcept {
    ptrdiff_t step = a.stride_w * a.x_w, row = a.kw * a.ic, length = a.ic, runs = kw.end - kw.begin;
    if (joined(a)) length *= runs, runs = runs > 0;
    vec<T> sum[P][N];
    UNROLL for (int p = 0; p < P; p++) UNROLL for (int c = 0; c < N; c++) sum[p][c] = vec<T>{};
    for (ptrdiff_t h = kh.begin; h < kh.end; h++)
      for (ptrdiff_t r = kw.begin; r < kw.begin + runs; r++) {
        const T* from = x + h * a.dilation_h * a.x_h + r * a.dilation_w * a.x_w;
        const T* w = static_cast<const T*>(a.workspace.packed) + h * N * row + r * a.ic;
        ptrdiff_t k = 0;
        for (; k + L <= length; k += L) UNROLL for (int p = 0; p < P; p++) {
            vec<T> xp = load<T>(from + p * step + k);
            UNROLL for (int c = 0; c < N; c++) sum[p][c] += xp * load<T>(w + c * row + k);
          }
        if (k == length) continue;
        UNROLL for (int p = 0; p < P; p++) {
          vec<T> xp = load_n<T>(from + p * step + k, length - k);
          UNROLL for (int c = 0; c < N; c++) sum[p][c] += xp * load_n<T>(w + c * row + k, length - k);
        }
      }
    UNROLL for (int c = 0; c < N; c++) UNROLL for (int p = 0; p < P; p++) store<T>(to[c * L + p], sum[p][c]);
  }
};
