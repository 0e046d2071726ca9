// Idea:  F(4, 3), stride 1: a tile of 6 places of x gives 4 of y by 6 multiplications for a pair of channels, not 12.
// Since: r1_pack adds up the products of the formula; here tiles and weights are transformed first (Winograd).
// Why:   half the multiply-adds; the transforms are one-dimensional and cost a third of those in conv2d. The loops are
//        conv2d's (winograd.h, winograd_line.h), and a dilated kernel is an undilated one on every d-th place. 16
//        sequences of 80 places, 600 channels, dilation 2: 20.7 -> 10.1 ms; of 400 places, 450 channels: 56 -> 31 ms.
// Price: length 3 only; rounding (1e-6 of the largest output); an infinity in x spreads over its tile.
#pragma once
#include "../conv2d/winograd_line.h"

template <class T>
struct conv1d_r7_winograd4 : Plain<Conv2d> {
  using W = LineWinograd<T>;
  static constexpr bool epilogue = true;
  static const char* supports(const Conv2d& a) { return W::supports(a); }
  static const char* declines(const Conv2d& a) {
    if (conv2d_r15_dots<T>::few_outputs(a)) return "few output channels: dots or across multiplies less";
    return W::declines(a, W::forward);
  }
  static size_t packed_bytes(const Conv2d& a) { return W::W::packed_bytes(W::forward(a)); }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    W::W::prepare(W::forward(a), packed, team);
  }
  static size_t scratch_bytes(const Conv2d& a, int threads) {
    return W::scratch_bytes(W::forward(a), a.dilation_w, threads);
  }
  static void run(const Conv2d& a, const Team& team) noexcept { W::run(W::forward(a), a.dilation_w, team); }
};
