// Idea:  F(2x2, 3x3): transform tiles of 4x4 inputs so that 16 multiplications give 2x2 outputs, not 36.
// Since: the first rung that does not add up the products of the formula, but those of transformed tiles and weights.
// Why:   2.25 times fewer multiply-adds; the transforms are a few additions for each number of x and y, and each is
//        used by all channels on the other side. The products are plain matrix products, without edges, of blocks of
//        tiles that stay in L2.
// Price: 16 numbers instead of 9 per pair of channels; a little more rounding (none for small integers); an infinity or
//        NaN in x spreads over its tile. Slower than r5_pack for few channels, where the transforms are most of the
//        work.
#pragma once
#include "winograd_group.h"

template <class T>
struct conv2d_r7_winograd2 : Plain<Conv2d> {
  using W = AnyWinograd<T, 2>;
  static constexpr bool epilogue = true;
  static const char* supports(const Conv2d& a) { return W::supports(a); }
  static const char* declines(const Conv2d& a) {
    if (conv2d_r15_dots<T>::few_outputs(a, W::cycles(W::job(a))))
      return "few output channels: dots or across multiplies less";
    return W::declines(a, W::job);
  }
  static size_t packed_bytes(const Conv2d& a) { return W::packed_bytes(W::job(a)); }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept { W::prepare(W::job(a), packed, team); }
  static size_t scratch_bytes(const Conv2d& a, int threads) { return W::scratch_bytes(W::job(a), threads); }
  static void run(const Conv2d& a, const Team& team) noexcept { W::run(W::job(a), team); }
};
