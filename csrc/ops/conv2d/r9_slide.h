// Idea:  depthwise, column by column of x: each vector of x is loaded once for a kernel row and meets all its taps.
// Since: r6_depthwise loaded x anew for each tap, and asked for each tap and pixel whether it lies in the image.
// Why:   a block of 8 pixels under 3 taps loads 10 + 3 vectors for 24 multiply-adds, not 24 + 3. A column outside the
//        image is left out with all its taps: one test per column. Rows go down a strip of the image as wide as L1 can
//        hold, so x comes from afar once; what the next row needs is fetched ahead. Large y goes past the caches.
// Price: compiled for kernels 3, 5 and 7 wide and strides 1 and 2 only; blocks are 8 pixels wide, however many count.
#pragma once
#include "parts.h"

template <class T>
struct conv2d_r9_slide : Plain<Conv2d> {
  static constexpr bool epilogue = true;
  static constexpr int L = lanes<T>, P = 8;  // 8 sums cover an FMA's latency (4 cycles x 2 a cycle)
  static constexpr ptrdiff_t slice = 16;     // vectors of channels that pass a strip together: 1 KB of a pixel
  // x of a strip's row under the kernel. Stride 1 meets each row of x in kh rows of y, so it should stay in L1 (half of
  // it); with stride 2 half as often, and long runs through memory are worth more: L2 (found by trying).
  template <int S>
  static constexpr ptrdiff_t strip_bytes = S == 1 ? 24 << 10 : 256 << 10;
  static constexpr ptrdiff_t near_bytes = 4 << 20;    // x up to here comes from L2 or L3, without being fetched ahead
  static constexpr ptrdiff_t stream_bytes = 4 << 20;  // y from here on goes past the caches (found by trying)

  static const char* supports(const Conv2d& a) {
    if (a.groups != a.ic || a.oc != a.ic) return "wants one input and one output channel per group";
    if (a.x_c != 1 || a.y_c != 1) return "wants channels-last x and y (x_c = y_c = 1)";
    if (a.oc < L) return "wants a vector full of channels";
    if (a.kw != 3 && a.kw != 5 && a.kw != 7) return "wants a kernel 3, 5 or 7 wide";
    if (a.stride_w > 2 || a.dilation_w != 1) return "wants stride 1 or 2 and dilation 1 along the width";
    return nullptr;
  }

  // Vectors of channels; the last one overlaps its neighbour rather than being short.
  static ptrdiff_t vectors(const Conv2d& a) { return ceil_div(a.oc, L); }
  static ptrdiff_t channel(const Conv2d& a, ptrdiff_t v) { return (v + 1) * L <= a.oc ? v * L : a.oc - L; }

