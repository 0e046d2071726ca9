// dx of a depthwise convolution along 1, 2 or 3 axes: each phase of the strides is a depthwise convolution of stride 1
// over dy with some of the taps, in reverse order (see r4_phases), done by conv2d/slide.h.
#pragma once

template <class T>
struct SlidePhases {
  using Axis = typename conv2d_backward_input_r4_phases<T>::Axis;
  static constexpr ptrdiff_t near_bytes = 1 << 20;  // dy and dx of the images that pass all phases: half an L2

  static const char* supports(const Conv3d& a) {
    if (a.groups != a.ic || a.oc != a.ic) return "needs one input and one output channel per group";
    if (a.x_c != 1 || a.y_c != 1) return "needs channels-last arrays (x_c = y_c = 1)";
    if (a.ic < lanes<T>) return "needs a vector full of channels";
    return a.stride_d * a.stride_h * a.stride_w > 64 ? "strides over 64 in all would make many phases" : nullptr;
  }

  // f(depth, height and width of a phase, its place, bytes of packed weights before it)
  template <class F>
  static size_t for_phases(const Conv3d& a, F f) {
    size_t before = 0;
    for (ptrdiff_t d = 0; d < a.stride_d && d < a.id; d++)
      for (ptrdiff_t h = 0; h < a.stride_h && h < a.ih; h++)
        for (ptrdiff_t w = 0; w < a.stride_w && w < a.iw; w++) {
          Axis depth(d, a.id, a.kd, a.stride_d, a.pad_d, a.dilation_d);
          Axis height(h, a.ih, a.kh, a.stride_h, a.pad_h, a.dilation_h);
          Axis width(w, a.iw, a.kw, a.stride_w, a.pad_w, a.dilation_w);
          f(depth, height, width, d * a.x_d + h * a.x_h + w * a.x_w, before);
          before += (Slide<T>::packed_bytes(a.ic, depth.taps * height.taps * width.taps) + 63) / 64 * 64;
        }
    return before;
  }

  static size_t packed_bytes(const Conv3d& a) {
    return for_phases(a, [](const Axis&, const Axis&, const Axis&, ptrdiff_t, size_t) {});
  }
  static void prepare(const Conv3d& a, void* packed, const Team& team) noexcept {
    for_phases(a, [&](const Axis& d, const Axis& h, const Axis& w, ptrdiff_t, size_t before) {
      const T* last = static_cast<const T*>(a.w) + d.last * a.w_d + h.last * a.w_h + w.last * a.w_w;
      Slide<T>::prepare(a.ic, d.taps, h.taps, w.taps, last, a.w_o, -d.step * a.w_d, -h.step * a.w_h, -w.step * a.w_w,
                        static_cast<char*>(packed) + before, team);
    });
  }

  static void run(const Conv3d& a, const Team& team) noexcept {
    // With strides every phase reads dy and writes a part of each line of dx: as few images at a time as fit L2.
    ptrdiff_t bytes = (a.id * a.ih * a.iw + a.od * a.oh * a.ow) * a.ic * ptrdiff_t(sizeof(T));
    ptrdiff_t together = a.stride_d * a.stride_h * a.stride_w == 1 ? a.n : near_bytes / (bytes + 1) + 1;
    for (ptrdiff_t n = 0; n < a.n; n += together)
      for_phases(a, [&](const Axis& d, const Axis& h, const Axis& w, ptrdiff_t place, size_t before) {
        typename Slide<T>::Args s = {};
        s.d = {a.od, d.taps, d.places, 1, d.pad, d.dilation, a.y_d, a.stride_d * a.x_d};
        s.h = {a.oh, h.taps, h.places, 1, h.pad, h.dilation, a.y_h, a.stride_h * a.x_h};
        s.w = {a.ow, w.taps, w.places, 1, w.pad, w.dilation, a.y_w, a.stride_w * a.x_w};
        s.n = a.n - n < together ? a.n - n : together;
        s.c = a.ic, s.x_n = a.y_n, s.y_n = a.x_n;
        s.x = static_cast<const T*>(a.y) + n * a.y_n, s.y = static_cast<T*>(a.x) + n * a.x_n + place;
        s.taps = reinterpret_cast<const T*>(static_cast<const char*>(a.workspace.packed) + before);
        s.bias = static_cast<const T*>(a.bias);
        if (d.taps * h.taps * w.taps > 0) Slide<T>::run(s, team);
        else fill(s, team);
      });
  }

  // Places that no tap meets.
  static void fill(const typename Slide<T>::Args& s, const Team& team) noexcept {
    Range rows = share(s.n * s.d.out * s.h.out, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t plane = row / s.h.out;
      T* y = s.y + plane / s.d.out * s.y_n + plane % s.d.out * s.d.y + row % s.h.out * s.h.y;
      for (ptrdiff_t w = 0; w < s.w.out; w++)
        for (ptrdiff_t c = 0; c < s.c; c++) y[w * s.w.y + c] = s.bias ? s.bias[c] : T(0);
    }
  }
};
