// Idea:  groups, stride 1: a convolution of dy with the weights turned round, by conv2d's r11_group (few channels per
//        group) or r10_taps.
// Since: r4_phases does it by r5_pack, where 4 channels of a group fill 4 lanes; r2_fold adds to a buffer.
// Why:   see there: several groups in a register, or all taps of a kernel row for each number of dy.
// Price: kernels that these know.
#pragma once

template <class T>
struct conv2d_backward_input_r10_turned : Plain<Conv2d> {
  using Group = conv2d_r11_group<T>;
  using Taps = conv2d_r10_taps<T>;
  using Phases = conv2d_backward_input_r4_phases<T>;

  static Conv2d forward(const Conv2d& a) {
    typename Phases::Axis h(0, a.ih, a.kh, 1, a.pad_h, a.dilation_h), w(0, a.iw, a.kw, 1, a.pad_w, a.dilation_w);
    Conv2d f = Phases::phase_of(a, h, w, 0, 0);
    f.add = nullptr, f.activation = ActNone;
    return f;
  }
  static bool few(const Conv2d& f) { return !Group::supports(f); }

  static const char* supports(const Conv2d& a) {
    if (a.stride_h != 1 || a.stride_w != 1) return "needs stride 1";
    if (a.groups == 1) return "needs groups";
    Conv2d f = forward(a);
    return few(f) ? nullptr : Taps::supports(f);
  }
  static const char* declines(const Conv2d& a) {
    Conv2d f = forward(a);
    if (few(f)) return a.ic == a.groups && a.ic >= lanes<T> ? "depthwise: slide_phases" : nullptr;
    return Taps::declines(f);
  }

  static size_t packed_bytes(const Conv2d& a) {
    Conv2d f = forward(a);
    return few(f) ? Group::packed_bytes(f) : Taps::packed_bytes(f);
  }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    Conv2d f = forward(a);
    ptrdiff_t w_g = a.oc / a.groups * a.w_o;
    if (few(f)) return Group::prepare(f, packed, team, w_g, a.w_i, a.w_o);
    size_t part = Taps::packed_bytes(f) / size_t(a.groups);
    for (ptrdiff_t g = 0; g < a.groups; g++)
      Taps::prepare(Phases::group_of(f, g), static_cast<char*>(packed) + size_t(g) * part, team);
  }
  static void run(const Conv2d& a, const Team& team) noexcept {
    Conv2d f = forward(a);
    if (few(f)) Group::run(f, team);
    else Taps::run(f, team);
  }
};
