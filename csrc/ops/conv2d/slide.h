// The depthwise convolution of conv1d, conv2d and conv3d and, with stride 1, of their gradients of x: r9_slide's loops,
// over volumes, so that one copy of the code serves them all.
//
// A block is 8 pixels of one row of y, or of two (fewer from beyond L2), for one vector of channels. It walks down the
// rows of x under it; each row's taps wait in registers, and each vector of x is loaded once and meets all taps of all
// kernel rows that see it.
//
//   loads for a multiply-add, 3x3:   one row   10 x + 3 w for 24        two rows   40 x + 18 w for 144
//   registers, 7x7, two rows:        16 sums + 14 taps + 1 of x = 31 of 32; with 16 registers one row, 8 + 7 + 1
//
// Kernels over 7 wide are cut into pieces of equal width, give or take one (9 to 15 taps with stride 2: 1.2 to 1.4
// times as fast as r6_depthwise, 31 taps 1.7 times). Dilation with stride 1 is a convolution without it on every d-th
// row and column: each phase is a sweep of its own, all that differs is strides.
#pragma once
#include "parts.h"

// An image as a volume of one plane.
inline Conv3d as_volume(const Conv2d& a) {
  Conv3d v = {};
  v.workspace = a.workspace, v.x = a.x, v.w = a.w, v.bias = a.bias, v.y = a.y;
  v.n = a.n, v.ic = a.ic, v.oc = a.oc, v.groups = a.groups;
  v.id = v.od = v.kd = v.stride_d = v.dilation_d = 1;
  v.ih = a.ih, v.kh = a.kh, v.oh = a.oh, v.stride_h = a.stride_h, v.pad_h = a.pad_h, v.dilation_h = a.dilation_h;
  v.iw = a.iw, v.kw = a.kw, v.ow = a.ow, v.stride_w = a.stride_w, v.pad_w = a.pad_w, v.dilation_w = a.dilation_w;
  v.x_n = a.x_n, v.x_c = a.x_c, v.x_h = a.x_h, v.x_w = a.x_w;
  v.y_n = a.y_n, v.y_c = a.y_c, v.y_h = a.y_h, v.y_w = a.y_w;
  v.w_o = a.w_o, v.w_i = a.w_i, v.w_h = a.w_h, v.w_w = a.w_w;
  return v;
}

template <class T>
struct Slide {
  static constexpr int L = lanes<T>, P = 8;                 // 8 sums cover an FMA's latency (4 cycles x 2 a cycle)
  static constexpr int pair = isa_registers == 32 ? 2 : 1;  // rows of y in a block

  // One axis: sizes of x, kernel and y. Planes have dilation as well; what rows and columns had is gone (phases).
  struct Axis {
    ptrdiff_t in, kernel, out, stride, pad, dilation, x, y;  // the last two: steps in memory
  };
  using Index = __typeof__(vec<T>{} < vec<T>{});  // integers of the same width
  struct Args {
    Axis d, h, w;
    ptrdiff_t n, c, x_n, y_n;
    const T* x;            // [n, d.in, h.in, w.in, c]
    T* y;                  // [n, d.out, h.out, w.out, c]
    const T *taps, *bias;  // packed; [c] or null
    const T* add;          // lies as y does, or null
    int64_t activation;
    // Groups of several channels (r11_group): a vector of y is `together` groups of group_oc channels, and its lanes
    // want channel i of their own group's group_ic: lane l is lane index[i][l] of the block's vector of x.
    ptrdiff_t group_ic, group_oc, together, groups;
    const Index* index;
  };

  // x and y together from here on leave L2 (1 to 2 MB): then y goes past the caches, or it would drive x out.
  // 56x56x144, 3x3: 137 us, past the caches 98. Only if a vector is a whole line: halves of 32 bytes go out one by one,
  // and that shape took 792 us, not 169.
  static constexpr ptrdiff_t stream_bytes = 3 << 20;
  // Half an L1 for the rows of x under a strip of blocks. With stride 2 along the rows most of them pass but once, and
  // long runs through memory are worth more: L2.
  static constexpr ptrdiff_t near_bytes = 24 << 10, far_bytes = 256 << 10;

