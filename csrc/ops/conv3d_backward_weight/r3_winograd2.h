// Idea:  F(2x2, 3x3) within planes, for each tap in depth: see conv2d_backward_weight's Winograd rungs.
// Since: r1_planes: 16 multiply-adds for 2x2 of dy and a pair of channels instead of 36.
// Why:   a tap in depth is a 2-D convolution between planes, and there Winograd saves as much as in conv2d.
// Price: as there; sums of several samples are added in dw. Every tap in depth transforms its planes anew.
#pragma once
#include "winograd.h"

template <class T>
struct conv3d_backward_weight_r3_winograd2 : Plain<Conv3d> {
  using W = WinogradGradient3d<T, 2>;
  static const char* supports(const Conv3d& a) { return W::supports(a); }
  static const char* declines(const Conv3d& a) { return W::declines(a); }
  static size_t scratch_bytes(const Conv3d& a, int threads) { return W::scratch_bytes(a, threads); }
  static void run(const Conv3d& a, const Team& team) noexcept { W::run(a, team); }
};
