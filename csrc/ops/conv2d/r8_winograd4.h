// Idea:  F(4x4, 3x3): transform tiles of 6x6 inputs so that 36 multiplications give 4x4 outputs, not 144.
// Since: r7_winograd2: larger tiles, evaluated at two more points.
// Why:   4 times fewer multiply-adds than r5_pack, where r7_winograd2 has 2.25 times fewer.
// Price: rounding: 1e-6 to 4e-6 of the largest output with 64 to 512 input channels, because the transforms add and
//        cancel numbers larger than the outputs; set_precision("high") or "exact" rules it out. 36 numbers instead of
//        9 per pair of channels, so few tiles of many channels wait for memory. Sizes that 4 does not divide compute
//        outputs that nobody wants: 7x7 is done as 8x8.
#pragma once
#include "winograd_group.h"

template <class T>
struct conv2d_r8_winograd4 : Plain<Conv2d> {
  using W = AnyWinograd<T, 4>;
  using Smaller = AnyWinograd<T, 2>;
  static constexpr bool epilogue = true;
  static const char* supports(const Conv2d& a) { return W::supports(a); }
  static const char* declines(const Conv2d& a) {
    if (conv2d_r15_dots<T>::few_outputs(a, W::cycles(W::job(a))))
      return "few output channels: dots or across multiplies less";
    if (const char* reason = W::declines(a, W::job)) return reason;
    return W::cycles(W::job(a)) < Smaller::cycles(Smaller::job(a)) ? nullptr : "smaller tiles are faster here";
  }
  static size_t packed_bytes(const Conv2d& a) { return W::packed_bytes(W::job(a)); }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept { W::prepare(W::job(a), packed, team); }
  static size_t scratch_bytes(const Conv2d& a, int threads) { return W::scratch_bytes(W::job(a), threads); }
  static void run(const Conv2d& a, const Team& team) noexcept { W::run(W::job(a), team); }
};
