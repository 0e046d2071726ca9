// Idea:  one vector of neighbouring input channels: every number of dy is broadcast and meets a vector of weights.
// Since: r0_naive: lanes over input channels, the weights copied beforehand so that a vector of them is one load.
// Why:   the weights of neighbouring input channels lie kh * kw apart in PyTorch's order; packed, they fill a register.
// Price: the copy, and one sum at a time: the FMA's latency (4 cycles) sets the pace, one eighth of what is possible.
#pragma once

template <class T>
struct conv2d_backward_input_r1_pack : Plain<Conv2d> {
  // packed: [groups, blocks of input channels, kh, kw, group_oc, lanes]; lanes beyond the last channel hold zeros
  static ptrdiff_t blocks(const Conv2d& a) { return (a.ic / a.groups + lanes<T> - 1) / lanes<T>; }

  static size_t packed_bytes(const Conv2d& a) {
    return sizeof(T) * size_t(a.groups * blocks(a) * a.kh * a.kw * (a.oc / a.groups) * lanes<T>);
  }

  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    constexpr int L = lanes<T>;
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups, block_size = a.kh * a.kw * group_oc * L;
    Range mine = share(a.groups * blocks(a), team);
    for (ptrdiff_t b = mine.begin; b < mine.end; b++) {
      ptrdiff_t group = b / blocks(a), first_ic = b % blocks(a) * L;
      const T* w = static_cast<const T*>(a.w) + group * group_oc * a.w_o + first_ic * a.w_i;
      T* out = static_cast<T*>(packed) + b * block_size;
      for (ptrdiff_t kh = 0; kh < a.kh; kh++)
        for (ptrdiff_t kw = 0; kw < a.kw; kw++)
          for (ptrdiff_t oc = 0; oc < group_oc; oc++)
            for (ptrdiff_t lane = 0; lane < L; lane++)
              *out++ = first_ic + lane < group_ic ? w[oc * a.w_o + lane * a.w_i + kh * a.w_h + kw * a.w_w] : T(0);
    }
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    constexpr int L = lanes<T>;
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups, block_size = a.kh * a.kw * group_oc * L;
    Range rows = share(a.n * a.ih, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / a.ih, ih = row % a.ih;
      for (ptrdiff_t b = 0; b < a.groups * blocks(a); b++) {
        ptrdiff_t group = b / blocks(a), first_ic = b % blocks(a) * L;
        const T* w = static_cast<const T*>(a.workspace.packed) + b * block_size;         // [kh, kw, oc, L]
        const T* y = static_cast<const T*>(a.y) + n * a.y_n + group * group_oc * a.y_c;  // [oh, ow, oc]
        T* x = static_cast<T*>(a.x) + n * a.x_n + ih * a.x_h + (group * group_ic + first_ic) * a.x_c;  // [iw, L]
        ptrdiff_t count = group_ic - first_ic < L ? group_ic - first_ic : L;
        vec<T> bias = {};
        if (a.bias) bias = load_n<T>(static_cast<const T*>(a.bias) + group * group_ic + first_ic, count);
        for (ptrdiff_t iw = 0; iw < a.iw; iw++) {
          vec<T> sum = bias;
          for (ptrdiff_t kh = 0; kh < a.kh; kh++)
            for (ptrdiff_t kw = 0; kw < a.kw; kw++) {
              ptrdiff_t th = ih + a.pad_h - kh * a.dilation_h, tw = iw + a.pad_w - kw * a.dilation_w;
              if (th < 0 || th % a.stride_h || tw < 0 || tw % a.stride_w) continue;
              ptrdiff_t oh = th / a.stride_h, ow = tw / a.stride_w;
              if (oh >= a.oh || ow >= a.ow) continue;
              const T* py = y + oh * a.y_h + ow * a.y_w;
              const T* pw = w + (kh * a.kw + kw) * group_oc * L;
              for (ptrdiff_t oc = 0; oc < group_oc; oc++) sum += py[oc * a.y_c] * load<T>(pw + oc * L);
            }
          if (a.x_c == 1) store_n<T>(x + iw * a.x_w, sum, count);
          else
            for (ptrdiff_t i = 0; i < count; i++) x[iw * a.x_w + i * a.x_c] = get_lane<T>(sum, i);
        }
      }
    }
  }
};
