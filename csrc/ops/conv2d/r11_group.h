// Idea:  few channels per group: the lanes of a register hold several groups, 4 groups of 4 channels for example.
// Since: r5_pack and r10_taps give a group registers of its own, and 4 output channels fill 4 lanes of 16.
// Why:   lane (g, o) wants input channel i of its own group g: one shuffle of a vector of x, which then meets all taps
//        of a kernel row for two rows of y (6 multiply-adds under a 3x3 kernel). The rest is r9_slide with several
//        inputs. A ring of rows that are shuffled once for all kernel rows was no faster with stride 1 (64 to 94
//        GFLOP/s) and slower with stride 2 (20 to 50): it filled L1.
// Price: the shuffles, on a unit that also multiplies. Kernels 1, 2, 3, 5 and 7 wide, strides 1 and 2 along the width.
#pragma once
#include "groups.h"

template <class T>
struct conv2d_r11_group : Plain<Conv2d> {
  static constexpr bool epilogue = true;

  static const char* supports(const Conv2d& a) { return Groups<T>::supports(as_volume(a)); }
  static size_t packed_bytes(const Conv2d& a) { return Groups<T>::packed_bytes(as_volume(a)); }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    Groups<T>::prepare(as_volume(a), packed, team, a.oc / a.groups * a.w_o, a.w_o, a.w_i);
  }
  static void run(const Conv2d& a, const Team& team) noexcept {
    Groups<T>::run(conv2d_r9_slide<T>::args(a), as_volume(a), team);
  }
};
