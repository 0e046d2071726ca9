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
    ptrdiff_t group_ic = a.ic / a.groups, room = ceil_div(group_ic, lanes<T>) * lanes<T>;
    if (3 * group_ic < 2 * room) return "fewer than two thirds of the lanes would be input channels";
    if (isa_registers == 32 && lanes<T> > 4 && a.dilation_w == 1 && fold_cycles(a) < cycles(a))
      return "the taps of a kernel row fill vectors that the channels leave half empty: fold";
    // A block of one vector has its loads and edges to carry: 16 -> 6 channels by 5x5 on 14x14 412 us, fold 154; 64 ->
    // 8 on 28x28 5.2 and 4.2 ms, by 3x3, stride 2, 625 and 518 us; 16 -> 12 376 and 248. From 16 channels on fold
    // loses.
    bool narrow = isa_registers == 16 && 2 * group_ic <= 3 * lanes<T> && a.kw > 1;
    return narrow ? "the taps of a kernel row fill more vectors than these few channels: fold" : nullptr;
  }
  // Cycles for a place of dy: multiply-adds, and what each row of sums costs in dx. Fitted to 240 shapes of 17 to 128
  // input channels (Xeon, AVX-512); by them the rung taken is 1.02 times as slow as the better one in the mean, by the
  // lanes alone it was 1.07. (256 -> 20 channels by 2x2, stride 2, on 4 images of 28x28: 2085 us, fold 1048.)
  static double cycles(const Conv2d& a) {
    ptrdiff_t vectors = ceil_div(a.ic / a.groups, lanes<T>);
    return double(a.kh * a.kw * vectors) * sums_cycles(a) + 6.5 * double(vectors * a.stride_h * a.stride_w);
  }
  static double fold_cycles(const Conv2d& a) {
    ptrdiff_t row = ceil_div(a.kw * (a.ic / a.groups), lanes<T>), dx = ceil_div(a.stride_w * a.ic / a.groups, lanes<T>);
    // Packing takes 1.2 cycles a weight longer: 40 -> 320 channels by 5x5 280 and 150 us.
    double packing = a.workspace.once ? 1.2 * double(a.kh * a.kw * a.ic / a.groups * a.oc) : 0;
    return double(a.kh * row) * sums_cycles(a) + 12 * double(dx * a.stride_h) + packing / double(a.n * a.oh * a.ow + 1);
  }
  static double sums_cycles(const Conv2d& a) { return 0.56 * double(a.oc / a.groups) + 1; }

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
    ptrdiff_t taps = a.kh * a.kw;
    bool dense = (a.kw == 1 || a.w_w == 1) && (a.kh == 1 || a.w_h == a.kw) && taps > 1 && taps <= Spread::most;
    bool several = a.stride_h * a.stride_w > 1 && a.ih >= a.stride_h && a.iw >= a.stride_w;
    if (lanes<T> > 1 && dense && several) return Spread(a, packed).pack(team);
    for_phases(a, [&](const Conv2d& f, size_t before) {
      if (f.kh * f.kw == 0) return;
      size_t part = Forward::packed_bytes(f) / size_t(a.groups);
      for (ptrdiff_t g = 0; g < a.groups; g++)
        Forward::prepare(group_of(f, g), static_cast<char*>(packed) + before + size_t(g) * part, team);
    });
  }

  // Packing for all phases at once: a filter's taps for a vector of input channels are one stretch of memory, whose
  // numbers go to different phases.
  struct Spread {
    static constexpr ptrdiff_t most = 128;  // taps
    const Conv2d& a;
    ptrdiff_t group_ic, group_oc;
    // Of the phase that a tap belongs to: where its weights of the first group begin, bytes of a group; the place of
    // the tap among them, and how many there are; in how many slices oc is cut.
    struct Tap {
      char* first;
      size_t group;
      ptrdiff_t place, taps, slices;
    } tap[most];

    Spread(const Conv2d& a, void* packed) : a(a), group_ic(a.ic / a.groups), group_oc(a.oc / a.groups) {
      for_phases(a, [&](const Conv2d& f, size_t before) {
        if (f.kh * f.kw == 0) return;
        Conv2d one = group_of(f, 0);
        const T* last = static_cast<const T*>(f.w);
        for (ptrdiff_t h = 0; h < f.kh; h++)
          for (ptrdiff_t w = 0; w < f.kw; w++) {
            // f.w is the phase's last tap, f.w_h and f.w_w are negative
            ptrdiff_t at = last + h * f.w_h + w * f.w_w - static_cast<const T*>(a.w);
            tap[at] = {static_cast<char*>(packed) + before, Forward::packed_bytes(one), h * f.kw + w, f.kh * f.kw,
                       Forward::slices(one)};
          }
      });
    }

    void pack(const Team& team) const noexcept {
      constexpr ptrdiff_t width = Forward::width, most_wide = width + lanes<T>;
      Conv2d turned = a;  // its output channels are x's
      turned.oc = a.ic;
      ptrdiff_t taps = a.kh * a.kw, blocks = Forward::blocks(turned);
      Range mine = share(a.groups * blocks, team);
      for (ptrdiff_t block = mine.begin; block < mine.end; block++) {
        ptrdiff_t g = block / blocks, ic0 = block % blocks * width, left = group_ic - ic0;
        ptrdiff_t wide = Forward::wide(left);
        const T* row[most_wide];
        for (ptrdiff_t i = 0; i < wide; i++)
          row[i] = static_cast<const T*>(a.w) + g * group_oc * a.w_o + (ic0 + (i < left ? i : 0)) * a.w_i;
        T* place[most];
        ptrdiff_t until[most] = {};  // the end of the slice of oc that place[] is in
        for (ptrdiff_t oc = 0; oc < group_oc; oc++) {
          for (ptrdiff_t t = 0; t < taps; t++) {
            if (oc == until[t]) until[t] = enter(tap[t], g, ic0, oc, wide, place[t]);
            else place[t] += wide;
          }
          Filters<T>::spread(row, oc * a.w_o, taps, left < wide ? left : wide, wide, place);
        }
      }
    }

    // The place of oc, the first of a slice; returns the slice's end.
    ptrdiff_t enter(const Tap& t, ptrdiff_t g, ptrdiff_t ic0, ptrdiff_t oc, ptrdiff_t wide, T*& place) const noexcept {
      typename Forward::Axis axis(group_oc, t.slices);
      ptrdiff_t slice = 0;
      while (axis.begin(slice) < oc) slice++;
      T* block = reinterpret_cast<T*>(t.first + size_t(g) * t.group) + ic0 * t.taps * group_oc;
      place = block + oc * t.taps * wide + t.place * axis.count(slice) * wide;
      return oc + axis.count(slice);
    }
  };

  static Conv2d group_of(const Conv2d& f, ptrdiff_t g) {
    Conv2d one = f;
    one.groups = 1, one.ic = f.ic / f.groups, one.oc = f.oc / f.groups;
    one.w = static_cast<T*>(f.w) + g * one.ic * f.w_i;
    return one;
  }

  // All phases of some images, or of some rows of one, before the next: dy is then read from L2 by every phase but the
  // first, and their places, which lie side by side in dx, are written while they are there. (16 -> 64 channels by 2x2,
  // stride 2, on 2 images of 64x64: 848 and 617 us; 64 -> 32 by 1x1 on 64 of 8x8 248 and 212.) Not where the weights of
  // all phases would not stay there as well, nor where places meet several taps: those take so long that dy comes in
  // time from L3, and cutting it costs up to 8 %.
  static constexpr ptrdiff_t near_bytes = (Forward::small ? 128 : 1024) << 10;
  struct Bands {
    ptrdiff_t images, rows;  // at a time; rows of each phase
    explicit Bands(const Conv2d& a) : images(a.n), rows(a.ih) {
      bool one_tap = a.kh <= a.stride_h && a.kw <= a.stride_w, one_phase = a.stride_h * a.stride_w == 1;
      if (one_phase || !one_tap || packed_bytes(a) > size_t(near_bytes)) return;
      ptrdiff_t row = (a.oh * a.ow * a.oc + a.ih * a.iw * a.ic) * ptrdiff_t(sizeof(T)) * a.stride_h / (a.ih + 1) + 1;
      rows = near_bytes / row, images = 1;
      ptrdiff_t image = ceil_div(a.ih, a.stride_h);
      if (rows >= image) images = rows / image, rows = image;
      else rows = ceil_div(image, ceil_div(image, rows > 0 ? rows : 1));
    }
  };

  static void run(const Conv2d& a, const Team& team, bool add = false) noexcept {
    Bands bands(a);
    for (ptrdiff_t n = 0; n < a.n; n += bands.images)
      for (ptrdiff_t row = 0; row * a.stride_h < a.ih; row += bands.rows)
        for_phases(a, [&](Conv2d f, size_t before) {
          bool past = !add && Forward::past(f);
          f.n = a.n - n < bands.images ? a.n - n : bands.images;
          f.oh = f.oh - row < bands.rows ? f.oh - row : bands.rows;
          f.x = static_cast<T*>(f.x) + n * f.x_n;
          f.y = static_cast<T*>(f.y) + n * f.y_n + row * f.y_h;
          f.pad_h -= row;
          if (f.oh <= 0) return;
          f.workspace.packed = static_cast<const char*>(a.workspace.packed) + before;
          if (f.kh * f.kw > 0) Forward::run(f, team, add, past);
          else if (!add) fill(f, team);
        });
  }

  // Places that no tap meets.
  static void fill(const Conv2d& f, const Team& team) noexcept {
    const T* bias = static_cast<const T*>(f.bias);
    Range rows = share(f.n * f.oh, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      T* y = static_cast<T*>(f.y) + row / f.oh * f.y_n + row % f.oh * f.y_h;
      for (ptrdiff_t ow = 0; ow < f.ow; ow++, y += f.y_w) {
        if (f.y_c != 1)
          for (ptrdiff_t oc = 0; oc < f.oc; oc++) y[oc * f.y_c] = bias ? bias[oc] : T(0);
        else if (bias) __builtin_memcpy(y, bias, size_t(f.oc) * sizeof(T));
        else __builtin_memset(y, 0, size_t(f.oc) * sizeof(T));
      }
    }
  }
};
