// Idea:  few channels per group: the lanes of a register hold several groups, 4 groups of 4 channels for example.
// Since: r2_tile gives each group registers of its own, and 4 output channels fill 4 lanes of 16.
// Why:   lane (g, i), input channel i of group g, meets output channel o of its own group: one shuffle of a vector of
//        dy, which then meets x at all taps of a kernel row. That is r3_depthwise with several outputs. All blocks of
//        channels take their part of a row of dy before the next row, so that x and dy come from memory once.
// Price: the shuffles, on a unit that also multiplies; sums of a row of dy are added to those in memory.
#pragma once

template <class T>
struct conv2d_backward_weight_r10_group : Plain<Conv2d> {
  using Lanes = Groups<T>;
  using One = conv2d_backward_weight_r3_depthwise<T>;
  using Index = typename Slide<T>::Index;
  static constexpr int L = lanes<T>;
  static constexpr int most_o = isa_registers == 32 ? 4 : 2, most_k = isa_registers == 32 ? 5 : 4;  // outputs x taps
  static constexpr ptrdiff_t widest = 64;  // taps of a kernel row

  static const char* supports(const Conv2d& a) {
    if (Lanes::together(as_volume(a)) < (L > 1 ? 2 : 1)) return "wants two groups or more in a vector";
    if (a.kw > widest) return "wants a kernel at most 64 wide";
    return a.x_c != 1 || a.y_c != 1 ? "needs channels-last arrays (x_c = y_c = 1)" : nullptr;
  }
  static const char* declines(const Conv2d& a) {
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups;
    if (group_ic == 1 && group_oc == 1) return "one channel per group: slide";
    // A multiply-add for each block, output and tap, a shuffle for a row of taps; tile has one for each input channel
    // of each group and tap. Of 59 random shapes that this leaves to group it loses 3, by 1.05, 1.1 and 1.4. With 16
    // registers half as many sums are under way, and rows of them end twice as often.
    ptrdiff_t cost = isa_registers == 32 ? 1 : 3;
    bool more = cost * Lanes::blocks(as_volume(a)) * group_oc * (a.kw + 1) > a.groups * group_ic * a.kw;
    return more ? "so many outputs for so few inputs: tile multiplies less" : nullptr;
  }

  // Sums of one member, [items][group_oc][kw][L]; an item is a kernel row of a block of groups.
  static ptrdiff_t item_size(const Conv2d& a) { return a.oc / a.groups * a.kw * L; }
  static ptrdiff_t items(const Conv2d& a) { return Lanes::blocks(as_volume(a)) * a.kh; }
  static size_t scratch_bytes(const Conv2d& a, int) { return size_t(items(a) * item_size(a)) * sizeof(T); }

  // A row of dy, the row of x that a kernel row meets there, and a block of groups.
  struct Row {
    const T *x, *y;  // at output column 0; x of the first tap, perhaps on padding
    ptrdiff_t x_w, x_tap, y_w, x_lanes, y_lanes;
    const Range* tap;  // the columns where a tap meets the image
    const Index* index;
    ptrdiff_t o_step;  // from output channel to output channel, in sums
  };

  static void run(const Conv2d& a, const Team& team) noexcept {
    T* sums = static_cast<T*>(a.workspace.scratch);
    Range mine = share(items(a), team);
    clear(a, sums, mine);
    add(a, sums, mine);
    write(a, sums, mine);
    bias_gradient<T>(a, team);
  }

  static void clear(const Conv2d& a, T* sums, Range mine) noexcept {
    for (ptrdiff_t i = mine.begin * item_size(a); i < mine.end * item_size(a); i += L) store<T>(sums + i, vec<T>{});
  }

  // To the sums of some items, all images.
  static void add(const Conv2d& a, T* sums, Range mine) noexcept {
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups, together = Lanes::together(as_volume(a));
    Index index[L] = {};
    if constexpr (L > 1)
      for (ptrdiff_t o = 0; o < group_oc; o++)
        for (int lane = 0; lane < L; lane++) {
          ptrdiff_t g = lane / group_ic < together ? lane / group_ic : 0;
          index[o][lane] = g * group_oc + o;
        }
    Range tap[widest];
    for (ptrdiff_t k = 0; k < a.kw; k++) tap[k] = One::meeting(k, a.dilation_w, a.pad_w, a.stride_w, a.iw, a.ow);
    Row row = {};
    row.x_w = a.stride_w * a.x_w, row.x_tap = a.dilation_w * a.x_w, row.y_w = a.y_w, row.o_step = a.kw * L;
    for (ptrdiff_t n = 0; n < a.n; n++)
      for (ptrdiff_t oh = 0; oh < a.oh; oh++)
        for (ptrdiff_t item = mine.begin; item < mine.end; item++) {
          ptrdiff_t g = item / a.kh * together, ih = oh * a.stride_h - a.pad_h + item % a.kh * a.dilation_h;
          if (ih < 0 || ih >= a.ih) continue;
          ptrdiff_t groups = a.groups - g < together ? a.groups - g : together;
          row.x = static_cast<const T*>(a.x) + n * a.x_n + ih * a.x_h - a.pad_w * a.x_w + g * group_ic;
          row.y = static_cast<const T*>(a.y) + n * a.y_n + oh * a.y_h + g * group_oc;
          row.x_lanes = groups * group_ic, row.y_lanes = groups * group_oc;
          passes(a, row, tap, index, sums + item * item_size(a));
        }
  }

