// Idea:  F(2x2, 3x3) within planes: see conv2d's Winograd rungs. Depth is summed as it is.
// Since: r1_planes: 16 multiplications for 36 within a plane; the taps in depth are part of the matrix products.
// Why:   most of a 3x3x3 kernel's multiply-adds are within planes, and there Winograd saves as much as in conv2d.
// Price: as conv2d's r7_winograd2: transforms; an input plane is transformed once for each tap in depth that sees it.
#pragma once
#include "winograd.h"

template <class T>
struct conv3d_r2_winograd2 : Plain<Conv3d> {
  using W = Winograd3d<T, 2>;
  static const char* supports(const Conv3d& a) { return W::supports(a); }
  static const char* declines(const Conv3d& a) {
    if (conv3d_r6_depth<T>::instead_of_winograd(a)) return "few channels: the transforms cost more than depth's copy";
    return W::declines(a);
  }
  static size_t packed_bytes(const Conv3d& a) { return W::packed_bytes(a); }
  static void prepare(const Conv3d& a, void* packed, const Team& team) noexcept {
    W::prepare(a, a.oc / a.groups * a.w_o, packed, team);
  }
  static size_t scratch_bytes(const Conv3d& a, int threads) { return W::scratch_bytes(a, threads); }
  static void run(const Conv3d& a, const Team& team) noexcept { W::run(a, team); }
};
