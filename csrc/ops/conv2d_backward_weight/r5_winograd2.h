// Idea:  by way of Winograd's F(2x2, 3x3): tiles of x and of dy are transformed, their products are added up over all
//        tiles, and only the sums are transformed back, once.
// Since: r2_tile: 16 multiply-adds for 2x2 of dy and a pair of channels instead of 36.
// Why:   the transforms are paid per channel, the products per pair of channels (winograd.h).
// Price: rounding, little of it; transformed tiles go through L2. Infinity times a padding's 0 is NaN.
#pragma once
#include "winograd.h"

template <class T>
struct conv2d_backward_weight_r5_winograd2 : Plain<Conv2d> {
  using W = WinogradGradient<T, 2>;
  static const char* supports(const Conv2d& a) { return W::supports(a); }
  static const char* declines(const Conv2d& a) { return W::declines(a); }
  static size_t scratch_bytes(const Conv2d& a, int threads) { return W::scratch_bytes(a, threads); }
  static void run(const Conv2d& a, const Team& team) noexcept { W::run(a, team); }
};
