// Idea:  dw of a 1x1 kernel is a matrix product over all pixels: output channels x pixels times pixels x inputs.
// Since: r2_tile holds 14 input x 32 output channels, 16 loads for 28 multiply-adds, and turns blocks to write them.
// Why:   gemm's block of 6 x 4 and its loops (simd/matrix.h), 10 loads for 24; its rows are rows of dw. Parts of x of
//        512 pixels x 512 channels are packed where they are used, as in gemm's r6_once; dbias is summed from the same
//        copies of dy, which are near, instead of reading dy once more.
// Price: 1x1 only, without padding and groups; dw waits between pieces of 512 pixels.
#pragma once

template <class T>
struct conv2d_backward_weight_r7_matrix : Plain<Conv2d> {
  using M = Matrix<T>;
  static constexpr ptrdiff_t L = lanes<T>;

  static const char* supports(const Conv2d& a) {
    if (const char* reason = conv2d_r12_matrix<T>::one_by_one(a)) return reason;
    return a.w_i == 1 || a.ic == 1 ? nullptr : "wants input channels of dw that lie side by side (w_i = 1)";
  }
  static const char* declines(const Conv2d& a) {
    if (isa_registers < 32) return "16 registers hold no larger block than that of tile";
    return a.ic < 64 || a.oc < 16 ? "with few channels the blocks of tile have less to begin and to end" : nullptr;
  }

  static M matrix(const Conv2d& a) {
    Finish<T> none(ActNone, nullptr, nullptr);
    return {a.oc, a.ic, a.n * a.oh * a.ow, static_cast<T*>(a.w), a.w_o, nullptr, false, none, false};
  }
  // Numbers of scratch for each member: a part of x, and a tile of dy.
  static ptrdiff_t part_size(const M& m) {
    return m.depth() * (m.panels() < m.part_panels ? m.panels() : m.part_panels) * M::most * L;
  }
  static size_t scratch_bytes(const Conv2d& a, int threads) {
    return size_t(threads) * size_t(part_size(matrix(a)) + M::copy_size) * sizeof(T);
  }

  // f(i, count, n, oh, ow): `count` neighbours in a row of y, the i-th and following ones of pixels [k, k + depth).
  template <class F>
  static void runs(const Conv2d& a, ptrdiff_t k, ptrdiff_t depth, F f) {
    ptrdiff_t ow = k % a.ow, row = k / a.ow, n = row / a.oh, oh = row % a.oh;
    for (ptrdiff_t i = 0, count; i < depth; i += count) {
      count = a.ow - ow < depth - i ? a.ow - ow : depth - i;
      f(i, count, n, oh, ow);
      ow = 0;
      if (++oh == a.oh) oh = 0, n++;
    }
  }

  // Panels of x: [panel][pixel][vectors of the panel * L].
  static void pack(const Conv2d& a, const M& m, ptrdiff_t k, ptrdiff_t depth, Range panels, T* to) noexcept {
    ptrdiff_t right = a.stride_w * a.x_w;
    runs(a, k, depth, [&](ptrdiff_t i, ptrdiff_t count, ptrdiff_t n, ptrdiff_t oh, ptrdiff_t ow) {
      const T* x = static_cast<const T*>(a.x) + n * a.x_n + oh * a.stride_h * a.x_h + ow * right;
      // A few pixels at a time through all panels, so that x is read front to back; NCHW a panel at a time.
      ptrdiff_t strip = a.x_c == 1 ? 16 : count;
      for (ptrdiff_t s = 0; s < count; s += strip)
        for (ptrdiff_t p = panels.begin; p < panels.end; p++) {
          ptrdiff_t from = m.column(p), wide = m.column(p + 1) - from, steps = count - s < strip ? count - s : strip;
          T* there = to + (from - m.column(panels.begin)) * depth + (i + s) * wide;
          for (ptrdiff_t v = 0; v < wide; v += L)
            pack_columns<T>(x + s * right + (from + v) * a.x_c, right, a.x_c, steps, a.ic - from - v, there + v, wide);
        }
    });
  }

  // A tile of dy, [pixel][channel], and its sums over the pixels.
  static void copy(const Conv2d& a, ptrdiff_t oc, ptrdiff_t channels, ptrdiff_t k, ptrdiff_t depth, T* to) noexcept {
    runs(a, k, depth, [&](ptrdiff_t i, ptrdiff_t count, ptrdiff_t n, ptrdiff_t oh, ptrdiff_t ow) {
      const T* y = static_cast<const T*>(a.y) + n * a.y_n + oh * a.y_h + ow * a.y_w + oc * a.y_c;
      T* out = to + i * channels;
      if (a.y_c == 1) {
        for (ptrdiff_t p = 0; p < count; p++, y += a.y_w, out += channels)
          __builtin_memcpy(out, y, size_t(channels) * sizeof(T));
        return;
      }
      for (ptrdiff_t c = 0; c < channels; c++)
        for (ptrdiff_t p = 0; p < count; p++) out[p * channels + c] = y[p * a.y_w + c * a.y_c];
    });
  }
  static void add_bias(const T* tile, ptrdiff_t channels, ptrdiff_t depth, bool first, T* bias) noexcept {
    for (ptrdiff_t c = 0; c < channels; c += L) {
      ptrdiff_t count = channels - c < L ? channels - c : L, k = 0;
      vec<T> sum[4] = {};
      for (; k + 4 <= depth; k += 4)
        UNROLL for (int i = 0; i < 4; i++) sum[i] += load_n<T>(tile + (k + i) * channels + c, count);
      for (; k < depth; k++) sum[0] += load_n<T>(tile + k * channels + c, count);
      vec<T> all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
      store_n<T>(bias + c, first ? all : load_n<T>(bias + c, count) + all, count);
    }
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    M m = matrix(a);
    T* part = static_cast<T*>(a.workspace.scratch) + team.rank * (part_size(m) + M::copy_size);
    T* tile = part + part_size(m);
    if (m.k == 0) bias_gradient<T>(a, team);
    bool sums = false;  // of the first part of panels, the tiles of dy are new
    auto weights = [&](ptrdiff_t k, ptrdiff_t depth, Range panels, bool&) {
      sums = a.bias && panels.begin == 0;
      pack(a, m, k, depth, panels, part);
      return static_cast<const T*>(part);
    };
    auto rows = [&](ptrdiff_t oc, ptrdiff_t count, ptrdiff_t k, ptrdiff_t depth, ptrdiff_t& row, ptrdiff_t& step) {
      row = 1, step = count;
      copy(a, oc, count, k, depth, tile);
      if (sums) add_bias(tile, count, depth, k == 0, static_cast<T*>(a.bias) + oc);
      return static_cast<const T*>(tile);
    };
    m.run(team, weights, rows, [](ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t) {});
  }
};