  // From beyond L2, kernels 3 wide go in blocks of 2 x 4 pixels, 2 x 2 with stride 2: a block passes all channels of
  // its columns before the next, so narrow ones read memory nearly in order, and its way sets the pace, not loads. Ice
  // Lake, blocks of 2 x 8 and these: 8 x 112x112x96 stride 2 4.94 and 2.54 ms, 28x28x192 246 and 212 us, stride 1 514
  // and 419. From L2 the wide ones are 5 to 15 % ahead, with kernels 5 and 7 wide everywhere.
  static constexpr int slim = 4;
  static constexpr ptrdiff_t slim_from = 2 << 20;
  // x and y together from here on leave L2, and from there on most third-level caches.
  static constexpr ptrdiff_t ahead_from = 1 << 20, fetch_from = 4 << 20, far_from = 16 << 20;

  static const char* supports(ptrdiff_t c, const Axis& w) {
    if (c < L) return "wants a vector full of channels";
    if (w.stride > 2) return "wants stride 1 or 2 along the width";
    if (w.stride == 2 && w.dilation != 1) return "wants undilated kernels for stride 2";
    return nullptr;
  }

  static Args args(const Conv3d& a) {
    Args s = {};
    s.d = {a.id, a.kd, a.od, a.stride_d, a.pad_d, a.dilation_d, a.x_d, a.y_d};
    s.h = {a.ih, a.kh, a.oh, a.stride_h, a.pad_h, a.dilation_h, a.x_h, a.y_h};
    s.w = {a.iw, a.kw, a.ow, a.stride_w, a.pad_w, a.dilation_w, a.x_w, a.y_w};
    s.n = a.n, s.c = a.oc, s.x_n = a.x_n, s.y_n = a.y_n;
    s.x = static_cast<const T*>(a.x), s.y = static_cast<T*>(a.y);
    s.taps = static_cast<const T*>(a.workspace.packed), s.bias = static_cast<const T*>(a.bias);
    return s;
  }

  // Vectors of channels; the last one overlaps its neighbour rather than being short.
  static ptrdiff_t vectors(ptrdiff_t c) { return ceil_div(c, L); }
  static ptrdiff_t channel(ptrdiff_t c, ptrdiff_t v) { return (v + 1) * L <= c ? v * L : c - L; }

  // packed: [vectors, kd, kh, kw, L], w[c, d, h, w] with these steps
  static size_t packed_bytes(ptrdiff_t c, ptrdiff_t taps) { return size_t(vectors(c) * taps * L) * sizeof(T); }
  static void prepare(ptrdiff_t c, ptrdiff_t kd, ptrdiff_t kh, ptrdiff_t kw, const T* w, ptrdiff_t w_c, ptrdiff_t w_d,
                      ptrdiff_t w_h, ptrdiff_t w_w, void* packed, const Team& team) noexcept {
    Range mine = share(vectors(c), team);
    for (ptrdiff_t v = mine.begin; v < mine.end; v++) {
      T* to = static_cast<T*>(packed) + v * kd * kh * kw * L;
      for (ptrdiff_t i = 0; i < L; i++) {  // a filter at a time: its taps are neighbours in PyTorch's order
        const T* from = w + (channel(c, v) + i) * w_c;
        T* lane = to + i;
        for (ptrdiff_t d = 0; d < kd; d++)
          for (ptrdiff_t h = 0; h < kh; h++)
            for (ptrdiff_t k = 0; k < kw; k++, lane += L) *lane = from[d * w_d + h * w_h + k * w_w];
      }
    }
  }

  // ---- a block ----

  struct Tile {
    const T* x;              // under its first pixel: kernel row and column 0 of the first plane that counts
    T* y;                    // its first pixel
    ptrdiff_t planes, kd;    // planes of x that lie in the volume, the first under kernel plane kd
    Range in;                // rows of x that lie in the image, from kernel row 0 of the first row of y
    Range columns;           // of x that lie in the image and that a pixel that counts wants
    ptrdiff_t count;         // pixels that count
    ptrdiff_t wide, narrow;  // pieces of a kernel row, KW and KW - 1 taps
    Range vectors;           // of channels
    bool stream;
    Range ahead;  // rows of x that are asked for, from column `right` on: what the next block wants
    ptrdiff_t right;
  };

