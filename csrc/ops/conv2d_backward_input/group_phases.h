// dx of few channels per group along 1, 2 or 3 axes: each phase of the strides is a convolution of stride 1 over dy
// with some of the taps, in reverse order (see r4_phases), by conv2d/groups.h.
#pragma once
#include "../conv2d/groups.h"

template <class T>
struct GroupPhases {
  using Axis = typename conv2d_backward_input_r4_phases<T>::Axis;

  // f(a phase's convolution, bytes of packed weights before it); a phase that no tap meets has none.
  template <class F>
  static void for_phases(const Conv3d& a, F f) {
    size_t before = 0;
    for (ptrdiff_t d = 0; d < a.stride_d && d < a.id; d++)
      for (ptrdiff_t h = 0; h < a.stride_h && h < a.ih; h++)
        for (ptrdiff_t w = 0; w < a.stride_w && w < a.iw; w++) {
          Conv3d phase = phase_of(a, d, h, w);
          f(phase, before);
          if (taps(phase) > 0) before += (Groups<T>::packed_bytes(phase) + 63) / 64 * 64;
        }
  }
  static ptrdiff_t taps(const Conv3d& f) { return f.kd * f.kh * f.kw; }

  static Conv3d phase_of(const Conv3d& a, ptrdiff_t phase_d, ptrdiff_t phase_h, ptrdiff_t phase_w) {
    Axis d(phase_d, a.id, a.kd, a.stride_d, a.pad_d, a.dilation_d);
    Axis h(phase_h, a.ih, a.kh, a.stride_h, a.pad_h, a.dilation_h);
    Axis w(phase_w, a.iw, a.kw, a.stride_w, a.pad_w, a.dilation_w);
    Conv3d f = a;
    f.x = a.y, f.x_n = a.y_n, f.x_c = a.y_c, f.x_d = a.y_d, f.x_h = a.y_h, f.x_w = a.y_w;
    f.ic = a.oc, f.id = a.od, f.ih = a.oh, f.iw = a.ow;
    f.y = static_cast<T*>(a.x) + phase_d * a.x_d + phase_h * a.x_h + phase_w * a.x_w;
    f.y_n = a.x_n, f.y_c = a.x_c, f.y_d = a.stride_d * a.x_d, f.y_h = a.stride_h * a.x_h, f.y_w = a.stride_w * a.x_w;
    f.oc = a.ic, f.od = d.places, f.oh = h.places, f.ow = w.places;
    f.w = static_cast<T*>(a.w) + d.last * a.w_d + h.last * a.w_h + w.last * a.w_w;
    f.w_d = -d.step * a.w_d, f.w_h = -h.step * a.w_h, f.w_w = -w.step * a.w_w;
    f.kd = d.taps, f.kh = h.taps, f.kw = w.taps;
    f.stride_d = f.stride_h = f.stride_w = 1;
    f.pad_d = d.pad, f.pad_h = h.pad, f.pad_w = w.pad;
    f.dilation_d = d.dilation, f.dilation_h = h.dilation, f.dilation_w = w.dilation;
    return f;
  }

  static const char* supports(const Conv3d& a) {
    if (a.groups == 1) return "wants groups";
    if (a.stride_d * a.stride_h * a.stride_w > 64) return "strides over 64 in all would make many phases";
    // Said here as well, for places of dx that no tap meets at all: those are filled channel by channel.
    if (a.x_c != 1 || a.y_c != 1) return "wants channels-last x and y (x_c = y_c = 1)";
    const char* reason = nullptr;
    for (ptrdiff_t w = 0; w < a.stride_w && w < a.iw && !reason; w++) {  // the other axes may have any taps
      Conv3d phase = phase_of(a, 0, 0, w);
      if (phase.kw > 0) reason = Groups<T>::supports(phase);
    }
    return reason;
  }
  static size_t packed_bytes(const Conv3d& a) {
    size_t bytes = 0;
    for_phases(
        a, [&](const Conv3d& f, size_t before) { bytes = before + (taps(f) > 0 ? Groups<T>::packed_bytes(f) : 0); });
    return bytes;
  }
  static void prepare(const Conv3d& a, void* packed, const Team& team) noexcept {
    for_phases(a, [&](const Conv3d& f, size_t before) {
      if (taps(f) > 0)
        Groups<T>::prepare(f, static_cast<char*>(packed) + before, team, a.oc / a.groups * a.w_o, a.w_i, a.w_o);
    });
  }
  static void run(const Conv3d& a, const Team& team) noexcept {
    for_phases(a, [&](Conv3d& f, size_t before) {
      f.workspace.packed = static_cast<const char*>(a.workspace.packed) + before;
      typename Slide<T>::Args s = Slide<T>::args(f);
      if (taps(f) > 0) Groups<T>::run(s, f, team);
      else SlidePhases<T>::fill(s, team);
    });
  }
};
