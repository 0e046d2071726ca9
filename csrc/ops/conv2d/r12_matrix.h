// Idea:  a 1x1 kernel without padding is a matrix product: pixels x input channels times input x output channels. So is
//        a kernel of one row whose windows are stretches of memory at equal distances: windows x their numbers.
// Since: r5_pack holds 14 pixels x 2 vectors, 16 loads for 28 multiply-adds; without edges 6 x 4 can be held: 10 for
//        24.
// Why:   gemm's best block and loops (simd/matrix.h) and nothing between them. Pixels that do not follow each other
//        in x (a stride of 2), or whose channels do not (NCHW), are copied a tile at a time, each once for 512
//        channels. (Windows of several rows, copied so, gain nothing on pack: 192 -> 384 channels by 2x2, stride 2, 4
//        of 28x28 4.5 ms and 4.6; 3 -> 96 by 4x4, stride 4, 8 of 224x224 1.6 and 1.9.)
// Price: no padding; y channels-last without gaps; with 16 registers the block is pack's, and pack is chosen where its
//        blocks end with the rows.
#pragma once
#include "parts.h"

template <class T>
struct conv2d_r12_matrix : Plain<Conv2d> {
  static constexpr bool epilogue = true;
  using M = Matrix<T>;

  // Whether each pixel of y is one of x, which the backward passes ask as well.
  static const char* one_by_one(const Conv2d& a) {
    if (a.kh != 1 || a.kw != 1) return "the kernel is not 1x1";
    if (a.groups != 1) return "wants one group";
    if (a.pad_h || a.pad_w || (a.oh - 1) * a.stride_h >= a.ih || (a.ow - 1) * a.stride_w >= a.iw)
      return "wants no padding";
    return nullptr;
  }
  // Whether each window is one stretch of memory, at equal distances.
  static const char* windows(const Conv2d& a) {
    if (a.kh != 1 || a.dilation_w != 1) return "the kernel is not 1x1, nor one row of neighbours";
    if (a.groups != 1) return "wants one group";
    if (a.pad_h || a.pad_w || (a.oh - 1) * a.stride_h >= a.ih || (a.ow - 1) * a.stride_w + a.kw > a.iw)
      return "wants no padding";
    return a.x_c == 1 && a.x_w == a.ic && regular(a) ? nullptr : "wants channels-last x without gaps between windows";
  }
  static bool is_point(const Conv2d& a) { return a.kh * a.kw == 1; }
  static const char* supports(const Conv2d& a) {
    if (const char* reason = is_point(a) ? one_by_one(a) : windows(a)) return reason;
    bool dense = a.y_c == 1 && (a.oh == 1 || a.y_h == a.ow * a.y_w) && (a.n == 1 || a.y_n == a.oh * a.ow * a.y_w);
    return dense ? nullptr : "wants channels-last y whose rows and images follow each other";
  }

  static const char* declines(const Conv2d& a) {
    if (!is_point(a)) return declines_windows(a);
    if (isa_registers < 32)
      return cut_short(a) ? nullptr : "16 registers hold no larger block than that of pack, whose rows fill it";
    return a.ic < 32 ? "with few input channels a block of pack has less to begin and to end" : nullptr;
  }

  // Xeon, AVX-512: conv1d, 128 -> 512 channels, length 2, stride 2, 4 x 1000 places 4710 us (`pack`), 3307; 64 -> 64,
  // length 4, stride 4, 4 x 1024 296 (`border` 221), 194; but 8 -> 16 20 and 20.
  static const char* declines_windows(const Conv2d& a) {
    if (isa_registers < 32) return "16 registers hold no larger block than that of pack";
    return a.kw * a.ic < 64 ? "with small windows a block of pack has less to begin and to end" : nullptr;
  }

  // Whether pack, whose blocks end with the row, would leave an eighth of them empty, or whether the copy is small
  // beside the product. Pack's time by ours, stride 2, 16 registers: 256 -> 512 channels on 7x7 1.21, 40 -> 128 on 7x7
  // 1.49, 32 -> 64 on 8x8 1.32, 64 -> 128 on 28x28 1.08; but 128 -> 32 on 56x56 0.92.
  static bool cut_short(const Conv2d& a) {
    if (regular(a) || a.x_c != 1 || a.ic < 16) return false;
    return 8 * a.ow < 7 * block_rows * ceil_div(a.ow, block_rows) || a.oc >= 2 * a.ic;
  }

