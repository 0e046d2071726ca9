// Idea:  groups or few input channels, stride 1: a convolution of dy with the weights turned round, by conv2d's
//        r11_group (few channels per group) or r10_taps, by its r15_dots or r13_across.
// Since: r4_phases does it by r5_pack, where 4 channels of a group fill 4 lanes; r2_fold adds to a buffer.
// Why:   see there: several groups in a register, all taps of a kernel row for each number of dy, or all lanes full.
// Price: kernels that these know.
#pragma once

template <class T>
struct conv2d_backward_input_r10_turned : Plain<Conv2d> {
  using Group = conv2d_r11_group<T>;
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

  // f<rung of conv2d>(), for any number of groups.
  template <class F>
  static auto with_rung(const Conv2d& f, F go) {
    if (f.groups == 1 && !Dots::supports(f) && !Dots::declines(f)) return go.template operator()<Dots>();
    if (f.groups == 1) return go.template operator()<Across>();
    return few(f) ? go.template operator()<Group>() : go.template operator()<Taps>();
  }
  static bool few(const Conv2d& f) { return !Group::supports(f); }
  static bool few_inputs(const Conv2d& a) {
    return a.stride_h == 1 && a.stride_w == 1 && a.groups == 1 && Dots::few_outputs(forward(a));
  }

  static const char* supports(const Conv2d& a) {
    if (a.stride_h != 1 || a.stride_w != 1) return "needs stride 1";
    Conv2d f = forward(a);
    if (a.groups > 1) return few(f) ? nullptr : Taps::supports(f);
    return !Dots::supports(f) || !Across::supports(f) ? nullptr : "wants groups, or few input channels";
  }
  static const char* declines(const Conv2d& a) {
    Conv2d f = forward(a);
    if (a.groups == 1) return few_inputs(a) ? nullptr : "wants groups, or fewer input channels";
    if (few(f)) return a.ic == a.groups && a.ic >= lanes<T> ? "depthwise: slide_phases" : nullptr;
    return Taps::declines(f);
  }

  static size_t packed_bytes(const Conv2d& a) {
    Conv2d f = forward(a);
    return with_rung(f, [&]<class R>() { return R::packed_bytes(f); });
  }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    Conv2d f = forward(a);
    if (a.groups == 1) return with_rung(f, [&]<class R>() { R::prepare(f, packed, team); });
    ptrdiff_t w_g = a.oc / a.groups * a.w_o;
    if (few(f)) return Group::prepare(f, packed, team, w_g, a.w_i, a.w_o);
    size_t part = Taps::packed_bytes(f) / size_t(a.groups);
    for (ptrdiff_t g = 0; g < a.groups; g++)
      Taps::prepare(Phases::group_of(f, g), static_cast<char*>(packed) + size_t(g) * part, team);
  }
  static size_t scratch_bytes(const Conv2d& a, int threads) {
    Conv2d f = forward(a);
    return with_rung(f, [&]<class R>() { return R::scratch_bytes(f, threads); });
  }
  static void run(const Conv2d& a, const Team& team) noexcept {
    Conv2d f = forward(a);
    with_rung(f, [&]<class R>() { R::run(f, team); });
  }
};
