// Idea:  few channels per group: the lanes of a register hold several groups, 4 groups of 4 channels for example.
// Since: r5_pack and r10_taps give a group registers of its own, and 4 output channels fill 4 lanes of 16.
// Why:   lane (g, o) wants input channel i of its own group g: one shuffle of a vector of x, which then meets all taps
//        of a kernel row for two rows of y (6 multiply-adds under a 3x3 kernel). The rest is r9_slide with several
//        inputs. A ring of rows that are shuffled once for all kernel rows was no faster with stride 1 (64 to 94
//        GFLOP/s) and slower with stride 2 (20 to 50): it filled L1.
// Price: the shuffles, on a unit that also multiplies. Kernels 1, 2, 3, 5 and 7 wide, strides 1 and 2 along the width.
#pragma once
#include "slide.h"

template <class T>
struct conv2d_r11_group : Plain<Conv2d> {
  static constexpr bool epilogue = true;
  static constexpr int L = lanes<T>;

  static ptrdiff_t together(const Conv2d& a) {
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups,
              fit = L / (group_ic > group_oc ? group_ic : group_oc);
    return fit < a.groups ? fit : a.groups;
  }
  static ptrdiff_t blocks(const Conv2d& a) { return ceil_div(a.groups, together(a)); }

  static const char* supports(const Conv2d& a) {
    if (together(a) < (L > 1 ? 2 : 1)) return "wants two groups or more in a vector";
    if (a.kw != 2 && (a.kw > 7 || a.kw % 2 == 0)) return "wants a kernel 1, 2, 3, 5 or 7 wide";
    if (a.stride_w > 2) return "wants stride 1 or 2 along the width";
    if (a.stride_w == 2 && a.dilation_w != 1) return "wants no dilation along the width for stride 2";
    if (a.x_c != 1 || a.y_c != 1) return "wants channels-last x and y (x_c = y_c = 1)";
    return nullptr;
  }

  // packed: [blocks, kh, group_ic, kw, L], zeros in lanes without a channel
  static size_t packed_bytes(const Conv2d& a) {
    return size_t(blocks(a) * a.kh * a.kw * (a.ic / a.groups) * L) * sizeof(T);
  }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    prepare(a, packed, team, a.oc / a.groups * a.w_o, a.w_o, a.w_i);
  }
  // w_g, w_o, w_i: from group to group, from output channel to output channel of a group, and of input channels.
  static void prepare(const Conv2d& a, void* packed, const Team& team, ptrdiff_t w_g, ptrdiff_t w_o,
                      ptrdiff_t w_i) noexcept {
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups, width = together(a) * group_oc;
    Range mine = share(blocks(a), team);
    for (ptrdiff_t b = mine.begin; b < mine.end; b++) {
      T* to = static_cast<T*>(packed) + b * a.kh * a.kw * group_ic * L;
      ptrdiff_t left = a.oc - b * width < width ? a.oc - b * width : width, input = a.kw * L;
      const T* row[L];
      for (ptrdiff_t lane = 0; lane < L; lane++) {
        ptrdiff_t oc = b * width + (lane < left ? lane : 0);
        row[lane] = static_cast<const T*>(a.w) + oc / group_oc * w_g + oc % group_oc * w_o;
      }
      Filters<T>{group_ic, a.kh, a.kw, w_i, a.w_h, a.w_w, input, group_ic * input, L}.pack(row, left, L, to);
    }
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    typename Slide<T>::Args s = conv2d_r9_slide<T>::args(a);
    s.group_ic = a.ic / a.groups, s.group_oc = a.oc / a.groups, s.together = together(a), s.groups = a.groups;
    if (a.kh * a.kw == 1 && a.ih == a.oh && a.iw == a.ow && a.pad_h == 0 && a.pad_w == 0 && a.x_h == a.iw * a.x_w &&
        a.y_h == a.ow * a.y_w) {  // 1x1: an image is one row, without an edge but the last
      s.w.in = s.w.out = a.ih * a.iw, s.h.in = s.h.out = 1;
    }
    typename Slide<T>::Index index[L] = {};
    if constexpr (L > 1)
      for (ptrdiff_t ic = 0; ic < s.group_ic; ic++)
        for (int lane = 0; lane < L; lane++) {
          ptrdiff_t group = lane / s.group_oc < s.together ? lane / s.group_oc : 0;
          index[ic][lane] = group * s.group_ic + ic;
        }
    s.index = index;
    Slide<T>::run_groups(s, team);
  }
};
