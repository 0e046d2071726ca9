// Idea:  depthwise, every number of dy and x once: a tile of pixels passes, and all taps of a vector of channels wait
//        for it in registers; then the next vector of channels, and the next tile.
// Since: r3_depthwise held one kernel row's taps while all pixels passed, in steps of a whole pixel through memory:
//        dy and x came kh times from afar, a line here and a line there.
// Why:   9 taps are 9 independent sums for one load of dy, and neighbouring channels are neighbours in memory. Totals
//        wait in scratch memory; the gradient of the bias is one more sum.
// Price: loads and stores of the totals, once per tile (64 pixels x 9 multiply-adds). Kernels over 7 wide go by pieces,
//        of equal width give or take one, and read dy for each.
#pragma once
#include "bias.h"

template <class T>
struct conv2d_backward_weight_r4_slide : Plain<Conv2d> {
  static constexpr int L = lanes<T>;
  static constexpr int most = isa_registers == 32 ? 25 : 12;  // sums in registers, beside dy and x
  static constexpr ptrdiff_t tile_pixels = 64;
  // dy and x together from here on are asked for ahead: a vector of channels after the other is an order of lines that
  // no CPU foresees. Ice Lake, microseconds without and with, 3x3: 8 x 112x112x96 stride 2 7140 and 3530, 28x28x192 321
  // and 267, 8 x 56x56x144 4130 and 2580; of 4.8 MB nothing is gained, from L2 (28x28x96) 22 became 26.
  static constexpr ptrdiff_t fetch_from = 4 << 20;

  static const char* supports(const Conv2d& a) {
    if (a.ic != a.groups || a.oc != a.groups) return "needs one input and one output channel per group";
    if (a.x_c != 1 || a.y_c != 1) return "needs channels-last arrays (x_c = y_c = 1)";
    if (a.ic < L) return "needs a vector full of channels";
    return nullptr;
  }

  // Vectors of channels; the last one overlaps its neighbour rather than being short.
  static ptrdiff_t vectors(const Conv2d& a) { return (a.ic + L - 1) / L; }
  static ptrdiff_t channel(const Conv2d& a, ptrdiff_t v) { return (v + 1) * L <= a.ic ? v * L : a.ic - L; }

  static ptrdiff_t totals(const Conv2d& a) { return (a.kh * a.kw + 1) * L; }  // of a vector: [kh * kw + bias, L]
  static size_t scratch_bytes(const Conv2d& a, int) { return size_t(vectors(a) * totals(a)) * sizeof(T); }

  // Outputs o with 0 <= o * stride - pad + k * dilation < in.
  static Range meeting(ptrdiff_t k, ptrdiff_t dilation, ptrdiff_t pad, ptrdiff_t stride, ptrdiff_t in, ptrdiff_t out) {
    ptrdiff_t low = pad - k * dilation, high = in + pad - k * dilation;
    ptrdiff_t begin = low > 0 ? low : 0, end = high > 0 ? high : 0;
    if (stride != 1) begin = (begin + stride - 1) / stride, end = (end + stride - 1) / stride;
    return {begin, end < out ? end : out};
  }

  struct Tile {
    ptrdiff_t n;
    Range h, w;           // its pixels
    Range all_h;          // rows of pixels where the group's kernel rows all meet the image
    Range all_w;          // columns where all taps do
    ptrdiff_t kh, kw, c;  // first kernel row of the group, first tap of the piece, first channel
    T* total;             // of tap (kh, kw): [G, kw of the kernel, L]
    T* bias;              // or null
    // What the next tile will need of dy and of x, in the order in which it lies in memory: from channel `at` of `line`
    // on, `columns` pixels before its next row begins. Or null: nothing is asked for.
    const T *y_ahead, *x_ahead;
    ptrdiff_t at, line, columns;
  };

  static bool inside(ptrdiff_t i, ptrdiff_t size) { return size_t(i) < size_t(size); }