  // packed: [vectors, kh, kw, L]
  static size_t packed_bytes(const Conv2d& a) { return size_t(vectors(a) * a.kh * a.kw * L) * sizeof(T); }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    Range mine = share(vectors(a), team);
    for (ptrdiff_t v = mine.begin; v < mine.end; v++) {
      T* to = static_cast<T*>(packed) + v * a.kh * a.kw * L;
      for (ptrdiff_t tap = 0; tap < a.kh * a.kw; tap++)
        for (ptrdiff_t c = 0; c < L; c++)
          *to++ = static_cast<const T*>(a.w)[(channel(a, v) + c) * a.w_o + tap / a.kw * a.w_h + tap % a.kw * a.w_w];
    }
  }

  struct Tile {
    const T* x;      // column 0 of its first kernel row, channel 0
    T* y;            // first pixel, channel 0
    ptrdiff_t rows;  // kernel rows that lie in the image, the first of them `kh`
    ptrdiff_t kh;
    Range columns;    // of x that lie in the image
    ptrdiff_t count;  // pixels that count
    Range vectors;    // of channels
    const T* ahead;   // x that the next row of y will need, or null
    bool stream;
  };

  template <int KW, int S, bool edge>
  static void tile(const Conv2d& a, const Tile& t) noexcept {
    Finish<T> finish(a);
    bool clamps = finish.simple && !finish.adds && finish.clamps;  // in registers
    constexpr int columns = (P - 1) * S + KW;
    ptrdiff_t x_w = a.x_w, y_w = a.y_w, x_row = a.dilation_h * a.x_h;
    const T* bias = static_cast<const T*>(a.bias);
    const T* w = static_cast<const T*>(a.workspace.packed) + (t.vectors.begin * a.kh + t.kh) * KW * L;
    for (ptrdiff_t v = t.vectors.begin; v < t.vectors.end; v++, w += a.kh * KW * L) {
      ptrdiff_t c = channel(a, v);
      vec<T> sum[P], start = bias ? load<T>(bias + c) : vec<T>{};
      UNROLL for (int p = 0; p < P; p++) sum[p] = start;
      const T *row = t.x + c, *wr = w;
      for (ptrdiff_t kh = 0; kh < t.rows; kh++, row += x_row, wr += KW * L) {
        vec<T> tap[KW];
        UNROLL for (int k = 0; k < KW; k++) tap[k] = load<T>(wr + k * L);
        const T* x = row;
#pragma GCC unroll 32
        for (int i = 0; i < columns; i++) {
          if (!edge || (i >= t.columns.begin && i < t.columns.end)) {
            vec<T> xv = load<T>(x);
            UNROLL for (int p = 0; p < P; p++) if (i - p * S >= 0 && i - p * S < KW) sum[p] +=
                xv * tap[(i - p * S) % KW];
          }
          x += x_w;
          asm("" : "+r"(x));  // one pointer that moves on, not a register for each column
        }
      }
      if (t.ahead)
        for (ptrdiff_t h = 0; h < a.stride_h; h++)
          for (ptrdiff_t i = 0; i < P * S; i++) __builtin_prefetch(t.ahead + h * a.x_h + i * x_w + c);
      if (clamps) {
        UNROLL for (int p = 0; p < P; p++) sum[p] = finish.clamp(sum[p]);
      }
      T* y = t.y + c;
      if (edge) {
        UNROLL for (int p = 0; p < P; p++) if (p < t.count) store<T>(y + p * y_w, sum[p]);
      } else if (t.stream && c == v * L) {
        UNROLL for (int p = 0; p < P; p++) stream<T>(y + p * y_w, sum[p]);
      } else {
        UNROLL for (int p = 0; p < P; p++) store<T>(y + p * y_w, sum[p]);
      }
    }
    if (clamps) return;
    ptrdiff_t begin = channel(a, t.vectors.begin), end = channel(a, t.vectors.end - 1) + L;
    finish_sums<T>(a, t.y + begin, 1, 0, t.count, y_w, end - begin);
  }

  template <int KW, int S>
  static void rows(const Conv2d& a, const Team& team) noexcept {
    ptrdiff_t slices = ceil_div(vectors(a), slice), tiles = ceil_div(a.ow, P);
    ptrdiff_t bytes = a.kh * P * S * (vectors(a) < slice ? a.oc : slice * L) * ptrdiff_t(sizeof(T));
    bool near = a.n * a.ih * a.iw * a.ic * ptrdiff_t(sizeof(T)) <= near_bytes;
    ptrdiff_t strip = strip_bytes<S> / bytes;
    if (strip < 1) strip = 1;
    bool past = a.n * a.oh * a.ow * a.oc * ptrdiff_t(sizeof(T)) >= stream_bytes && !a.activation && !a.add &&
                (uintptr_t(a.y) | uintptr_t(a.y_n | a.y_h | a.y_w) * sizeof(T)) % sizeof(vec<T>) == 0;
    Range mine = share(a.n * slices * a.oh, team);
    for (ptrdiff_t begin = mine.begin, end; begin < mine.end; begin = end) {
      end = (begin / a.oh + 1) * a.oh < mine.end ? (begin / a.oh + 1) * a.oh : mine.end;
      ptrdiff_t part = begin / a.oh, n = part / slices, first = part % slices;
      Tile t;
      t.vectors = {vectors(a) * first / slices, vectors(a) * (first + 1) / slices};
      t.stream = past;
      for (ptrdiff_t left = 0; left < tiles; left += strip)
        for (ptrdiff_t oh = begin - part * a.oh; oh < end - part * a.oh; oh++) {
          ptrdiff_t ih = oh * a.stride_h - a.pad_h, reach = (a.kh - 1) * a.dilation_h + 1;
          Range kh = window(ih, a.ih, a.kh, a.dilation_h);
          t.kh = kh.begin, t.rows = kh.end - kh.begin;
          for (ptrdiff_t i = left; i < tiles && i < left + strip; i++) {
            ptrdiff_t ow = i * P, iw = ow * S - a.pad_w;
            t.count = a.ow - ow < P ? a.ow - ow : P;
            t.columns = {-iw, a.iw - iw};
            if (t.columns.end > (t.count - 1) * S + KW) t.columns.end = (t.count - 1) * S + KW;
            const T* x = static_cast<const T*>(a.x) + n * a.x_n + iw * a.x_w;
            t.x = x + (ih + kh.begin * a.dilation_h) * a.x_h;
            t.y = static_cast<T*>(a.y) + n * a.y_n + oh * a.y_h + ow * a.y_w;
            t.ahead = near || ih + reach + a.stride_h > a.ih ? nullptr : x + (ih + reach) * a.x_h;
            if (t.columns.begin > 0 || t.columns.end < (P - 1) * S + KW) tile<KW, S, true>(a, t);
            else tile<KW, S, false>(a, t);
          }
        }
    }
    if (past) stream_end();
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    if (a.kw == 3) a.stride_w == 1 ? rows<3, 1>(a, team) : rows<3, 2>(a, team);
    else if (a.kw == 5) a.stride_w == 1 ? rows<5, 1>(a, team) : rows<5, 2>(a, team);
    else a.stride_w == 1 ? rows<7, 1>(a, team) : rows<7, 2>(a, team);
  }
};
