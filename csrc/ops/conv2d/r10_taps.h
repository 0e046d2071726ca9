// Idea:  a number of x, once broadcast, meets all taps of a kernel row: their weights lie in registers beside the sums.
// Since: r5_pack loads a number of x for each tap, 16 loads for 28 multiply-adds; its edges are smaller blocks.
// Why:   12 pixels x 2 vectors under 3 taps are 72 multiply-adds for 14 + 6 loads. What feeds the FMA units less
//        often also lets some CPUs run them at a higher clock. One vector of channels (16 maps) gains most. At the
//        edges columns of x that are not in the image are left out with all their taps; only the first and the last
//        few columns of a block are asked where that is not known when compiled.
// Price: kernels 3, 5 and 7 wide, strides 1 and 2 along the width, no dilation there; channels-last y; 250 blocks.
#pragma once
#include "parts.h"

#define UNROLL_ALL _Pragma("GCC unroll 64")

template <class T>
struct conv2d_r10_taps : Plain<Conv2d> {
  static constexpr bool epilogue = true;
  static constexpr int L = lanes<T>, V = isa_registers == 32 ? 2 : 1;
  static constexpr ptrdiff_t slice_bytes = 300 << 10;  // weights of a slice: half an L2 (see r5_pack)
  static constexpr ptrdiff_t chunk_bytes = 256 << 10;  // x that every block of channels uses again: the other half
  static constexpr ptrdiff_t near_bytes = 1 << 20;     // weights beyond that are fetched ahead
  static constexpr ptrdiff_t stream_bytes = 4 << 20;   // y from here on goes past the caches

  // Widths of blocks. P * V sums + KW * V weights + 1 number of x in 32 (16) registers:
  //   12 x 2 + 3 x 2 + 1 = 31      8 x 2 + 7 x 2 + 1 = 31      16 + 7 + 1 = 24      16 registers: 8 + 7 + 1 = 16
  template <int KW, int VB>
  static constexpr int most = V == 1    ? (KW == 3 ? 12 : 8)
                              : VB == 1 ? 16
                              : KW == 3 ? 12
                                        : 8;

  template <int KW, int VB>
  static bool compiled(ptrdiff_t width) {
    return width == most<KW, VB> || width == 8 || width == 7 || width == 4 || (most<KW, VB> == 16 && width == 14);
  }

  // A row cut into blocks: `wide` of the widest, then two that fit what is left, with as few idle pixels as can be.
  struct Cut {
    ptrdiff_t wide, widest, tail[2] = {0, 0};
    ptrdiff_t parts() const { return wide + (tail[0] > 0) + (tail[1] > 0); }
    ptrdiff_t width(ptrdiff_t i) const { return i < wide ? widest : tail[i - wide]; }
    ptrdiff_t width() const { return wide * widest + tail[0] + tail[1]; }
    ptrdiff_t begin(ptrdiff_t i) const { return i <= wide ? i * widest : wide * widest + tail[0]; }
  };
  template <int KW, int VB>
  static Cut cut(ptrdiff_t ow) {
    Cut c;
    c.widest = most<KW, VB>;
    c.wide = ow > 2 * c.widest ? (ow - c.widest - 1) / c.widest : 0;
    ptrdiff_t rest = ow - c.wide * c.widest, best = 1000;
    for (ptrdiff_t first = 4; first <= c.widest; first++)
      for (ptrdiff_t second = 0; second <= first; second++) {
        if (first + second < rest || !compiled<KW, VB>(first) || (second && !compiled<KW, VB>(second))) continue;
        // A block costs about two pixels more than its width; one with many idle pixels has to ask for each column.
        ptrdiff_t cost = first + second + (second ? 2 : 0);
        if (V == 1 || first + second - rest > spare) cost += 2 * (first + second - rest);
        if (cost < best) best = cost, c.tail[0] = first, c.tail[1] = second;
      }
    return c;
  }

  static const char* supports(const Conv2d& a) {
    if (a.kw != 3 && a.kw != 5 && a.kw != 7) return "wants a kernel 3, 5 or 7 wide";
    if (a.stride_w > 2 || a.dilation_w != 1) return "wants stride 1 or 2 and dilation 1 along the width";
    if (a.y_c != 1) return "wants channels-last y (y_c = 1)";
    return nullptr;
  }

