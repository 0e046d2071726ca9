// Idea:  each phase of the stride is a depthwise convolution over dy, done by conv2d's slide: two rows of dx at a time.
// Since: r5_slide knew one row at a time and kernels 3, 5 and 7 wide; r3_depthwise loaded dy anew for each tap.
// Why:   with stride 1 it is r9_slide with the taps in reverse order, dilation and long kernels included.
// Price: with a stride, as many sweeps over dy as there are phases: stride 2 is r5_slide's where it can do it.
#pragma once
#include "slide_phases.h"

template <class T>
struct conv2d_backward_input_r8_slide_phases : Plain<Conv2d> {
  static const char* supports(const Conv2d& a) { return SlidePhases<T>::supports(as_volume(a)); }
  static const char* declines(const Conv2d& a) {
    bool other = a.stride_w == 2 && a.ih > 1 && !conv2d_backward_input_r5_slide<T>::supports(a);
    return other ? "slide knows its two phases and reads dy once" : nullptr;
  }
  static size_t packed_bytes(const Conv2d& a) { return SlidePhases<T>::packed_bytes(as_volume(a)); }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    SlidePhases<T>::prepare(as_volume(a), packed, team);
  }
  static void run(const Conv2d& a, const Team& team) noexcept { SlidePhases<T>::run(as_volume(a), team); }
};
