// Idea:  depthwise, column by column of x: each vector of x is loaded once for a kernel row and meets all its taps, of
//        two rows of y at a time; sums wait in registers while the planes under the kernel pass.
// Since: r4_depthwise loaded x anew for each tap, and asked for each tap and pixel whether it lies in the volume.
// Why:   see conv2d's r9_slide, whose loops these are.
// Price: strides 1 and 2 along the width; neighbouring planes of y read the same planes of x, from L2.
#pragma once

template <class T>
struct conv3d_r5_slide : Plain<Conv3d> {
  static const char* supports(const Conv3d& a) {
    if (a.groups != a.ic || a.oc != a.ic) return "wants one input and one output channel per group";
    if (a.x_c != 1 || a.y_c != 1) return "wants channels-last x and y (x_c = y_c = 1)";
    return Slide<T>::supports(a.oc, Slide<T>::args(a).w);
  }
  static size_t packed_bytes(const Conv3d& a) { return Slide<T>::packed_bytes(a.oc, a.kd * a.kh * a.kw); }
  static void prepare(const Conv3d& a, void* packed, const Team& team) noexcept {
    Slide<T>::prepare(a.oc, a.kd, a.kh, a.kw, static_cast<const T*>(a.w), a.w_o, a.w_d, a.w_h, a.w_w, packed, team);
  }
  static void run(const Conv3d& a, const Team& team) noexcept { Slide<T>::run(Slide<T>::args(a), team); }
};