  static const char* declines(const Conv2d& a) {
    Cut c = V == 2 && vectors(a) == 1 ? cut<3, 1>(a.ow) : a.kw == 3 ? cut<3, V>(a.ow) : cut<5, V>(a.ow);
    ptrdiff_t idle = c.width() - a.ow;
    if (V == 1 && L > 1 && vectors(a) > 1) return declines_by_one(a, idle);
    if (V == 1) return 5 * idle < a.ow ? nullptr : "too many outputs of its blocks would be idle";
    // In groups pack has few outputs to hold: 16 channels each 213 us here, 280 there (512 in all, 28x28), 32 174 and
    // 187.
    // A row that is one block of 7 or 8 outputs is even with pack or up to 6 % faster; it has no 4 + 3.
    bool one = a.kw == 3 && (a.ow == 7 || a.ow == 8);
    if (a.stride_w == 2 && a.kw <= 5 && a.ic / a.groups >= (a.groups == 1 ? 16 : 64) && !one)
      return "a number of x meets 1.5 to 2.5 taps: with many input channels pack is 5 to 10 % faster";
    return narrow(a, c, idle) ? "a block of 4 outputs has too few sums" : nullptr;
  }

  // Whether a short row ends in a block of 4 outputs and has little else. Time of pack by that of taps, Emerald Rapids:
  //
  //               outputs a row    4     7     8     9     10    12    13    14    16    19    28
  //   groups of 16      3x3                   1.36  0.85  0.95  1.05  1.37  1.39  1.51  1.12  1.30
  //                     5x5       1.01  1.40  1.62  1.13  1.04  1.17  1.53  1.41  1.45  1.11  1.33
  //                     5x5 s2    0.85  1.27  1.35  0.84  1.00  1.10  1.34  1.33  1.32  1.18  1.24
  //   groups of 24      5x5       1.20  1.56  1.30  1.14  1.02  1.06  1.05  1.07  1.22  1.09  1.03
  //   groups of 48      5x5       0.85  1.04  1.55  1.03  1.08  1.19  1.32  1.41  1.51  1.23  1.33
  //                     7x7       1.06  1.04  1.22  0.87  0.90  0.94  1.10  1.14  1.25  1.07  1.08
  //   64 -> 64          5x5       1.02  1.29  1.38  1.08  1.06  1.17  1.18  1.27  1.27  1.23  1.20
  static bool narrow(const Conv2d& a, const Cut& c, ptrdiff_t idle) {
    if (c.parts() > 2 || c.width(c.parts() - 1) > 4) return false;
    if (a.ow < 3) return true;  // pack takes pixels of several images
    if (vectors(a) % 2 == 0) return c.parts() == 1 && a.ic / a.groups >= 64;
    return vectors(a) > 1 || c.parts() == 1 || idle > 0;
  }

  // With 16 registers one vector of channels, 7 taps and 8 sums fill them; pack's two vectors use a number of x twice,
  // but its edges cost more on narrow images or under few input channels, and an odd vector is one by itself there too.
  // Time of pack by that of taps, Zen 3, groups of 24 and 32 channels (one group: within 0.1 of it):
  //
  //            outputs a row    7          8          10         12         14         16         28
  //   3x3                       1.48 1.06  1.51 1.04  0.85 0.65  1.20 1.09  1.21 0.89  1.15 0.96  1.12 0.97
  //   5x5                       1.56 1.11  1.69 1.14  0.89 0.66  0.89 0.74  1.26 0.96  1.23 0.96  0.98 0.82
  //   7x7                       1.72 1.19  1.91 1.36  1.04 0.85  0.99 0.83  1.49 1.08  1.21 0.80  0.99 0.68
  //   3x3 stride 2              1.35 0.98  1.36 0.97  0.64 0.52  0.99 0.93  1.11 0.81  1.00 0.85  0.89 0.80
  //   5x5 stride 2              0.84 0.57  1.56 1.01  0.89 0.67  0.79 0.69  0.89 0.64  1.15 0.90  0.90 0.77
  static const char* declines_by_one(const Conv2d& a, ptrdiff_t idle) {
    if (idle > 0) return "a block with idle outputs multiplies for nothing: with 16 registers pack is faster";
    bool odd = vectors(a) % 2 == 1;
    if (a.stride_w == 2 && !(odd && (a.kw == 3 || a.ow == 8)))
      return "a number of x meets 1.5 to 2.5 taps: pack, which holds two vectors of channels, is faster";
    bool between = !odd && a.kw >= 5 && a.ow > 8 && a.ow < (a.kw == 5 ? 15 : 14);  // blocks of 8 + 4 or 7 + 7
    if (between || (a.kw == 3 ? a.ow >= 16 && a.ic / a.groups >= 64 : a.ow >= 20))
      return "with 16 registers pack, which holds two vectors of channels, is faster on wide rows";
    return nullptr;
  }