  static M matrix(const Conv2d& a) {
    Finish<T> epilogue(a);
    const T* bias = static_cast<const T*>(a.bias);
    ptrdiff_t depth = a.kw * a.ic;
    return {a.n * a.oh * a.ow, a.oc, depth, static_cast<T*>(a.y), a.y_w, bias, false, epilogue, epilogue.simple};
  }
  static size_t packed_bytes(const Conv2d& a) { return matrix(a).packed_bytes(); }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    M m = matrix(a);
    if (is_point(a)) return m.pack(static_cast<const T*>(a.w), a.w_i, a.w_o, static_cast<T*>(packed), team);
    Range mine = share(m.panels(), team);
    for (ptrdiff_t k0 = 0, part; k0 < m.k; k0 += part) {
      part = m.k - k0 < m.depth() ? m.k - k0 : m.depth();
      for (ptrdiff_t p = mine.begin; p < mine.end; p++)
        pack_panel(a, m, p, {k0, k0 + part}, static_cast<T*>(packed) + k0 * m.vectors() * M::L + m.column(p) * part);
    }
  }
  // The numbers [k.begin, k.end) of the windows, in the order [kw, ic], of the output channels of panel p.
  static void pack_panel(const Conv2d& a, const M& m, ptrdiff_t p, Range k, T* to) noexcept {
    ptrdiff_t first = m.column(p), wide = m.column(p + 1) - first;
    for (ptrdiff_t steps; k.begin < k.end; k.begin += steps, to += steps * wide) {
      ptrdiff_t kw = k.begin / a.ic, ic = k.begin % a.ic;
      steps = a.ic - ic < k.end - k.begin ? a.ic - ic : k.end - k.begin;
      const T* w = static_cast<const T*>(a.w) + kw * a.w_w + ic * a.w_i;
      for (ptrdiff_t v = 0; v < wide; v += M::L)
        pack_columns<T>(w + (first + v) * a.w_o, a.w_i, a.w_o, steps, a.oc - first - v, to + v, wide);
    }
  }

  // Whether the windows, or at least their first pixels, lie at equal distances in x.
  static bool regular(const Conv2d& a) {
    ptrdiff_t right = a.stride_w * a.x_w, down = a.stride_h * a.x_h;
    bool rows = a.oh == 1 || (a.ow == 1 ? a.n == 1 : down == a.ow * right);
    return rows && (a.n == 1 || a.x_n == a.oh * a.ow * right);
  }
  static bool in_place(const Conv2d& a) { return regular(a) && a.x_c == 1; }
  static size_t scratch_bytes(const Conv2d& a, int threads) {
    return in_place(a) ? 0 : size_t(threads) * M::copy_size * sizeof(T);
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    T* copy = static_cast<T*>(a.workspace.scratch) + team.rank * M::copy_size;
    bool here = in_place(a);
    auto rows = [&](ptrdiff_t m, ptrdiff_t count, ptrdiff_t k, ptrdiff_t depth, ptrdiff_t& row, ptrdiff_t& step) {
      row = here ? a.stride_w * a.x_w : a.x_c == 1 ? depth : 1, step = here || a.x_c == 1 ? 1 : count;
      const T* x = static_cast<const T*>(a.x) + k * a.x_c;
      if (here) return x + m * row;
      copy_pixels(a, x, m, count, depth, copy);
      return static_cast<const T*>(copy);
    };
    M all = matrix(a);
    auto finish = [&](ptrdiff_t m, ptrdiff_t count, ptrdiff_t n, ptrdiff_t columns) {
      if (!all.epilogue.simple) finish_sums<T>(a, static_cast<T*>(a.y) + m * a.y_w + n, 1, 0, count, a.y_w, columns);
    };
    all.run(team, static_cast<const T*>(a.workspace.packed), rows, finish);
  }

  // Pixels [m, m + count) of y as they lie in x, a run of neighbours at a time: channels-last as [pixel][channel],
  // otherwise as [channel][pixel].
  static void copy_pixels(const Conv2d& a, const T* x, ptrdiff_t m, ptrdiff_t count, ptrdiff_t depth, T* to) noexcept {
    ptrdiff_t right = a.stride_w * a.x_w;
    for (ptrdiff_t i = 0, run; i < count; i += run) {
      ptrdiff_t n = (m + i) / a.ow / a.oh, oh = (m + i) / a.ow % a.oh, ow = (m + i) % a.ow;
      const T* from = x + n * a.x_n + oh * a.stride_h * a.x_h + ow * right;
      run = a.ow - ow < count - i ? a.ow - ow : count - i;
      if (a.x_c == 1) {
        for (ptrdiff_t p = 0; p < run; p++)
          __builtin_memcpy(to + (i + p) * depth, from + p * right, size_t(depth) * sizeof(T));
        continue;
      }
      for (ptrdiff_t c = 0; c < depth; c++, from += a.x_c)
        if (right == 1) __builtin_memcpy(to + c * count + i, from, size_t(run) * sizeof(T));
        else
          for (ptrdiff_t p = 0; p < run; p++) to[c * count + i + p] = from[p * right];
    }
  }
};
