// Idea:  a convolution again: dx at every stride-th place meets the same taps, so each of the stride x stride phases of
//        dx is a convolution of stride 1 over dy with some of the weights, in reverse order. Strides of arrays can say
//        all of that, so conv2d's r5_pack does it.
// Since: r2_fold: nothing is added to a buffer, and sums over all taps stay in registers.
// Why:   conv2d's register block is the best there is, and every edge is cut off exactly as there.
// Price: its lanes are channels of x alone: with few of them r2_fold, which puts taps beside them, fills more lanes.
//        As many calls as there are phases.
#pragma once

template <class T>
struct conv2d_backward_input_r4_phases : Plain<Conv2d> {
  using Forward = conv2d_r5_pack<T>;

  static const char* supports(const Conv2d& a) {
    return a.stride_h > 64 || a.stride_w > 64 ? "a stride over 64 would make thousands of phases" : nullptr;
  }
  static const char* declines(const Conv2d& a) {
    ptrdiff_t group_ic = a.ic / a.groups, room = (group_ic + lanes<T> - 1) / lanes<T> * lanes<T>;
    if (3 * group_ic < 2 * room) return "fewer than two thirds of the lanes would be input channels";
    // A block of one vector has its loads and edges to carry: 16 -> 6 channels by 5x5 on 14x14 412 us, fold 154; 64 ->
    // 8 on 28x28 5.2 and 4.2 ms, by 3x3, stride 2, 625 and 518 us; 16 -> 12 376 and 248. From 16 channels on fold
    // loses.
    bool narrow = isa_registers == 16 && 2 * group_ic <= 3 * lanes<T> && a.kw > 1;
    return narrow ? "the taps of a kernel row fill more vectors than these few channels: fold" : nullptr;
  }

  // One axis of one phase: places phase, phase + stride ... of x, as the outputs of a convolution over y.
  struct Axis {
    ptrdiff_t places, taps, last, step;  // of x; of the kernel: how many, the last one, from one to the next
    ptrdiff_t pad, dilation;

    Axis(ptrdiff_t phase, ptrdiff_t size, ptrdiff_t kernel, ptrdiff_t stride, ptrdiff_t given_pad, ptrdiff_t given) {
      places = phase < size ? (size - phase - 1) / stride + 1 : 0;
      // Tap k meets y at (phase + pad - k * dilation) / stride + place, where that divides.
      taps = 0, last = 0, step = 1, pad = 0, dilation = 1;
      ptrdiff_t first = 0;
      for (ptrdiff_t k = 0; k < kernel; k++) {
        if ((phase + given_pad - k * given) % stride) continue;
        if (taps == 0) first = k;
        if (taps == 1) step = k - first;
        last = k, taps++;
      }
      if (taps > 1) dilation = step * given / stride;
      pad = (last * given - phase - given_pad) / stride;
    }
  };

  static Conv2d phase_of(const Conv2d& a, const Axis& h, const Axis& w, ptrdiff_t phase_h, ptrdiff_t phase_w) {
    Conv2d f = a;
    f.bias = a.bias;
    f.x = a.y, f.x_n = a.y_n, f.x_c = a.y_c, f.x_h = a.y_h, f.x_w = a.y_w;
    f.ic = a.oc, f.ih = a.oh, f.iw = a.ow;
    f.y = static_cast<T*>(a.x) + phase_h * a.x_h + phase_w * a.x_w;
    f.y_n = a.x_n, f.y_c = a.x_c, f.y_h = a.stride_h * a.x_h, f.y_w = a.stride_w * a.x_w;
    f.oc = a.ic, f.oh = h.places, f.ow = w.places;
    f.w = static_cast<T*>(a.w) + h.last * a.w_h + w.last * a.w_w;
    f.w_o = a.w_i, f.w_i = a.w_o, f.w_h = -h.step * a.w_h, f.w_w = -w.step * a.w_w;
    f.kh = h.taps, f.kw = w.taps;
    f.stride_h = f.stride_w = 1;
    f.pad_h = h.pad, f.pad_w = w.pad;
    f.dilation_h = h.dilation, f.dilation_w = w.dilation;
    return f;
  }

  // f(phase's convolution, bytes of packed weights before it) for every phase that has places
  template <class F>
  static void for_phases(const Conv2d& a, F f) {
    size_t before = 0;
    for (ptrdiff_t phase_h = 0; phase_h < a.stride_h && phase_h < a.ih; phase_h++)
      for (ptrdiff_t phase_w = 0; phase_w < a.stride_w && phase_w < a.iw; phase_w++) {
        Axis h(phase_h, a.ih, a.kh, a.stride_h, a.pad_h, a.dilation_h);
        Axis w(phase_w, a.iw, a.kw, a.stride_w, a.pad_w, a.dilation_w);
        Conv2d forward = phase_of(a, h, w, phase_h, phase_w);
        f(forward, before);
        if (h.taps * w.taps > 0) before += (Forward::packed_bytes(forward) + 63) / 64 * 64;
      }
  }

  static size_t packed_bytes(const Conv2d& a) {
    size_t bytes = 0;
    for_phases(
        a, [&](const Conv2d& f, size_t before) { bytes = before + (f.kh * f.kw > 0 ? Forward::packed_bytes(f) : 0); });
    return bytes;
  }

  // The groups lie otherwise in these weights: [groups * oc/groups, ic/groups]. One group at a time, see `group_of`.
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    for_phases(a, [&](const Conv2d& f, size_t before) {
      if (f.kh * f.kw == 0) return;
      size_t part = Forward::packed_bytes(f) / size_t(a.groups);
      for (ptrdiff_t g = 0; g < a.groups; g++)
        Forward::prepare(group_of(f, g), static_cast<char*>(packed) + before + size_t(g) * part, team);
    });
  }

  static Conv2d group_of(const Conv2d& f, ptrdiff_t g) {
    Conv2d one = f;
    one.groups = 1, one.ic = f.ic / f.groups, one.oc = f.oc / f.groups;
    one.w = static_cast<T*>(f.w) + g * one.ic * f.w_i;
    return one;
  }

  static void run(const Conv2d& a, const Team& team, bool add = false) noexcept {
    for_phases(a, [&](Conv2d f, size_t before) {
      f.workspace.packed = static_cast<const char*>(a.workspace.packed) + before;
      if (f.kh * f.kw > 0) Forward::run(f, team, add);
      else if (!add) fill(f, team);
    });
  }

  // Places that no tap meets.
  static void fill(const Conv2d& f, const Team& team) noexcept {
    const T* bias = static_cast<const T*>(f.bias);
    Range rows = share(f.n * f.oh, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      T* y = static_cast<T*>(f.y) + row / f.oh * f.y_n + row % f.oh * f.y_h;
      for (ptrdiff_t ow = 0; ow < f.ow; ow++)
        for (ptrdiff_t oc = 0; oc < f.oc; oc++) y[ow * f.y_w + oc * f.y_c] = bias ? bias[oc] : T(0);
    }
  }
};
