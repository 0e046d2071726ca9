// Idea:  F(4x4, 3x3) within planes, for each tap in depth: see conv2d_backward_weight's Winograd rungs.
// Since: r3_winograd2: larger tiles, 36 multiply-adds instead of 144.
// Why:   a tap in depth is a 2-D convolution between planes, and there Winograd saves as much as in conv2d.
// Price: as conv2d_backward_weight's r6_winograd4: rounding, and more waste at edges. Every tap in depth transforms its
// planes anew.
#pragma once
#include "winograd.h"

template <class T>
struct conv3d_backward_weight_r4_winograd4 : Plain<Conv3d> {
  using W = WinogradGradient3d<T, 4>;
  static const char* supports(const Conv3d& a) { return W::supports(a); }
  static const char* declines(const Conv3d& a) { return W::declines(a); }
  static size_t scratch_bytes(const Conv3d& a, int threads) { return W::scratch_bytes(a, threads); }
  static void run(const Conv3d& a, const Team& team) noexcept { W::run(a, team); }
};
