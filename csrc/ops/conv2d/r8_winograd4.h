// Idea:  F(4x4, 3x3): transform tiles of 6x6 inputs so that 36 multiplications give 4x4 outputs, not 144.
// Since: r7_winograd2: larger tiles, evaluated at two more points.
// Why:   4 times fewer multiply-adds than r5_pack, where r7_winograd2 has 2.25 times fewer.
// Price: rounding: about 1e-6 of the largest output, 3 to 5 times that of r5_pack, because the transforms add and
// cancel
//        numbers several times larger than the outputs; set_precision("high") or "exact" rules it out. 36 numbers
//        instead of 9 per pair of channels, so few tiles of many channels wait for memory. Sizes that 4 does not divide
//        compute outputs that nobody wants: 7x7 is done as 8x8.
#pragma once
#include "winograd.h"

template <class T>
struct conv2d_r8_winograd4 : Plain<Conv2d> {
  using W = Winograd<T, 4>;
  static constexpr bool epilogue = true;
  static const char* supports(const Conv2d& a) { return W::supports(a); }
  static const char* declines(const Conv2d& a) {
    if (a.precision >= Exact) return "the precision setting is \"exact\": only sums of the formula's products";
    if (a.precision >= High) return "the precision setting is \"high\": F(2x2, 3x3) at most";
    if (a.groups > 1 && a.oc / a.groups <= lanes<T>) return "groups of one vector: taps and group are faster";
    typename W::Job j = W::job(a);
    double cycles = W::cycles(j);
    if (cycles >= W::direct_cycles(j)) return "the transforms would cost more than they save";
    if (cycles >= Winograd<T, 2>::cycles(Winograd<T, 2>::job(a)))
      return "smaller tiles waste less of their outputs here";
    return nullptr;
  }
  static size_t packed_bytes(const Conv2d& a) { return W::packed_bytes(W::job(a)); }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept { W::prepare(W::job(a), packed, team); }
  static size_t scratch_bytes(const Conv2d& a, int threads) { return W::job(a).scratch_bytes(threads); }
  static void run(const Conv2d& a, const Team& team) noexcept { W::run(W::job(a), team); }
};
