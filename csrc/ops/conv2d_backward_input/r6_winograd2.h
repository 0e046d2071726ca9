// Idea:  with stride 1, dx is itself a convolution of dy, weights turned round and channels exchanged: F(2x2, 3x3).
// Since: r2_fold adds up the products of the formula; here tiles of dy and the weights are transformed first.
// Why:   2.25 times fewer multiply-adds; see conv2d/r7_winograd2.h, whose loops these are (conv2d/winograd.h).
// Price: as there: 16 numbers instead of 9 per pair of channels, made anew whenever the weights have changed; rounding.
#pragma once
#include "../conv2d/winograd.h"

template <class T>
struct conv2d_backward_input_r6_winograd2 : Plain<Conv2d> {
  using W = AnyWinograd<T, 2>;
  static const char* supports(const Conv2d& a) { return W::supports(a); }
  static const char* declines(const Conv2d& a) {
    if (conv2d_backward_input_r10_turned<T>::few_inputs(a)) return "few input channels: turned multiplies less";
    return W::declines(a, W::input_gradient);
  }
  static size_t packed_bytes(const Conv2d& a) { return W::packed_bytes(W::input_gradient(a)); }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    W::prepare(W::input_gradient(a), packed, team);
  }
  static size_t scratch_bytes(const Conv2d& a, int threads) { return W::scratch_bytes(W::input_gradient(a), threads); }
  static void run(const Conv2d& a, const Team& team) noexcept { W::run(W::input_gradient(a), team); }
};