  // A row, some taps and outputs at a time.
  static void passes(const Conv2d& a, Row row, const Range* tap, const Index* index, T* sums) noexcept {
    ptrdiff_t group_oc = a.oc / a.groups;
    for (ptrdiff_t kw = 0, taps; kw < a.kw; kw += taps, row.x += taps * row.x_tap) {
      taps = a.kw - kw < most_k ? a.kw - kw : most_k;
      row.tap = tap + kw;
      for (ptrdiff_t o = 0; o < group_oc; o += most_o) {
        row.index = index + o;
        with_outputs(group_oc - o, taps, row, sums + o * row.o_step + kw * L);
      }
    }
  }

  // From numbers to types.
  static void with_outputs(ptrdiff_t outputs, ptrdiff_t taps, const Row& row, T* sums) noexcept {
    bool full = row.x_lanes == L && row.y_lanes == L;
    with_int<most_o>(outputs < most_o ? outputs : most_o, [&](auto o) {
      with_int<most_k>(taps, [&](auto k) {
        if (full) add_row<decltype(o)::value, decltype(k)::value, true>(row, sums);
        else add_row<decltype(o)::value, decltype(k)::value, false>(row, sums);
      });
    });
  }

  // sums[o][k] += sum over a row of dy of output channel o * x at tap k
  template <int O, int K, bool full>
  static __attribute__((noinline)) void add_row(const Row& given, T* sums) noexcept {
    constexpr int U = O * K < 8 ? 2 : 1;  // fewer than 8 sums: two pixels at a time, to cover the FMA's latency
    const Row r = given;
    auto load_x = [&](ptrdiff_t w, int k) {
      const T* from = r.x + w * r.x_w + k * r.x_tap;
      return full ? load<T>(from) : load_n<T>(from, r.x_lanes);
    };
    auto load_y = [&](ptrdiff_t w) { return full ? load<T>(r.y + w * r.y_w) : load_n<T>(r.y + w * r.y_w, r.y_lanes); };
    vec<T> sum[U][O][K] = {};
    auto pixel = [&](vec<T>(&to)[O][K], ptrdiff_t w) {
      vec<T> dy = load_y(w), x[K];
      UNROLL for (int k = 0; k < K; k++) x[k] = load_x(w, k);
      UNROLL for (int o = 0; o < O; o++) {
        vec<T> mine = wanted(dy, r.index[o]);
        UNROLL for (int k = 0; k < K; k++) to[o][k] += mine * x[k];
      }
    };
    // Columns where all taps meet the image; a later tap meets earlier columns.
    Range all = {r.tap[0].begin, r.tap[K - 1].end};
    if (all.begin >= all.end) all = {0, 0};
    ptrdiff_t w = all.begin;
    for (; w + U <= all.end; w += U) UNROLL for (int u = 0; u < U; u++) pixel(sum[u], w + u);
    for (; w < all.end; w++) pixel(sum[0], w);
    // The other columns, tap by tap.
    UNROLL for (int k = 0; k < K; k++) for (w = r.tap[k].begin; w < r.tap[k].end; w++) {
      if (w == all.begin && all.begin < all.end) w = all.end;
      if (w >= r.tap[k].end) break;
      vec<T> dy = load_y(w), x = load_x(w, k);
      UNROLL for (int o = 0; o < O; o++) sum[0][o][k] += wanted(dy, r.index[o]) * x;
    }
    UNROLL for (int o = 0; o < O; o++) UNROLL for (int k = 0; k < K; k++) {
      T* to = sums + o * r.o_step + k * L;
      for (int u = 1; u < U; u++) sum[0][o][k] += sum[u][o][k];
      store<T>(to, load<T>(to) + sum[0][o][k]);
    }
  }
  static inline __attribute__((always_inline)) vec<T> wanted(vec<T> dy, Index index) {
    if constexpr (L == 1) return dy;
    else return __builtin_shuffle(dy, index);
  }

  // The sums of some items, each a kernel row of a block, to where dw wants them.
  static void write(const Conv2d& a, const T* sums, Range mine) noexcept {
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups, together = Lanes::together(as_volume(a));
    for (ptrdiff_t item = mine.begin; item < mine.end; item++) {
      ptrdiff_t first = item / a.kh * together, end = first + together < a.groups ? first + together : a.groups;
      const T* from = sums + item * item_size(a);
      T* dw = static_cast<T*>(a.w) + item % a.kh * a.w_h;
      for (ptrdiff_t g = first; g < end; g++)
        for (ptrdiff_t o = 0; o < group_oc; o++)
          for (ptrdiff_t i = 0; i < group_ic; i++)
            for (ptrdiff_t kw = 0; kw < a.kw; kw++)
              dw[(g * group_oc + o) * a.w_o + i * a.w_i + kw * a.w_w] =
                  from[(o * a.kw + kw) * L + (g - first) * group_ic + i];
    }
  }
};
