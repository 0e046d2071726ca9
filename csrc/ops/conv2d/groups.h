// Convolutions of few channels per group along 1, 2 or 3 axes: the lanes of a register hold several groups, and
// conv2d/slide.h walks. Shared by the rungs `group` of conv2d and conv3d and by what dx does with them.
#pragma once
#include "slide.h"

template <class T>
struct Groups {
  static constexpr int L = lanes<T>;

  static ptrdiff_t together(const Conv3d& a) {
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups,
              fit = L / (group_ic > group_oc ? group_ic : group_oc);
    return fit < a.groups ? fit : a.groups;
  }
  static ptrdiff_t blocks(const Conv3d& a) { return ceil_div(a.groups, together(a)); }

  static const char* supports(const Conv3d& a) {
    if (together(a) < (L > 1 ? 2 : 1)) return "wants two groups or more in a vector";
    if (a.kw != 2 && (a.kw > 7 || a.kw % 2 == 0)) return "wants a kernel 1, 2, 3, 5 or 7 wide";
    if (a.stride_w > 2) return "wants stride 1 or 2 along the width";
    if (a.stride_w == 2 && a.dilation_w != 1) return "wants no dilation along the width for stride 2";
    if (a.x_c != 1 || a.y_c != 1) return "wants channels-last x and y (x_c = y_c = 1)";
    return nullptr;
  }

  // packed: [blocks, kd, kh, group_ic, kw, L], zeros in lanes without a channel
  static size_t packed_bytes(const Conv3d& a) {
    return size_t(blocks(a) * a.kd * a.kh * a.kw * (a.ic / a.groups) * L) * sizeof(T);
  }
  // w_g, w_o, w_i: from group to group, from output channel to output channel of a group, and of input channels.
  static void prepare(const Conv3d& a, void* packed, const Team& team, ptrdiff_t w_g, ptrdiff_t w_o,
                      ptrdiff_t w_i) noexcept {
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups, width = together(a) * group_oc;
    ptrdiff_t input = a.kw * L, plane = a.kh * group_ic * input;
    Range mine = share(blocks(a) * a.kd, team);
    for (ptrdiff_t item = mine.begin; item < mine.end; item++) {
      ptrdiff_t b = item / a.kd, left = a.oc - b * width < width ? a.oc - b * width : width;
      const T* row[L];
      for (ptrdiff_t lane = 0; lane < L; lane++) {
        ptrdiff_t oc = b * width + (lane < left ? lane : 0);
        row[lane] = static_cast<const T*>(a.w) + oc / group_oc * w_g + oc % group_oc * w_o + item % a.kd * a.w_d;
      }
      Filters<T>{group_ic, a.kh, a.kw, w_i, a.w_h, a.w_w, input, group_ic * input, L}.pack(
          row, left, L, static_cast<T*>(packed) + item * plane);
    }
  }

  // s: the arguments of slide, perhaps with an epilogue; of a only the groups count.
  static void run(typename Slide<T>::Args s, const Conv3d& a, const Team& team) noexcept {
    s.group_ic = a.ic / a.groups, s.group_oc = a.oc / a.groups, s.together = together(a), s.groups = a.groups;
    bool point = s.d.kernel * s.h.kernel * s.w.kernel == 1 && s.d.in == 1 && s.h.in == s.h.out && s.w.in == s.w.out;
    if (point && !s.h.pad && !s.w.pad && s.h.x == s.w.in * s.w.x && s.h.y == s.w.out * s.w.y) {
      // 1x1: an image is one row, without an edge but the last
      s.w.in = s.w.out = s.h.in * s.w.in, s.h.in = s.h.out = 1;
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
