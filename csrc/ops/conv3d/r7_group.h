// Idea:  few channels per group: the lanes of a register hold several groups.
// Since: r1_planes gives each group registers of its own, and 4 output channels fill 4 lanes of 16; Winograd's products
//        of 4 channels are as empty.
// Why:   see conv2d's r11_group; sums wait in registers while the planes under the kernel pass, as in r5_slide.
// Price: the shuffles, on a unit that also multiplies. Kernels 1, 2, 3, 5 and 7 wide, strides 1 and 2 along the width.
#pragma once
#include "../conv2d/groups.h"

template <class T>
struct conv3d_r7_group : Plain<Conv3d> {
  static const char* supports(const Conv3d& a) { return Groups<T>::supports(a); }
  static const char* declines(const Conv3d& a) {
    return a.ic == a.groups && a.oc == a.groups ? "one channel per group: slide" : nullptr;
  }
  static size_t packed_bytes(const Conv3d& a) { return Groups<T>::packed_bytes(a); }
  static void prepare(const Conv3d& a, void* packed, const Team& team) noexcept {
    Groups<T>::prepare(a, packed, team, a.oc / a.groups * a.w_o, a.w_o, a.w_i);
  }
  static void run(const Conv3d& a, const Team& team) noexcept { Groups<T>::run(Slide<T>::args(a), a, team); }
};
