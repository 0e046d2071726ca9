// Idea:  few channels per group: the lanes of a register hold several groups, 4 groups of 4 channels for example.
// Since: r5_pack and r10_taps give a group registers of its own, and 4 output channels fill 4 lanes of 16.
// Why:   lane (g, o) wants input channel i of its own group g. Each row of x is spread out like that once, a vector
//        for each pixel and i, by one shuffle; all taps that see the pixel (9 under a 3x3 kernel) then load it as it
//        stands, and the rest is a depthwise convolution with several inputs (r9_slide).
// Price: the shuffles and stores of spreading, one for 9 multiply-adds, and a ring of spread rows in L1. Kernels 3, 5
//        and 7 wide, strides 1 and 2 along the width, no dilation there.
#pragma once
#include "parts.h"

template <class T>
struct conv2d_r11_group : Plain<Conv2d> {
  static constexpr bool epilogue = true;
  static constexpr int L = lanes<T>, P = 8;           // 8 sums cover an FMA's latency (4 cycles x 2 a cycle)
  static constexpr ptrdiff_t ring_bytes = 32 << 10;   // spread rows: most of an L1
  static constexpr ptrdiff_t stream_bytes = 4 << 20;  // y from here on goes past the caches

  struct Plan {
    ptrdiff_t group_ic, group_oc;
    ptrdiff_t together, blocks;  // groups in a register; registers in all (the last one may hold fewer groups)
    ptrdiff_t rows;              // of x under the kernel, all of which the ring holds
    ptrdiff_t strip, columns;    // tiles of P pixels in a strip of the image, and columns of x under them

    explicit Plan(const Conv2d& a) {
      group_ic = a.ic / a.groups, group_oc = a.oc / a.groups;
      together = L / group_oc < 2 * L / group_ic ? L / group_oc : 2 * L / group_ic;
      if (together > a.groups) together = a.groups;
      blocks = together > 0 ? ceil_div(a.groups, together) : 0;
      rows = (a.kh - 1) * a.dilation_h + 1;
      strip = ceil_div(a.ow, P);
      ptrdiff_t fit = (ring_bytes / (rows * group_ic * L * ptrdiff_t(sizeof(T))) - a.kw) / a.stride_w / P;
      if (strip > fit) strip = fit > 1 ? fit : 1;
      columns = (strip * P - 1) * a.stride_w + a.kw;
    }
    ptrdiff_t ring() const { return rows * columns * group_ic * L; }
  };

  static const char* supports(const Conv2d& a) {
    if (2 * (a.oc / a.groups) > (L > 1 ? L : 2) || a.groups < 2)
      return "wants groups of at most half a vector of output channels";
    if (a.ic / a.groups > L) return "wants groups of at most a vector of input channels";
    if (a.kh > 16) return "wants a kernel of at most 16 rows";
    if (a.kw != 3 && a.kw != 5 && a.kw != 7) return "wants a kernel 3, 5 or 7 wide";
    if (a.stride_w > 2 || a.dilation_w != 1) return "wants stride 1 or 2 and dilation 1 along the width";
    if (a.x_c != 1 || a.y_c != 1) return "wants channels-last x and y (x_c = y_c = 1)";
    return nullptr;
  }

