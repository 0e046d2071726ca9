// Idea:  with stride 1, dx is a convolution of dy with the weights turned round: conv3d's r2_winograd2 does it.
// Since: r1_planes: 16 multiplications for 36 within a plane; the taps in depth are part of the matrix products.
// Why:   as there.
// Price: as there.
#pragma once

template <class T>
struct conv3d_backward_input_r2_winograd2 : Plain<Conv3d> {
  using W = Winograd3d<T, 2>;
  static const char* supports(const Conv3d& a) {
    bool stride = (a.stride_d != 1 && a.od > 1) || (a.stride_h != 1 && a.oh > 1) || (a.stride_w != 1 && a.ow > 1);
    return stride ? "the stride is not 1" : W::supports(turned<T>(a));
  }
  static const char* declines(const Conv3d& a) { return W::declines(turned<T>(a)); }
  static size_t packed_bytes(const Conv3d& a) { return W::packed_bytes(turned<T>(a)); }
  static void prepare(const Conv3d& a, void* packed, const Team& team) noexcept {
    W::prepare(turned<T>(a), a.oc / a.groups * a.w_o, packed, team);
  }
  static size_t scratch_bytes(const Conv3d& a, int threads) { return W::scratch_bytes(turned<T>(a), threads); }
  static void run(const Conv3d& a, const Team& team) noexcept { W::run(turned<T>(a), team); }
};
