// Idea:  with stride 1, dx is itself a convolution of dy, weights turned round and channels exchanged: by F(4, 3).
// Since: r3_phases adds up the products of the formula.
// Why:   half the multiply-adds; see conv1d/r7_winograd4.h, whose loops these are.
// Price: as there; the weights' points, 6 numbers for 3, are made anew whenever the weights have changed.
#pragma once
#include "../conv2d/winograd_line.h"

template <class T>
struct conv1d_backward_input_r6_winograd4 : Plain<Conv2d> {
  using W = LineWinograd<T>;
  static const char* supports(const Conv2d& a) { return W::supports(a); }
  static const char* declines(const Conv2d& a) {
    if (conv2d_backward_input_r10_turned<T>::few_inputs(a)) return "few input channels: turned multiplies less";
    return W::declines(a, W::input_gradient);
  }
  static size_t packed_bytes(const Conv2d& a) { return W::W::packed_bytes(W::input_gradient(a)); }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    W::W::prepare(W::input_gradient(a), packed, team);
  }
  static size_t scratch_bytes(const Conv2d& a, int threads) {
    return W::scratch_bytes(W::input_gradient(a), a.dilation_w, threads);
  }
  static void run(const Conv2d& a, const Team& team) noexcept { W::run(W::input_gradient(a), a.dilation_w, team); }
};