  // packed: [blocks, kh, group_ic, kw, L], zeros in lanes without a channel
  static size_t packed_bytes(const Conv2d& a) {
    Plan p(a);
    return size_t(p.blocks * a.kh * a.kw * p.group_ic * L) * sizeof(T);
  }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    Plan p(a);
    Range mine = share(p.blocks, team);
    for (ptrdiff_t b = mine.begin; b < mine.end; b++) {
      T* to = static_cast<T*>(packed) + b * a.kh * a.kw * p.group_ic * L;
      for (ptrdiff_t kh = 0; kh < a.kh; kh++)
        for (ptrdiff_t ic = 0; ic < p.group_ic; ic++)
          for (ptrdiff_t kw = 0; kw < a.kw; kw++)
            for (ptrdiff_t lane = 0; lane < L; lane++) {
              ptrdiff_t oc = b * p.together * p.group_oc + lane;
              bool real = lane < p.together * p.group_oc && oc < a.oc;
              *to++ = real ? static_cast<const T*>(a.w)[oc * a.w_o + ic * a.w_i + kh * a.w_h + kw * a.w_w] : T(0);
            }
    }
  }

  static size_t scratch_bytes(const Conv2d& a, int threads) { return size_t(threads * Plan(a).ring()) * sizeof(T); }

  // ---- spreading ----

  using Index = __typeof__(vec<T>{} < vec<T>{});  // integers of the same width

  // Pixels [first, end) of a row of x, to [pixel, group_ic, L]. `valid` channels of x belong to the block.
  static void spread(const T* x, ptrdiff_t x_w, ptrdiff_t x_h, ptrdiff_t valid, ptrdiff_t group_ic, const Index* index,
                     ptrdiff_t count, T* to) noexcept {
    if constexpr (L > 1) {
      ptrdiff_t low = valid < L ? valid : L, high = valid - low;
      for (ptrdiff_t i = 0; i < count; i++, x += x_w) {
        vec<T> first = low == L ? load<T>(x) : load_n<T>(x, low), second = first;
        if (high > 0) second = high == L ? load<T>(x + L) : load_n<T>(x + L, high);
        __builtin_prefetch(x + x_h);  // the next row
        for (ptrdiff_t ic = 0; ic < group_ic; ic++, to += L) store<T>(to, __builtin_shuffle(first, second, index[ic]));
      }
    } else {
      for (ptrdiff_t i = 0; i < count; i++, x += x_w) *to++ = *x;  // one lane: depthwise
    }
  }

  // ---- a tile of P pixels ----

  enum Edge { Inner, Left, Right, Any };  // see r10_taps

  struct Tile {
    const T* row[16];  // spread rows, at the tile's first column: those kernel rows that lie in the image
    ptrdiff_t rows;
    const T* w;  // of the first of them
    ptrdiff_t group_ic;
    vec<T> bias;
    Range columns;  // of x that lie in the image and that a pixel that counts wants
    ptrdiff_t count, channels;
    T* y;
    bool stream;
  };

  template <int KW, int S, Edge edge>
  static void tile(const Conv2d& a, const Tile& t) noexcept {
    constexpr int columns = (P - 1) * S + KW, pad = (KW - 1) / 2;
    constexpr int low = edge == Left ? pad : 0, high = edge == Right ? columns - pad : columns;
    ptrdiff_t x_w = t.group_ic * L, y_w = a.y_w;
    const T* w = t.w;
    vec<T> sum[P];
    UNROLL for (int p = 0; p < P; p++) sum[p] = t.bias;
    for (ptrdiff_t kh = 0; kh < t.rows; kh++) {
      const T* row = t.row[kh];
      for (ptrdiff_t ic = 0; ic < t.group_ic; ic++, row += L, w += KW * L) {
        vec<T> tap[KW];
        UNROLL for (int k = 0; k < KW; k++) tap[k] = load<T>(w + k * L);
        const T* x = row;
#pragma GCC unroll 32
        for (int i = 0; i < columns; i++) {
          if (edge == Any ? i >= t.columns.begin && i < t.columns.end : i >= low && i < high) {
            vec<T> xi = load<T>(x);
            UNROLL for (int p = 0; p < P; p++) if (i - p * S >= 0 && i - p * S < KW) sum[p] +=
                xi * tap[(i - p * S) % KW];
          }
          x += x_w;
          asm("" : "+r"(x));
        }
      }
    }
    if (t.stream && edge != Any) {
      UNROLL for (int p = 0; p < P; p++) stream<T>(t.y + p * y_w, sum[p]);
    } else {
      UNROLL for (int p = 0; p < P; p++) if (edge != Any || p < t.count) store_n<T>(t.y + p * y_w, sum[p], t.channels);
    }
  }

  template <int KW, int S>
  static void sweep(const Conv2d& a, const Team& team) noexcept {
    Plan p(a);
    T* ring = static_cast<T*>(a.workspace.scratch) + team.rank * p.ring();
    ptrdiff_t strips = ceil_div(a.ow, p.strip * P), row_size = p.columns * p.group_ic * L;
    Index index[L];
    for (ptrdiff_t ic = 0; ic < p.group_ic; ic++)
      for (int lane = 0; lane < L; lane++) {
        ptrdiff_t group = lane / p.group_oc < p.together ? lane / p.group_oc : 0;
        set_lane(index[ic], lane, group * p.group_ic + ic);
      }
    bool past = a.n * a.oh * a.ow * a.oc * ptrdiff_t(sizeof(T)) >= stream_bytes && !a.activation && !a.add &&
                p.together * p.group_oc == L &&
                (uintptr_t(a.y) | uintptr_t(a.y_n | a.y_h | a.y_w) * sizeof(T)) % sizeof(vec<T>) == 0;
    Range mine = share(a.n * p.blocks * strips * a.oh, team);
    for (ptrdiff_t begin = mine.begin, end; begin < mine.end; begin = end) {
      end = (begin / a.oh + 1) * a.oh < mine.end ? (begin / a.oh + 1) * a.oh : mine.end;
      ptrdiff_t part = begin / a.oh, strip = part % strips, block = part / strips % p.blocks,
                n = part / strips / p.blocks;
      ptrdiff_t group = block * p.together, groups = a.groups - group < p.together ? a.groups - group : p.together;
      ptrdiff_t ow0 = strip * p.strip * P, iw0 = ow0 * S - a.pad_w;
      ptrdiff_t left = iw0 < 0 ? -iw0 : 0,
                right = a.iw - iw0 < p.columns ? a.iw - iw0 : p.columns;  // columns to spread
      const T* x = static_cast<const T*>(a.x) + n * a.x_n + group * p.group_ic + iw0 * a.x_w;
      const T* w = static_cast<const T*>(a.workspace.packed) + block * a.kh * p.group_ic * KW * L;
      Tile t;
      t.group_ic = p.group_ic, t.channels = groups * p.group_oc;
      t.stream = past && t.channels == L;
      t.bias = a.bias ? load_n<T>(static_cast<const T*>(a.bias) + group * p.group_oc, t.channels) : vec<T>{};
      ptrdiff_t known = -1;  // rows of x below this one are in the ring, as far as they are still wanted
      for (ptrdiff_t oh = begin - part * a.oh; oh < end - part * a.oh; oh++) {
        ptrdiff_t ih = oh * a.stride_h - a.pad_h;
        Range kh = window(ih, a.ih, a.kh, a.dilation_h);
        ptrdiff_t from = ih > known ? ih : known, to = ih + p.rows < a.ih ? ih + p.rows : a.ih;
        if (from < 0) from = 0;
        for (ptrdiff_t h = from; h < to && left < right; h++)
          spread(x + left * a.x_w + h * a.x_h, a.x_w, a.x_h, groups * p.group_ic, p.group_ic, index, right - left,
                 ring + h % p.rows * row_size + left * p.group_ic * L);
        if (to > known) known = to;
        t.w = w + kh.begin * p.group_ic * KW * L;
        for (ptrdiff_t ow = ow0; ow < a.ow && ow < ow0 + p.strip * P; ow += P) {
          ptrdiff_t first = (ow - ow0) * S, columns = (P - 1) * S + KW, pad = (KW - 1) / 2;
          t.count = a.ow - ow < P ? a.ow - ow : P;
          t.columns = {left - first, right - first < (t.count - 1) * S + KW ? right - first : (t.count - 1) * S + KW};
          bool whole_left = t.columns.begin <= 0, whole_right = t.columns.end >= columns;
          Edge edge = whole_left && whole_right                      ? Inner
                      : whole_right && t.columns.begin == pad        ? Left
                      : whole_left && t.columns.end == columns - pad ? Right
                                                                     : Any;
          if (t.count < P) edge = Any;
          t.y = static_cast<T*>(a.y) + n * a.y_n + oh * a.y_h + ow * a.y_w + group * p.group_oc;
          t.rows = kh.end - kh.begin;
          for (ptrdiff_t i = 0; i < t.rows; i++)
            t.row[i] = ring + (ih + (kh.begin + i) * a.dilation_h) % p.rows * row_size + first * p.group_ic * L;
          if (edge == Inner) tile<KW, S, Inner>(a, t);
          else if (edge == Left) tile<KW, S, Left>(a, t);
          else if (edge == Right) tile<KW, S, Right>(a, t);
          else tile<KW, S, Any>(a, t);
          finish_sums<T>(a, t.y, 1, 0, t.count, a.y_w, t.channels);
        }
      }
    }
    if (past) stream_end();
  }

  static inline void set_lane(Index& v, int lane, ptrdiff_t x) {
    if constexpr (L > 1) v[lane] = x;
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    if (a.kw == 3) a.stride_w == 1 ? sweep<3, 1>(a, team) : sweep<3, 2>(a, team);
    else if (a.kw == 5) a.stride_w == 1 ? sweep<5, 1>(a, team) : sweep<5, 2>(a, team);
    else a.stride_w == 1 ? sweep<7, 1>(a, team) : sweep<7, 2>(a, team);
  }
};