  // Of a vector of x, what the lanes want: itself, or of groups the lanes that `index` names. Beyond `valid` nothing is
  // read.
  template <bool groups>
  static inline __attribute__((always_inline)) vec<T> wanted(const T* x, Index index, ptrdiff_t valid) {
    if constexpr (!groups || L == 1) return load<T>(x);
    else if constexpr (sizeof(vec<T>) == 64) return __builtin_shuffle(load_n<T>(x, valid), index);
    else return __builtin_shuffle(valid == L ? load<T>(x) : load_n<T>(x, valid), index);
  }

  // One row of x, KW taps: up, those of the upper row of y (w0), and down, of the lower (w1).
  template <int KW, int S, bool edge, bool groups, bool up, bool down, int R, int W>
  static inline __attribute__((always_inline)) void row(vec<T> (&sum)[R][W], const T* x, ptrdiff_t x_w, const T* w0,
                                                        const T* w1, Range in, Index index, ptrdiff_t valid) {
    ptrdiff_t low = in.begin, high = in.end;
    asm("" : "+r"(low), "+r"(high));  // tested here, for each column: GCC makes loops of their own, and spills sums
    vec<T> tap[2][KW];
    UNROLL for (int k = 0; k < KW; k++) {
      if (up) tap[0][k] = load<T>(w0 + k * L);
      if (down) tap[1][k] = load<T>(w1 + k * L);
    }
#pragma GCC unroll 32
    for (int i = 0; i < (W - 1) * S + KW; i++) {
      if (!edge || (i >= low && i < high)) {
        vec<T> xv = wanted<groups>(x, index, valid);
        UNROLL for (int p = 0; p < W; p++) if (i - p * S >= 0 && i - p * S < KW) {
          if (up) sum[0][p] += xv * tap[0][(i - p * S) % KW];
          if (down) sum[R - 1][p] += xv * tap[1][(i - p * S) % KW];
        }
      }
      x += x_w;
      asm("" : "+r"(x));  // one pointer that moves on, not a register for each column
    }
  }

  // The same for each channel of a group; depthwise has one.
  template <int KW, int S, bool edge, bool groups, bool up, bool down, int R, int W>
  static inline __attribute__((always_inline)) void channels(vec<T> (&sum)[R][W], const Args& a, const T* x,
                                                             const T* w0, const T* w1, Range in, ptrdiff_t valid) {
    if constexpr (!groups) return row<KW, S, edge, false, up, down>(sum, x, a.w.x, w0, w1, in, Index{}, valid);
    else
      for (ptrdiff_t i = 0; i < a.group_ic; i++, w0 += KW * L, w1 += KW * L)
        row<KW, S, edge, true, up, down>(sum, x, a.w.x, w0, w1, in, a.index[i], valid);
  }

  // One row of x for one row of y, any number of taps.
  template <int KW, int S, bool edge, bool groups, bool pieces, int R, int W>
  static inline __attribute__((always_inline)) void whole(vec<T> (&sum)[R][W], const Args& a, const Tile& t, const T* x,
                                                          const T* w, ptrdiff_t valid) {
    if constexpr (!pieces) {
      channels<KW, S, edge, groups, true, false>(sum, a, x, w, w, t.columns, valid);
    } else {
      ptrdiff_t x_w = a.w.x;
      Range in = t.columns;
      for (ptrdiff_t i = 0; i < t.wide; i++, x += KW * x_w, w += KW * L, in.begin -= KW, in.end -= KW)
        row<KW, S, edge, false, true, false>(sum, x, x_w, w, w, in, Index{}, valid);
      for (ptrdiff_t i = 0; i < t.narrow; i++, x += (KW - 1) * x_w, w += (KW - 1) * L) {
        row<KW - 1, S, edge, false, true, false>(sum, x, x_w, w, w, in, Index{}, valid);
        in.begin -= KW - 1, in.end -= KW - 1;
      }
    }
  }