  // total += sums over a tile of pixels, for the kernel rows kh .. kh + G - 1. S: the stride, if it asks for the next
  // tile, otherwise 0.
  template <int KW, int G, int S>
  static __attribute__((noinline)) void block(const Conv2d& a, const Tile& t) noexcept {
    vec<T> sum[G][KW], bias = {};
    UNROLL for (int g = 0; g < G; g++) UNROLL for (int k = 0; k < KW; k++) sum[g][k] = vec<T>{};
    ptrdiff_t x_w = a.stride_w * a.x_w, x_kw = a.dilation_w * a.x_w, x_kh = a.dilation_h * a.x_h, y_w = a.y_w;
    const T *y_ahead = t.y_ahead, *x_ahead = t.x_ahead;
    ptrdiff_t at = t.at, columns = t.columns;
    for (ptrdiff_t h = t.h.begin; h < t.h.end; h++) {
      ptrdiff_t ih = h * a.stride_h - a.pad_h + t.kh * a.dilation_h,
                iw = t.w.begin * a.stride_w - a.pad_w + t.kw * a.dilation_w;
      const T* y = static_cast<const T*>(a.y) + t.n * a.y_n + h * a.y_h + t.w.begin * y_w + t.c;
      const T* x = static_cast<const T*>(a.x) + t.n * a.x_n + ih * a.x_h + iw * a.x_w + t.c;
      bool whole = h >= t.all_h.begin && h < t.all_h.end;
      for (ptrdiff_t w = t.w.begin; w < t.w.end; w++, y += y_w, x += x_w, iw += a.stride_w) {
        vec<T> yv = load<T>(y);
        if constexpr (S > 0) {
          __builtin_prefetch(y_ahead + at);
          UNROLL for (int i = 0; i < S; i++) UNROLL for (int j = 0; j < S; j++)
              __builtin_prefetch(x_ahead + at + i * a.x_h + j * a.x_w);
          at += L;
          if (at == t.line) {
            at = 0, y_ahead += y_w, x_ahead += S * a.x_w;
            if (--columns == 0) {
              columns = t.w.end - t.w.begin;
              y_ahead += a.y_h - columns * y_w, x_ahead += S * (a.x_h - columns * a.x_w);
            }
          }
        }
        if (t.bias) bias += yv;
        if (whole && w >= t.all_w.begin && w < t.all_w.end) {
          const T* row = x;
          UNROLL for (int g = 0; g < G; g++) {
            UNROLL for (int k = 0; k < KW; k++) sum[g][k] += yv * load<T>(row + k * x_kw);
            row += x_kh;
            asm("" : "+r"(row));
          }
        } else {  // at an edge: ask for each kernel row and each tap
          const T* row = x;
          UNROLL for (int g = 0; g < G; g++) {
            if (inside(ih + g * a.dilation_h, a.ih))
              UNROLL for (int k = 0; k < KW; k++) if (inside(iw + k * a.dilation_w, a.iw)) sum[g][k] +=
                  yv * load<T>(row + k * x_kw);
            row += x_kh;
            asm("" : "+r"(row));
          }
        }
      }
    }
    UNROLL for (int g = 0; g < G; g++) UNROLL for (int k = 0; k < KW; k++) {
      T* total = t.total + (g * a.kw + k) * L;
      store<T>(total, load<T>(total) + sum[g][k]);
    }
    if (t.bias) store<T>(t.bias, load<T>(t.bias) + bias);
  }

  // Kernel rows that go together.
  template <int KW>
  static constexpr int group = most / KW < 5 ? most / KW : 5;

  template <int KW, int G = group<KW>>
  static void pick(ptrdiff_t g, const Conv2d& a, const Tile& t) noexcept {
    if constexpr (G > 1)
      if (g < G) return pick<KW, G - 1>(g, a, t);
    if constexpr (KW == 3 && G == 3) {
      if (t.y_ahead && a.stride_w == 1) return block<KW, G, 1>(a, t);
      if (t.y_ahead) return block<KW, G, 2>(a, t);
    }
    block<KW, G, 0>(a, t);
  }

  // The taps [t.kw, t.kw + KW) of all kernel rows, over a tile of pixels.
  template <int KW>
  static void piece(ptrdiff_t width, const Conv2d& a, Tile& t, T* total) noexcept {
    if constexpr (KW > 1)
      if (width < KW) return piece<KW - 1>(width, a, t, total);
    t.all_w = {meeting(t.kw, a.dilation_w, a.pad_w, a.stride_w, a.iw, a.ow).begin,
               meeting(t.kw + KW - 1, a.dilation_w, a.pad_w, a.stride_w, a.iw, a.ow).end};
    for (t.kh = 0; t.kh < a.kh; t.kh += group<KW>) {
      ptrdiff_t size = a.kh - t.kh < group<KW> ? a.kh - t.kh : group<KW>;
      t.all_h = {meeting(t.kh, a.dilation_h, a.pad_h, a.stride_h, a.ih, a.oh).begin,
                 meeting(t.kh + size - 1, a.dilation_h, a.pad_h, a.stride_h, a.ih, a.oh).end};
      t.total = total + (t.kh * a.kw + t.kw) * L;
      t.bias = a.bias && t.kh == 0 && t.kw == 0 ? total + a.kh * a.kw * L : nullptr;
      pick<KW>(size, a, t);
    }
  }

