// Idea:  groups or few input channels: a convolution of dy with the weights turned round, by conv2d's r11_group (few
//        channels per group) or r10_taps, by its r15_dots or r13_across.
// Since: r4_phases does it by r5_pack, where 4 channels of a group fill 4 lanes; r2_fold adds to a buffer.
// Why:   see there: several groups in a register, all taps of a kernel row for each number of dy, or all lanes full.
// Price: kernels that these know; a stride, which makes as many convolutions as there are phases, for r11_group alone.
#pragma once
#include "group_phases.h"

template <class T>
struct conv2d_backward_input_r10_turned : Plain<Conv2d> {
  using Group = GroupPhases<T>;
  using Taps = conv2d_r10_taps<T>;
  using Dots = conv2d_r15_dots<T>;
  using Across = conv2d_r13_across<T>;
  using Phases = conv2d_backward_input_r4_phases<T>;

  static Conv2d forward(const Conv2d& a) {
    typename Phases::Axis h(0, a.ih, a.kh, 1, a.pad_h, a.dilation_h), w(0, a.iw, a.kw, 1, a.pad_w, a.dilation_w);
    Conv2d f = Phases::phase_of(a, h, w, 0, 0);
    f.add = nullptr, f.activation = ActNone;
    return f;
  }

  // Any stride.
  static bool by_group(const Conv2d& a) { return !Group::supports(as_volume(a)); }

  // f<rung of conv2d>(), with stride 1 for all that by_group does not do.
  template <class F>
  static auto with_rung(const Conv2d& f, F go) {
    if (f.groups > 1) return go.template operator()<Taps>();
    if (!Dots::supports(f) && !Dots::declines(f)) return go.template operator()<Dots>();
    return go.template operator()<Across>();
  }
  static bool few_inputs(const Conv2d& a) {
    return a.stride_h == 1 && a.stride_w == 1 && a.groups == 1 && Dots::few_outputs(forward(a));
  }

  static const char* supports(const Conv2d& a) {
    if (by_group(a)) return nullptr;
    if (a.stride_h != 1 || a.stride_w != 1) return "needs stride 1, or few channels per group";
    Conv2d f = forward(a);
    if (a.groups > 1) return Taps::supports(f);
    return !Dots::supports(f) || !Across::supports(f) ? nullptr : "wants groups, or few input channels";
  }
  static const char* declines(const Conv2d& a) {
    if (by_group(a)) return a.ic == a.groups && a.ic >= lanes<T> ? "depthwise: slide_phases" : nullptr;
    if (a.groups == 1) return few_inputs(a) ? nullptr : "wants groups, or fewer input channels";
    return Taps::declines(forward(a));
  }

  static size_t packed_bytes(const Conv2d& a) {
    if (by_group(a)) return Group::packed_bytes(as_volume(a));
    Conv2d f = forward(a);
    return with_rung(f, [&]<class R>() { return R::packed_bytes(f); });
  }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    if (by_group(a)) return Group::prepare(as_volume(a), packed, team);
    Conv2d f = forward(a);
    if (a.groups == 1) return with_rung(f, [&]<class R>() { R::prepare(f, packed, team); });
    size_t part = Taps::packed_bytes(f) / size_t(a.groups);
    for (ptrdiff_t g = 0; g < a.groups; g++)
      Taps::prepare(Phases::group_of(f, g), static_cast<char*>(packed) + size_t(g) * part, team);
  }
  static size_t scratch_bytes(const Conv2d& a, int threads) {
    if (by_group(a)) return 0;
    Conv2d f = forward(a);
    return with_rung(f, [&]<class R>() { return R::scratch_bytes(f, threads); });
  }
  static void run(const Conv2d& a, const Team& team) noexcept {
    if (by_group(a)) return Group::run(as_volume(a), team);
    Conv2d f = forward(a);
    with_rung(f, [&]<class R>() { R::run(f, team); });
  }
};
