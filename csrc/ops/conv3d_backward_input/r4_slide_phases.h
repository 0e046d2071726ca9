// Idea:  each phase of the strides is a depthwise convolution over dy, done by conv2d's slide.
// Since: r1_planes gave each group registers of its own, and one channel fills one lane.
// Why:   see conv2d_backward_input's r8_slide_phases; the slide knows planes.
// Price: with strides, as many sweeps over dy as there are phases, 8 for stride 2.
#pragma once

template <class T>
struct conv3d_backward_input_r4_slide_phases : Plain<Conv3d> {
  static const char* supports(const Conv3d& a) { return SlidePhases<T>::supports(a); }
  static size_t packed_bytes(const Conv3d& a) { return SlidePhases<T>::packed_bytes(a); }
  static void prepare(const Conv3d& a, void* packed, const Team& team) noexcept {
    SlidePhases<T>::prepare(a, packed, team);
  }
  static void run(const Conv3d& a, const Team& team) noexcept { SlidePhases<T>::run(a, team); }
};