  // totals[vector] = 0, for this member's vectors
  static void clear(const Conv2d& a, T* scratch, Range mine) noexcept {
    for (ptrdiff_t i = mine.begin * totals(a); i < mine.end * totals(a); i += L) store<T>(scratch + i, vec<T>{});
  }

  // From where on vector `done` of a tile asks for its part of the next one.
  static void fetch(const Conv2d& a, Tile& t, ptrdiff_t done, Range mine, ptrdiff_t part, ptrdiff_t parts) noexcept {
    ptrdiff_t n = t.n, oh = t.h.begin, next = part + 1;
    if (next == parts) next = 0, oh = t.h.end;
    if (oh == a.oh) oh = 0, n++;
    t.y_ahead = nullptr;
    if (n == a.n) return;
    ptrdiff_t vectors = mine.end - mine.begin, wide = t.w.end - t.w.begin;
    ptrdiff_t steps = done * (t.h.end - t.h.begin) * wide, place = steps / vectors, row = place / wide;
    ptrdiff_t w = place - row * wide, c = channel(a, mine.begin);
    t.line = vectors * L, t.at = (steps - place * vectors) * L, t.columns = wide - w;
    w += a.ow * next / parts, oh += row;
    t.y_ahead = static_cast<const T*>(a.y) + n * a.y_n + oh * a.y_h + w * a.y_w + c;
    ptrdiff_t ih = (oh - 1) * a.stride_h - a.pad_h + a.kh;  // the first row of x that row oh - 1 of y did not want
    t.x_ahead = static_cast<const T*>(a.x) + n * a.x_n + ih * a.x_h + w * a.stride_w * a.x_w + c;
  }

  // totals += all pixels of a
  static void add(const Conv2d& a, T* scratch, Range mine) noexcept {
    ptrdiff_t parts = (a.ow + tile_pixels - 1) / tile_pixels, rows = a.ow > 0 ? tile_pixels * parts / a.ow : 1;
    ptrdiff_t pieces = (a.kw + 6) / 7;
    Tile t = {};
    ptrdiff_t bytes = a.n * a.ic * (a.ih * a.iw + a.oh * a.ow) * ptrdiff_t(sizeof(T));
    bool fetches = bytes >= fetch_from && a.kw == 3 && a.kh == 3 && a.stride_h == a.stride_w && a.stride_w <= 2;
    for (t.n = 0; t.n < a.n; t.n++)
      for (ptrdiff_t oh = 0; oh < a.oh; oh += rows)
        for (ptrdiff_t part = 0; part < parts; part++)
          for (ptrdiff_t v = mine.begin; v < mine.end; v++) {
            t.h = {oh, oh + rows < a.oh ? oh + rows : a.oh};
            t.w = {a.ow * part / parts, a.ow * (part + 1) / parts};
            t.c = channel(a, v);
            if (fetches) fetch(a, t, v - mine.begin, mine, part, parts);
            for (ptrdiff_t p = 0; p < pieces; p++) {
              t.kw = a.kw * p / pieces;
              piece<7>(a.kw * (p + 1) / pieces - t.kw, a, t, scratch + v * totals(a));
            }
          }
  }

  // The lanes go to filters that lie apart; those that the vector before has as well are its.
  static void write(const Conv2d& a, ptrdiff_t v, const T* total) noexcept {
    for (ptrdiff_t c = v * L, i = c - channel(a, v); i < L; c++, i++) {
      T* w = static_cast<T*>(a.w) + c * a.w_o;
      for (ptrdiff_t tap = 0; tap < a.kh * a.kw; tap++) w[tap / a.kw * a.w_h + tap % a.kw * a.w_w] = total[tap * L + i];
      if (a.bias) static_cast<T*>(a.bias)[c] = total[a.kh * a.kw * L + i];
    }
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    Range mine = share(vectors(a), team);
    T* scratch = static_cast<T*>(a.workspace.scratch);
    clear(a, scratch, mine);
    add(a, scratch, mine);
    for (ptrdiff_t v = mine.begin; v < mine.end; v++) write(a, v, scratch + v * totals(a));
  }
};
