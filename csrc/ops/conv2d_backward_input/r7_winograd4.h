// Idea:  F(4x4, 3x3) on dy, with the weights turned round and channels exchanged.
// Since: r6_winograd2: larger tiles, evaluated at two more points.
// Why:   4 times fewer multiply-adds; see conv2d/r8_winograd4.h, whose loops these are (conv2d/winograd.h).
// Price: as there: 36 numbers instead of 9 per pair of channels, made anew whenever the weights have changed; rounding.
#pragma once
#include "../conv2d/winograd.h"

template <class T>
struct conv2d_backward_input_r7_winograd4 : Plain<Conv2d> {
  using W = AnyWinograd<T, 4>;
  using Smaller = AnyWinograd<T, 2>;
  static const char* supports(const Conv2d& a) { return W::supports(a); }
  static const char* declines(const Conv2d& a) {
    if (conv2d_backward_input_r10_turned<T>::few_inputs(a)) return "few input channels: turned multiplies less";
    if (const char* reason = W::declines(a, W::input_gradient)) return reason;
    double cycles = W::cycles(W::input_gradient(a)), smaller = Smaller::cycles(Smaller::input_gradient(a));
    return cycles < smaller ? nullptr : "smaller tiles are faster here";
  }
  static size_t packed_bytes(const Conv2d& a) { return W::packed_bytes(W::input_gradient(a)); }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    W::prepare(W::input_gradient(a), packed, team);
  }
  static size_t scratch_bytes(const Conv2d& a, int threads) { return W::scratch_bytes(W::input_gradient(a), threads); }
  static void run(const Conv2d& a, const Team& team) noexcept { W::run(W::input_gradient(a), team); }
};
