// Idea:  by way of F(4, 3): 6 multiply-adds for 4 places of dy and a pair of channels instead of 12.
// Since: r1_tile adds up the products of the formula; here tiles of x and dy are transformed first (Winograd).
// Why:   half the multiply-adds; conv2d_backward_weight's loops (winograd.h, winograd_line.h), with tiles one row high.
//        Chunks of 160 channels, since 6 points leave room for more sums in L2 than 36.
// Price: length 3, stride 1; more rounding: about 5e-7 of the largest element.
#pragma once
#include "../conv2d_backward_weight/winograd_line.h"

template <class T>
struct conv1d_backward_weight_r5_winograd4 : Plain<Conv2d> {
  using W = LineGradient<T>;
  static const char* supports(const Conv2d& a) { return W::supports(a); }
  static const char* declines(const Conv2d& a) { return W::declines(a); }
  static size_t scratch_bytes(const Conv2d& a, int threads) { return W::scratch_bytes(a, threads); }
  static void run(const Conv2d& a, const Team& team) noexcept { W::run(a, team); }
};