  // An axis cut into parts whose lengths differ by at most one.
  struct Axis {
    ptrdiff_t size, parts;
    ptrdiff_t begin(ptrdiff_t i) const { return size * i / parts; }
    ptrdiff_t count(ptrdiff_t i) const { return begin(i + 1) - begin(i); }
  };

  // ---- weights: [groups, blocks, slices, kh, ic of the slice, kw, width]; the last block may be one vector wide ----

  static ptrdiff_t vectors(const Conv2d& a) { return ceil_div(a.oc / a.groups, L); }
  static Axis slices(const Conv2d& a) {
    ptrdiff_t group_ic = a.ic / a.groups, bytes = a.kh * a.kw * group_ic * V * L * ptrdiff_t(sizeof(T));
    ptrdiff_t count = ceil_div(bytes, slice_bytes);
    return {group_ic, count < group_ic ? count : group_ic};
  }
  static size_t packed_bytes(const Conv2d& a) { return size_t(a.kh * a.kw * a.ic * vectors(a) * L) * sizeof(T); }

  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups, blocks = ceil_div(vectors(a), V);
    Axis axis = slices(a);
    Range mine = share(a.groups * blocks * axis.parts, team);
    for (ptrdiff_t item = mine.begin; item < mine.end; item++) {
      ptrdiff_t block = item / axis.parts, slice = item % axis.parts;
      ptrdiff_t g = block / blocks, oc0 = block % blocks * V * L, left = group_oc - oc0;
      ptrdiff_t wide = left > L ? V * L : L, depth = axis.count(slice);
      const T* w = static_cast<const T*>(a.w) + (g * group_oc + oc0) * a.w_o + axis.begin(slice) * a.w_i;
      T* to =
          static_cast<T*>(packed) + ((g * vectors(a) * L + oc0) * group_ic + axis.begin(slice) * wide) * a.kh * a.kw;
      ptrdiff_t input = a.kw * wide;
      Filters<T>{depth, a.kh, a.kw, a.w_i, a.w_h, a.w_w, input, depth * input, wide}.pack(w, a.w_o, left, wide, to);
    }
  }

  // ---- one block: P pixels of a row x VB vectors of channels, one slice of ic ----

  struct At {
    const T* x;       // kernel row 0 of its first column, first ic of the slice
    const T* w;       // the packed slice
    const T* bias;    // of its first channel, or null
    T* y;             // its first pixel and channel
    const T* ahead;   // what the next blocks will need: a vector of it is fetched with each step, or null
    ptrdiff_t depth;  // ic of the slice
    ptrdiff_t left;   // channels from the first one to the end of the group
    Range kh;         // kernel rows that lie in the image
    Range inside;     // columns that lie in the image and that some pixel that counts wants
    ptrdiff_t count;  // pixels that count
    bool fresh;       // sums start from the bias, otherwise from y
    bool last;        // sums are whole after this slice
    bool stream;      // y goes past the caches
    bool finish;      // the epilogue is done in registers, by:
    Finish<T> how{ActNone, nullptr, nullptr};
  };

  // What is known of a block when it is compiled: whether its first and its last columns, as many as padding "same"
  // has, are left out; that it may lack so many at its ends, and pixels that do not count; or nothing, then each column
  // is asked.
  enum Edge { Inner, Left, Right, Both, Ends, Any };
  static constexpr int spare = 3;  // pixels of a block that may not count before it has to ask for each column

  template <int KW, int S, int P, int VB, Edge edge>
  static void block(const Conv2d& a, const At& at) noexcept {
    constexpr int columns = (P - 1) * S + KW, pad = (KW - 1) / 2;
    constexpr int begin = edge == Left || edge == Both ? pad : 0;
    constexpr int end = edge == Right || edge == Both ? columns - pad : columns;
    constexpr int low = edge == Any ? columns : edge == Ends ? pad : 0;  // before it columns are asked, from `high` on
    constexpr int high = edge == Any ? 0 : edge == Ends ? columns - pad - spare * S : columns;  // as well
    constexpr int sure = edge == Any ? 0 : edge == Ends ? (P > spare ? P - spare : 0) : P;      // pixels that count
    ptrdiff_t x_w = a.x_w, x_c = a.x_c, y_w = a.y_w;
    ptrdiff_t last = at.left - (VB - 1) * L < L ? at.left - (VB - 1) * L : L;  // channels in the last vector
    T* y = at.y;
    vec<T> sum[P][VB];
    if (at.fresh) {
      UNROLL for (int v = 0; v < VB; v++) {
        vec<T> bias = {};
        if (at.bias) bias = load_n<T>(at.bias + v * L, v < VB - 1 ? L : last);
        UNROLL for (int p = 0; p < P; p++) sum[p][v] = bias;
      }
    } else {
      UNROLL for (int p = 0; p < P; p++) UNROLL for (int v = 0; v < VB; v++) {
        if (p < sure || p < at.count) sum[p][v] = load_n<T>(y + p * y_w + v * L, v < VB - 1 ? L : last);
        else sum[p][v] = vec<T>{};
      }
    }
    const T* ahead = at.ahead;
    ptrdiff_t first = at.inside.begin, after = at.inside.end;
    asm("" : "+r"(first), "+r"(after));  // in registers, not as many flags in memory
    ptrdiff_t ahead_step = ahead ? L : 0;
    for (ptrdiff_t kh = at.kh.begin; kh < at.kh.end; kh++) {
      const T* row = at.x + kh * a.dilation_h * a.x_h;
      const T* w = at.w + kh * at.depth * KW * VB * L;
      for (ptrdiff_t ic = 0; ic < at.depth; ic++, row += x_c, w += KW * VB * L) {
        __builtin_prefetch(ahead);
        ahead += ahead_step;
        vec<T> tap[KW][VB];
        UNROLL for (int k = 0; k < KW; k++) UNROLL for (int v = 0; v < VB; v++) tap[k][v] =
            load<T>(w + (k * VB + v) * L);
        // One pointer that moves on: multiples of x_w would not fit into the registers. With 16, where instructions
        // count (see block.h), one for every three columns, which an x86 address reaches.
        constexpr int reach = isa_registers == 16 ? 3 : 1;
        const T* x = row;
        UNROLL_ALL for (int i = 0; i < columns; i++) {
          if (i >= begin && i < end && (i >= low || i >= first) && (i < high || i < after)) {
            vec<T> xi = broadcast<T>(x[i % reach * x_w]);
            UNROLL for (int p = 0; p < P; p++) if (i - p * S >= 0 && i - p * S < KW) UNROLL for (int v = 0; v < VB; v++)
                add_product_to<T>(sum[p][v], xi, tap[(i - p * S) % KW][v]);
          }
          if (i % reach < reach - 1) continue;
          x += reach * x_w;
          asm("" : "+r"(x));
        }
      }
    }
    if (at.finish) {
      Finish<T> how = at.how;
      if (how.adds) {
        UNROLL for (int p = 0; p < P; p++) UNROLL for (int v = 0; v < VB; v++) {
          if (p >= sure && p >= at.count) continue;
          sum[p][v] += load_n<T>(how.add(y + p * y_w + v * L), v < VB - 1 ? L : last);
        }
      }
      if (how.clamps) {
        UNROLL for (int p = 0; p < P; p++) UNROLL for (int v = 0; v < VB; v++) sum[p][v] = how.clamp(sum[p][v]);
      }
    }
    if (edge != Any && at.stream) {
      UNROLL for (int p = 0; p < P; p++) if (p < sure || p < at.count) UNROLL for (int v = 0; v < VB; v++)
          stream<T>(y + p * y_w + v * L, sum[p][v]);
    } else {
      UNROLL for (int p = 0; p < P; p++) if (p < sure || p < at.count) {
        UNROLL for (int v = 0; v < VB; v++) {
          if (v < VB - 1) store<T>(y + p * y_w + v * L, sum[p][v]);
          else store_n<T>(y + p * y_w + v * L, sum[p][v], last);
        }
      }
    }
  }

  // Scalar and SSE ask for each column at every edge: 40 % of the blocks to compile. With that and -O2 (isa.inc)
  // this rung takes 1.35 times as long on scalar, 1.06 on SSE.
  static constexpr bool ends = isa_registers == 32 || isa_vector_bytes >= 32;

  // The compiled widths.
  template <int KW, int S, int VB, int P>
  static void choose(const Conv2d& a, const At& at, Edge edge) noexcept {
    if (edge == Inner) return block<KW, S, P, VB, Inner>(a, at);
    if constexpr (ends) {
      if (edge == Left) return block<KW, S, P, VB, Left>(a, at);
      if (edge == Ends) return block<KW, S, P, VB, Ends>(a, at);
    }
    if constexpr (ends && S == 1) {
      if (edge == Right) return block<KW, S, P, VB, Right>(a, at);
      if (edge == Both) return block<KW, S, P, VB, Both>(a, at);
    }
    block<KW, S, P, VB, Any>(a, at);
  }
  template <int KW, int S, int VB>
  static void pick(const Conv2d& a, const At& at, ptrdiff_t width, Edge edge) noexcept {
    if constexpr (most<KW, VB> >= 16)
      if (width == 16) return choose<KW, S, VB, 16>(a, at, edge);
    if constexpr (most<KW, VB> == 12)
      if (width == 12) return choose<KW, S, VB, 12>(a, at, edge);
    if constexpr (most<KW, VB> == 16)
      if (width == 14) return choose<KW, S, VB, 14>(a, at, edge);
    if (width == 8) return choose<KW, S, VB, 8>(a, at, edge);
    if (width == 7) return choose<KW, S, VB, 7>(a, at, edge);
    choose<KW, S, VB, 4>(a, at, edge);
  }

  // ---- the loops around the block ----

  // One slice of weights, one block of channels, rows [begin, end) of the batch.
  template <int KW, int S, int VB>
  static void pixels(const Conv2d& a, At at, const Cut& cut, ptrdiff_t begin, ptrdiff_t end, bool far) noexcept {
    const T *x = at.x, *next = at.w + a.kh * at.depth * KW * VB * L;
    T* y = at.y;
    ptrdiff_t fetchers = 0;
    for (ptrdiff_t row = begin; row < end; row++) {
      ptrdiff_t n = row / a.oh, oh = row - n * a.oh, ih = oh * a.stride_h - a.pad_h;
      at.kh = window(ih, a.ih, a.kh, a.dilation_h);
      for (ptrdiff_t i = 0; i < cut.parts(); i++) {
        ptrdiff_t ow = cut.begin(i), width = cut.width(i), iw = ow * S - a.pad_w;
        at.count = a.ow - ow < width ? a.ow - ow : width;
        ptrdiff_t first = iw < 0 ? -iw : 0, columns = (at.count - 1) * S + KW;
        ptrdiff_t after = a.iw - iw < columns ? a.iw - iw : columns;
        ptrdiff_t beyond = (width - 1) * S + KW - after, pad = (KW - 1) / 2;
        Edge edge = Any;
        bool left = first == pad, right = beyond == pad;
        if (at.count == width && (first == 0 || left) && (beyond == 0 || (right && S == 1)))
          edge = left ? (right ? Both : Left) : right ? Right : Inner;
        else if (width - at.count <= spare && first <= pad && beyond <= pad + spare * S) edge = Ends;
        at.inside = {first, after};
        at.x = x + n * a.x_n + ih * a.x_h + iw * a.x_w;
        at.y = y + n * a.y_n + oh * a.y_h + ow * a.y_w;
        // The next slice, or the next block's, follows in memory: KW * VB blocks fetch a vector of it with each step.
        at.ahead = nullptr;
        if (far && fetchers < KW * VB) at.ahead = next + fetchers++ * a.kh * at.depth * L;
        pick<KW, S, VB>(a, at, width, edge);
        if (at.last && !at.finish) finish_sums<T>(a, at.y, 1, 0, at.count, a.y_w, at.left < VB * L ? at.left : VB * L);
      }
    }
  }

  // One block of channels, rows [begin, end): slice after slice.
  template <int KW, int S, int VB>
  static void channels(const Conv2d& a, ptrdiff_t g, ptrdiff_t oc0, ptrdiff_t begin, ptrdiff_t end) noexcept {
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups;
    Cut row = cut<KW, VB>(a.ow);
    Axis axis = slices(a);
    At at = {};
    at.w = static_cast<const T*>(a.workspace.packed) + (g * vectors(a) * L + oc0) * a.kh * KW * group_ic;
    at.bias = a.bias ? static_cast<const T*>(a.bias) + g * group_oc + oc0 : nullptr;
    at.y = static_cast<T*>(a.y) + (g * group_oc + oc0) * a.y_c;
    at.left = group_oc - oc0;
    at.how = Finish<T>(a);
    at.stream = axis.parts == 1 && at.left >= VB * L && past(a) && uintptr_t(at.y) % sizeof(vec<T>) == 0;
    bool far = packed_bytes(a) > near_bytes;
    for (ptrdiff_t slice = 0; slice < axis.parts; slice++) {
      at.depth = axis.count(slice);
      at.x = static_cast<const T*>(a.x) + (g * group_ic + axis.begin(slice)) * a.x_c;
      at.fresh = slice == 0, at.last = slice == axis.parts - 1;
      at.finish = at.last && at.how.simple && !at.how.nothing();
      pixels<KW, S, VB>(a, at, row, begin, end, far);
      at.w += a.kh * at.depth * KW * VB * L;
    }
  }

  static bool past(const Conv2d& a) {
    // One vector of 32 bytes is half a line, and halves go out one by one.
    return V * L * ptrdiff_t(sizeof(T)) >= 64 && a.n * a.oh * a.ow * a.oc * ptrdiff_t(sizeof(T)) >= stream_bytes &&
           !a.activation && !a.add && uintptr_t(a.y_n | a.y_h | a.y_w) * sizeof(T) % sizeof(vec<T>) == 0;
  }

  template <int KW, int S>
  static void all(const Conv2d& a, const Team& team) noexcept {
    ptrdiff_t group_oc = a.oc / a.groups, blocks = ceil_div(vectors(a), V), rows = a.n * a.oh;
    ptrdiff_t bytes = a.stride_h * a.iw * (a.ic / a.groups) * ptrdiff_t(sizeof(T));  // x that a row adds
    ptrdiff_t chunk = bytes < chunk_bytes ? chunk_bytes / bytes : 1;
    Range mine = share(a.groups * blocks * rows, team);  // channels outermost: members share neither weights nor y
    for (ptrdiff_t first = 0; first < rows; first += chunk)
      for (ptrdiff_t block = mine.begin / rows; block * rows < mine.end; block++) {
        ptrdiff_t begin = mine.begin - block * rows, end = mine.end - block * rows;
        if (begin < first) begin = first;
        if (end > first + chunk) end = first + chunk;
        if (end > rows) end = rows;
        if (begin >= end) continue;
        ptrdiff_t g = block / blocks, oc0 = block % blocks * V * L;
        if (V == 1 || group_oc - oc0 > L) channels<KW, S, V>(a, g, oc0, begin, end);
        else channels<KW, S, 1>(a, g, oc0, begin, end);
      }
    if (past(a)) stream_end();
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    if (a.n == 0 || a.oh == 0) return;
    if (a.kw == 3) a.stride_w == 1 ? all<3, 1>(a, team) : all<3, 2>(a, team);
    else if (a.kw == 5) a.stride_w == 1 ? all<5, 1>(a, team) : all<5, 2>(a, team);
    else a.stride_w == 1 ? all<7, 1>(a, team) : all<7, 2>(a, team);
  }
};
