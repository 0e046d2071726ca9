// Idea:  depthwise, column by column of x: each vector of x is loaded once for a kernel row and meets all its taps, of
//        two rows of y at a time.
// Since: r6_depthwise loaded x anew for each tap, and asked for each tap and pixel whether it lies in the image.
// Why:   a block of 2 x 8 pixels under 3x3 taps loads 40 + 18 vectors for 144 multiply-adds, not 144 + 18. A column
//        outside the image is left out with all its taps: one test per column. Rows go down a strip of the image as
//        wide as L1 can hold, so x comes from afar once. Large y goes past the caches.
// Price: compiled for each width up to 7 (longer ones go in pieces), strides 1 and 2; blocks are 8 pixels wide, however
//        many count.
#pragma once
#include "slide.h"

template <class T>
struct conv2d_r9_slide : Plain<Conv2d> {
  static constexpr bool epilogue = true;

  static typename Slide<T>::Args args(const Conv2d& a) {
    typename Slide<T>::Args s = Slide<T>::args(as_volume(a));
    s.add = static_cast<const T*>(a.add), s.activation = a.activation;
    return s;
  }

  static const char* supports(const Conv2d& a) {
    if (a.groups != a.ic || a.oc != a.ic) return "wants one input and one output channel per group";
    if (a.x_c != 1 || a.y_c != 1) return "wants channels-last x and y (x_c = y_c = 1)";
    return Slide<T>::supports(a.oc, args(a).w);
  }
  static size_t packed_bytes(const Conv2d& a) { return Slide<T>::packed_bytes(a.oc, a.kh * a.kw); }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    Slide<T>::prepare(a.oc, 1, a.kh, a.kw, static_cast<const T*>(a.w), a.w_o, 0, a.w_h, a.w_w, packed, team);
  }
  static void run(const Conv2d& a, const Team& team) noexcept { Slide<T>::run(args(a), team); }
};
