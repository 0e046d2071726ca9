// Idea:  few channels per group: each phase of the strides is a convolution of dy with several groups in a register.
// Since: r1_planes gives each group registers of its own, and 4 input channels fill 4 lanes of 16.
// Why:   see conv3d's r7_group.
// Price: with strides, as many sweeps over dy as there are phases, 8 for stride 2; kernels that conv2d's group knows.
#pragma once
#include "../conv2d_backward_input/group_phases.h"

template <class T>
struct conv3d_backward_input_r5_group : Plain<Conv3d> {
  static const char* supports(const Conv3d& a) { return GroupPhases<T>::supports(a); }
  static const char* declines(const Conv3d& a) {
    return a.ic == a.groups && a.oc == a.groups ? "one channel per group: slide_phases" : nullptr;
  }
  static size_t packed_bytes(const Conv3d& a) { return GroupPhases<T>::packed_bytes(a); }
  static void prepare(const Conv3d& a, void* packed, const Team& team) noexcept {
    GroupPhases<T>::prepare(a, packed, team);
  }
  static void run(const Conv3d& a, const Team& team) noexcept { GroupPhases<T>::run(a, team); }
};