  static ptrdiff_t least(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
  static ptrdiff_t most(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }

  template <int KW, int S, int W, int R, bool edge, bool groups, bool pieces>
  static inline __attribute__((always_inline)) void tile(const Args& a, const Tile& t) noexcept {
    ptrdiff_t x_h = a.h.x, y_w = a.w.y, kh = a.h.kernel, down = a.h.stride;
    ptrdiff_t w_h = a.w.kernel * L * (groups ? a.group_ic : 1), w_d = kh * w_h, w_v = a.d.kernel * w_d;
    const T* wv = a.taps + t.vectors.begin * w_v + t.kd * w_d;
    for (ptrdiff_t v = t.vectors.begin; v < t.vectors.end; v++, wv += w_v) {
      ptrdiff_t first = groups ? v * a.together : 0;  // group
      ptrdiff_t c = groups ? first * a.group_oc : channel(a.c, v), x_c = groups ? first * a.group_ic : c;
      ptrdiff_t here = groups ? least(a.groups - first, a.together) : 0;
      ptrdiff_t lanes_y = groups ? here * a.group_oc : L, lanes_x = groups ? here * a.group_ic : L;
      vec<T> sum[R][W], start = {};
      if (a.bias) start = groups ? load_n<T>(a.bias + c, lanes_y) : load<T>(a.bias + c);
      UNROLL for (int r = 0; r < R; r++) UNROLL for (int p = 0; p < W; p++) sum[r][p] = start;
      const T *plane = t.x + x_c, *w = wv;
      for (ptrdiff_t j = t.ahead.begin; j < t.ahead.end; j++)
        UNROLL for (int i = 0; i < W * S; i++) __builtin_prefetch(plane + j * x_h + (t.right + i) * a.w.x);
      for (ptrdiff_t d = 0; d < t.planes; d++, plane += a.d.dilation * a.d.x, w += w_d) {
        if constexpr (R == 1) {
          for (ptrdiff_t j = t.in.begin; j < t.in.end; j++)
            whole<KW, S, edge, groups, pieces>(sum, a, t, plane + j * x_h, w + j * w_h, lanes_x);
        } else {
          ptrdiff_t j = t.in.begin, end = least(t.in.end, least(down, kh));
          for (; j < end; j++)
            channels<KW, S, edge, groups, true, false>(sum, a, plane + j * x_h, w + j * w_h, w, t.columns, lanes_x);
          for (end = least(t.in.end, kh); j < end; j++)
            channels<KW, S, edge, groups, true, true>(sum, a, plane + j * x_h, w + j * w_h, w + (j - down) * w_h,
                                                      t.columns, lanes_x);
          for (j = most(j, down), end = t.in.end; j < end; j++)
            channels<KW, S, edge, groups, false, true>(sum, a, plane + j * x_h, w, w + (j - down) * w_h, t.columns,
                                                       lanes_x);
        }
      }
      T* y = t.y + c;
      if (a.add || a.activation > ActRelu6) {
        T kept[R * W * L];
        UNROLL for (int r = 0; r < R; r++) UNROLL for (int p = 0; p < W; p++)
            store<T>(kept + (r * W + p) * L, sum[r][p]);
        finish(a, kept, W, y, R, edge ? t.count : W, lanes_y);
        continue;
      }
      if (a.activation) {
        Finish<T> simple(a.activation, nullptr, nullptr);
        UNROLL for (int r = 0; r < R; r++) UNROLL for (int p = 0; p < W; p++) sum[r][p] = simple.clamp(sum[r][p]);
      }
      UNROLL for (int r = 0; r < R; r++, y += a.h.y) {
        if (t.stream && c == v * L && lanes_y == L) {
          UNROLL for (int p = 0; p < W; p++) if (!edge || p < t.count) stream<T>(y + p * y_w, sum[r][p]);
        } else if (lanes_y < L) {
          UNROLL for (int p = 0; p < W; p++) if (!edge || p < t.count) store_n<T>(y + p * y_w, sum[r][p], lanes_y);
        } else {
          UNROLL for (int p = 0; p < W; p++) if (!edge || p < t.count) store<T>(y + p * y_w, sum[r][p]);
        }
      }
    }
  }

  // Any epilogue. y is written once, with finished numbers: blocks of two members may share channels.
  static __attribute__((noinline)) void finish(const Args& a, const T* sums, int wide, T* y, ptrdiff_t rows,
                                               ptrdiff_t count, ptrdiff_t n) noexcept {
    for (ptrdiff_t r = 0; r < rows; r++, y += a.h.y)
      for (ptrdiff_t p = 0; p < count; p++) {
        vec<T> sum = load<T>(sums + (r * wide + p) * L);
        if (a.add) sum += load_n<T>(a.add + (y - a.y) + p * a.w.y, n);
        store_n<T>(y + p * a.w.y, activate<T>(sum, a.activation), n);
      }
  }

  // ---- 16 registers, kernels 3 wide: all taps of up to 3 kernel rows wait in registers ----

  // A strip of a row of y, for one vector of channels.
  struct Strip {
    ptrdiff_t x_h, x_w, y_w;
    ptrdiff_t count;  // places of y
    Range columns;    // of x that lie in the image; column 0 is under tap 0 of the first place
    ptrdiff_t ahead;  // from a column to the first row below it that the next row of y wants, or 0: nothing is fetched
    // Or what the next row of y wants is fetched in the order of memory, which is faster if it comes from afar: each
    // step asks for a vector of y and the S columns above it, from channel `at` of `line` channels on.
    const T *x_ahead, *y_ahead;
    ptrdiff_t at, line;
    Finish<T> how{ActNone, nullptr, nullptr};
  };

  // KH rows of x. Each column is loaded once and meets the taps of up to three neighbours of y: 9 taps, 3 sums and a
  // vector of x are 13 registers, 3 loads feed 9 multiply-adds, and no place of y is idle. The sums of a place wait for
  // each other, but not for those of the third place from it: the CPU has eight of them under way.
  template <int KH, int S, bool far>
  static __attribute__((noinline)) void walk(const Strip& s, const T* x, const T* w, vec<T> start, T* y) noexcept {
    vec<T> tap[KH][3];
    UNROLL for (int h = 0; h < KH; h++) UNROLL for (int k = 0; k < 3; k++) tap[h][k] = load<T>(w + (h * 3 + k) * L);
    ptrdiff_t x_h = s.x_h, x_w = s.x_w, y_w = s.y_w, ahead = s.ahead, begin = s.columns.begin, end = s.columns.end;
    const T *x_ahead = s.x_ahead, *y_ahead = s.y_ahead;
    ptrdiff_t at = s.at, line = s.line;
    bool clamps = s.how.clamps;
    vec<T> a = start, b = start, c;  // the sums of a place and of the next two
    for (ptrdiff_t i = 0; i < 3 - S; i++, x += x_w) {
      if (i < begin || i >= end) continue;
      UNROLL for (int h = 0; h < KH; h++) {
        vec<T> xv = load<T>(x + h * x_h);
        a += xv * tap[h][i];
        if (i > 0) b += xv * tap[h][0];
      }
    }
    begin -= 3 - S, end -= 3 - S;
    for (ptrdiff_t j = 0; j < s.count; j++, y += y_w) {
      if constexpr (far) {
        UNROLL for (int h = 0; h < S; h++) UNROLL for (int k = 0; k < S; k++)
            __builtin_prefetch(x_ahead + at + h * x_h + k * x_w);
        __builtin_prefetch(y_ahead + at, 1);
        at += L;
        if (at == line) at = 0, x_ahead += S * x_w, y_ahead += y_w;
      } else if (ahead) {
        UNROLL for (int h = 0; h < S; h++) UNROLL for (int k = 0; k < S; k++)
            __builtin_prefetch(x + ahead + h * x_h + k * x_w);
      }
      c = start;
      if constexpr (S == 1) {
        if (j >= begin && j < end) {
          UNROLL for (int h = 0; h < KH; h++) {
            vec<T> xv = load<T>(x + h * x_h);
            a += xv * tap[h][2], b += xv * tap[h][1], c += xv * tap[h][0];
          }
        }
      } else {
        if (2 * j >= begin && 2 * j < end) {
          UNROLL for (int h = 0; h < KH; h++) a += load<T>(x + h * x_h) * tap[h][1];
        }
        x += x_w;
        if (2 * j + 1 >= begin && 2 * j + 1 < end) {
          UNROLL for (int h = 0; h < KH; h++) {
            vec<T> xv = load<T>(x + h * x_h);
            a += xv * tap[h][2], c += xv * tap[h][0];
          }
        }
      }
      x += x_w;
      if (clamps) a = s.how.clamp(a);
      store<T>(y, a);
      a = S == 1 ? b : c, b = c;
    }
  }
  template <int KH, int S>
  static void walk(const Strip& s, const T* x, const T* w, vec<T> start, T* y) noexcept {
    s.x_ahead ? walk<KH, S, true>(s, x, w, start, y) : walk<KH, S, false>(s, x, w, start, y);
  }

  // Rows of y that a strip may be used for: one plane, an epilogue that is done in registers.
  static bool by_strips(const Args& a) {
    return isa_registers == 16 && L > 1 && a.d.kernel == 1 && a.w.kernel == 3 && a.h.kernel <= 3 && !a.add &&
           a.activation <= ActRelu6;
  }

  // x and y together take `bytes`; below: the image has rows of x for a next row of y.
  template <int S>
  static void walk_vectors(const Args& a, const Tile& t, ptrdiff_t count, ptrdiff_t bytes, bool below) noexcept {
    Strip s;
    s.x_h = a.h.x, s.x_w = a.w.x, s.y_w = a.w.y, s.count = count, s.columns = t.columns;
    s.how = Finish<T>(a.activation, nullptr, nullptr);
    bool far = below && bytes >= far_from && a.h.stride == S;
    s.ahead = below && !far && bytes >= ahead_from ? (t.in.end - t.in.begin) * a.h.x : 0;
    s.x_ahead = s.y_ahead = nullptr;
    ptrdiff_t channels = t.vectors.end - t.vectors.begin, steps = 0;
    s.line = channels * L, s.at = 0;
    ptrdiff_t w_v = a.h.kernel * 3 * L, rows = t.planes > 0 ? t.in.end - t.in.begin : 0;
    const T *w = a.taps + t.vectors.begin * w_v + t.in.begin * 3 * L, *x = t.x + t.in.begin * a.h.x;
    for (ptrdiff_t v = t.vectors.begin; v < t.vectors.end; v++, w += w_v, steps += count) {
      ptrdiff_t c = channel(a.c, v), first = channel(a.c, t.vectors.begin), place = steps / channels;
      if (far) {
        s.x_ahead = t.x + t.in.end * a.h.x + place * S * a.w.x + first;
        s.y_ahead = t.y + a.h.y + place * a.w.y + first, s.at = (steps - place * channels) * L;
      }
      vec<T> start = {};
      if (a.bias) start = load<T>(a.bias + c);
      if (rows == 3) walk<3, S>(s, x + c, w, start, t.y + c);
      else if (rows == 2) walk<2, S>(s, x + c, w, start, t.y + c);
      else {
        if (rows != 1) s.columns = {0, 0};
        walk<1, S>(s, x + c, w, start, t.y + c);
      }
    }
  }

  // ---- the loops around it ----

  // Places phase, phase + dilation ... of y along one axis of stride 1: an undilated convolution.
  static Axis phase_of(const Axis& a, ptrdiff_t phase, ptrdiff_t& x_offset, ptrdiff_t& y_offset) {
    x_offset = y_offset = 0;
    if (a.dilation == 1) return a;
    ptrdiff_t d = a.dilation, first = ((phase - a.pad) % d + d) % d;  // the first column of x of that kind
    Axis p = a;
    p.in = ceil_div(a.in - first, d), p.out = ceil_div(a.out - phase, d);
    p.pad = (a.pad + first - phase) / d, p.dilation = 1;
    p.x = a.x * d, p.y = a.y * d;
    x_offset = first * a.x, y_offset = phase * a.y;
    return p;
  }

  // Where an item is along an axis of `size` places; what is left of it counts the others. Divisions are slow.
  static ptrdiff_t split(ptrdiff_t& item, ptrdiff_t size) {
    if (size == 1) return 0;
    ptrdiff_t rest = item / size, place = item - rest * size;
    item = rest;
    return place;
  }

  // x and y together.
  static ptrdiff_t bytes_of(const Args& a) {
    return a.n * a.c * ptrdiff_t(sizeof(T)) * (a.d.in * a.h.in * a.w.in + a.d.out * a.h.out * a.w.out);
  }

  // Rows of y that share rows of x go two by two; a dilated kernel that also strides shares none of that kind.
  static bool apart(const Axis& h) { return h.dilation > 1 && h.stride > 1; }

  // Blocks of R rows of W pixels.
  template <int R, int W, int KW, int S, bool groups, bool pieces>
  static void blocks(const Args& all, ptrdiff_t wide, ptrdiff_t narrow, const Team& team) noexcept {
    bool rows_dilated = apart(all.h);
    ptrdiff_t rows = rows_dilated ? 1 : R;
    ptrdiff_t phases_h = rows_dilated ? 1 : all.h.dilation, phases_w = all.w.dilation;
    ptrdiff_t pairs = ceil_div(ceil_div(all.h.out, phases_h), rows), tiles = ceil_div(ceil_div(all.w.out, phases_w), W);
    ptrdiff_t bytes = bytes_of(all);
    // Vectors of channels that pass a strip together: as many as leave the rows under one block in L1.
    ptrdiff_t under = (all.h.kernel + rows - 1) * ((W - 1) * S + all.w.kernel) * L * ptrdiff_t(sizeof(T));
    bool long_runs = all.w.kernel <= 3 || (S == 2 && bytes >= stream_bytes);
    ptrdiff_t slice = long_runs ? 16 : most(4, least(16, near_bytes / under)),
              wanted = groups ? ceil_div(all.groups, all.together) : vectors(all.c);
    ptrdiff_t slices = ceil_div(wanted, slice);
    bool in_strips = KW == 3 && !groups && !pieces && by_strips(all) && (S == 1 || bytes >= far_from);
    ptrdiff_t near = in_strips ? 2 * near_bytes : near_bytes;  // a strip wins by its length
    ptrdiff_t strip = most(1, (all.h.stride == 1 ? near : far_bytes) / (under * least(slice, wanted)));
    ptrdiff_t strips = ceil_div(tiles, strip);
    bool past = sizeof(vec<T>) == 64 && bytes >= stream_bytes &&
                (uintptr_t(all.y) | uintptr_t(all.y_n | all.d.y | all.h.y | all.w.y) * sizeof(T)) % sizeof(vec<T>) == 0;
    // No CPU foresees a strip that goes down the image. Zen 5, 8 images of 56x56x144, 3x3: 752 us, asked for 405; under
    // stride 2 it costs as much as a third of the loads, and pays from memory only (8 x 112x112x96: 2.05 ms and 1.76).
    bool fetches = isa_registers == 32 && all.d.kernel == 1 &&
                   bytes >= (groups   ? fetch_from
                             : S == 1 ? 2 * fetch_from
                                      : far_from);
    Range mine = share(all.n * all.d.out * slices * phases_h * phases_w * strips * pairs, team);
    for (ptrdiff_t begin = mine.begin, end; begin < mine.end; begin = end) {
      ptrdiff_t part = begin / pairs;  // a strip of a phase of a plane
      end = least((part + 1) * pairs, mine.end);
      Range oh = {(begin - part * pairs) * rows, (end - part * pairs) * rows};
      ptrdiff_t left = split(part, strips) * strip;
      ptrdiff_t x_h = 0, x_w, y_h = 0, y_w;
      Args a = all;
      a.w = phase_of(all.w, split(part, phases_w), x_w, y_w);
      if (!rows_dilated) a.h = phase_of(all.h, split(part, phases_h), x_h, y_h);
      else a.h.x *= all.h.dilation;  // from kernel row to kernel row
      ptrdiff_t first = split(part, slices), od = split(part, all.d.out), n = part;
      Tile t;
      t.wide = wide, t.narrow = narrow, t.stream = past;
      t.vectors = {wanted * first / slices, wanted * (first + 1) / slices};
      ptrdiff_t id = od * a.d.stride - a.d.pad;
      Range kd = window(id, a.d.in, a.d.kernel, a.d.dilation);
      t.kd = kd.begin, t.planes = kd.end - kd.begin;
      const T* x = a.x + n * a.x_n + (id + kd.begin * a.d.dilation) * a.d.x + x_h + x_w;
      T* y = a.y + n * a.y_n + od * a.d.y + y_h + y_w;
      ptrdiff_t parts = ceil_div(a.w.out, W), width = 0, wider = 0;  // the first `wider` are one pixel wider
      if (parts > 0) width = a.w.out / parts, wider = a.w.out % parts;
      for (ptrdiff_t row = oh.begin; row < oh.end && row < a.h.out; row += rows) {
        ptrdiff_t count = least(rows, a.h.out - row), ih = row * a.h.stride - a.h.pad;
        if (rows_dilated) t.in = window(ih, a.h.in, a.h.kernel, all.h.dilation);
        else t.in = {most(0, -ih), least(a.h.in - ih, (count - 1) * a.h.stride + a.h.kernel)};
        if constexpr (isa_registers == 16 && L > 1 && KW == 3 && !groups && !pieces)
          if (in_strips) {
            ptrdiff_t last = left + strip < parts ? left + strip : parts, ow = left * width + least(left, wider);
            ptrdiff_t places = last * width + least(last, wider) - ow, iw = ow * S - a.w.pad;
            t.columns = {most(0, -iw), least(a.w.in - iw, (places - 1) * S + 3)};
            t.x = x + ih * (rows_dilated ? all.h.x : a.h.x) + iw * a.w.x;
            t.y = y + row * a.h.y + ow * a.w.y;
            bool below = row + 1 < oh.end && row + 1 < a.h.out && ih + t.in.end + a.h.stride <= a.h.in;
            if (places > 0) walk_vectors<S>(a, t, places, bytes, below);
            continue;
          }
        // The next block lies below, or, in an image of one row, to the right.
        t.ahead = {0, 0}, t.right = KW / 2;
        ptrdiff_t below = (count - 1) * a.h.stride + a.h.kernel;
        if (fetches && a.h.out == 1) t.ahead = t.in, t.right = W * S + KW / 2;
        else if (fetches && row + rows < oh.end) t.ahead = {below, least(below + rows * a.h.stride, a.h.in - ih)};
        for (ptrdiff_t i = left; i < parts && i < left + strip; i++) {
          ptrdiff_t ow = i * width + least(i, wider), iw = ow * S - a.w.pad;
          t.count = width + (i < wider);
          t.columns = {-iw, least(a.w.in - iw, (t.count - 1) * S + a.w.kernel)};
          t.x = x + ih * (rows_dilated ? all.h.x : a.h.x) + iw * a.w.x;
          t.y = y + row * a.h.y + ow * a.w.y;
          bool edge = t.columns.begin > 0 || t.columns.end < (W - 1) * S + a.w.kernel;
          if (count == 1)
            edge ? tile<KW, S, W, 1, true, groups, pieces>(a, t) : tile<KW, S, W, 1, false, groups, pieces>(a, t);
          else if constexpr (R == 2)
            edge ? tile<KW, S, W, 2, true, groups, false>(a, t) : tile<KW, S, W, 2, false, groups, false>(a, t);
        }
      }
    }
    if (past) stream_end();
  }

  template <int KW, int S, bool groups, bool pieces>
  static void sweep(const Args& a, ptrdiff_t wide, ptrdiff_t narrow, const Team& team) noexcept {
    constexpr int R = pieces || (KW != 3 && KW != 5 && (KW != 7 || groups)) ? 1 : pair;
    if constexpr (R == 2 && KW == 3 && !groups)
      if (a.h.out > 1 && !apart(a.h) && bytes_of(a) >= slim_from)
        return blocks<2, slim / S, KW, S, groups, pieces>(a, wide, narrow, team);
    blocks<R, P, KW, S, groups, pieces>(a, wide, narrow, team);
  }

  template <int KW>
  static void pieces(const Args& a, ptrdiff_t count, ptrdiff_t width, const Team& team) noexcept {
    if constexpr (KW > 4)
      if (width < KW) return pieces<KW - 1>(a, count, width, team);
    ptrdiff_t narrow = count * width - a.w.kernel;
    if (a.w.stride == 1) sweep<KW, 1, false, true>(a, count - narrow, narrow, team);
    else sweep<KW, 2, false, true>(a, count - narrow, narrow, team);
  }
  template <int KW>
  static void one(const Args& a, const Team& team) noexcept {
    if constexpr (KW > 1)
      if (a.w.kernel < KW) return one<KW - 1>(a, team);
    if (a.w.stride == 1) sweep<KW, 1, false, false>(a, 1, 0, team);
    else sweep<KW, 2, false, false>(a, 1, 0, team);
  }
  // Groups of several channels: kernels 1, 3, 5 and 7 wide.
  static void run_groups(const Args& a, const Team& team) noexcept {
    auto one = [&]<int KW>() {
      a.w.stride == 1 ? sweep<KW, 1, true, false>(a, 1, 0, team) : sweep<KW, 2, true, false>(a, 1, 0, team);
    };
    if (a.w.kernel == 1) one.template operator()<1>();
    else if (a.w.kernel == 2) one.template operator()<2>();
    else if (a.w.kernel == 3) one.template operator()<3>();
    else if (a.w.kernel == 5) one.template operator()<5>();
    else one.template operator()<7>();
  }
  static void run(const Args& a, const Team& team) noexcept {
    if (a.w.kernel <= 7) return one<7>(a, team);
    ptrdiff_t count = ceil_div(a.w.kernel, 7);
    pieces<7>(a, count, ceil_div(a.w.kernel, count), team);
  }
};
