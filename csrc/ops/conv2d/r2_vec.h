// Idea:  one vector register holds neighbouring output channels, so one instruction does 4, 8 or 16 multiply-adds.
// Since: r1_hoist had one number per sum; the loop over oc now steps by a vector, and moves outside ic.
// Why:   all lanes share the input number, and their weights are one load, once prepare has laid the weights out
//        channels-last: [groups, kh, kw, ic, oc], oc filled up with zeros to whole vectors.
// Price: a copy of the weights; still one chain of dependent multiply-adds, 4 cycles each.
#pragma once
#include "parts.h"

template <class T>
struct conv2d_r2_vec : Plain<Conv2d> {
  static ptrdiff_t padded_oc(const Conv2d& a) { return ceil_div(a.oc / a.groups, lanes<T>) * lanes<T>; }
  static size_t packed_bytes(const Conv2d& a) { return size_t(a.kh * a.kw * a.ic * padded_oc(a)) * sizeof(T); }

  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups, width = padded_oc(a);
    Range taps = share(a.groups * a.kh * a.kw, team);
    for (ptrdiff_t tap = taps.begin; tap < taps.end; tap++) {
      ptrdiff_t g = tap / (a.kh * a.kw), kh = tap / a.kw % a.kh, kw = tap % a.kw;
      const T* w = static_cast<const T*>(a.w) + g * group_oc * a.w_o + kh * a.w_h + kw * a.w_w;
      T* to = static_cast<T*>(packed) + tap * group_ic * width;
      for (ptrdiff_t ic = 0; ic < group_ic; ic++)
        for (ptrdiff_t oc = 0; oc < width; oc++) *to++ = oc < group_oc ? w[oc * a.w_o + ic * a.w_i] : T(0);
    }
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    const T* bias = static_cast<const T*>(a.bias);  // [oc] or null
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups, width = padded_oc(a);
    Range rows = share(a.n * a.oh, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / a.oh, oh = row % a.oh, ih = oh * a.stride_h - a.pad_h;
      Range taps_h = window(ih, a.ih, a.kh, a.dilation_h);
      for (ptrdiff_t ow = 0; ow < a.ow; ow++) {
        ptrdiff_t iw = ow * a.stride_w - a.pad_w;
        Range taps_w = window(iw, a.iw, a.kw, a.dilation_w);
        for (ptrdiff_t g = 0; g < a.groups; g++) {
          const T* x = static_cast<const T*>(a.x) + n * a.x_n + ih * a.x_h + iw * a.x_w + g * group_ic * a.x_c;
          const T* w = static_cast<const T*>(a.workspace.packed) + g * a.kh * a.kw * group_ic * width;
          T* y = static_cast<T*>(a.y) + n * a.y_n + oh * a.y_h + ow * a.y_w + g * group_oc * a.y_c;
          for (ptrdiff_t oc = 0; oc < group_oc; oc += lanes<T>) {
            ptrdiff_t left = group_oc - oc < lanes<T> ? group_oc - oc : lanes<T>;
            vec<T> sum = bias ? load_n<T>(bias + g * group_oc + oc, left) : vec<T>{};
            for (ptrdiff_t kh = taps_h.begin; kh < taps_h.end; kh++)
              for (ptrdiff_t kw = taps_w.begin; kw < taps_w.end; kw++) {
                const T* x_tap = x + kh * a.dilation_h * a.x_h + kw * a.dilation_w * a.x_w;  // [ic]
                const T* w_tap = w + (kh * a.kw + kw) * group_ic * width + oc;               // [ic, oc]
                for (ptrdiff_t ic = 0; ic < group_ic; ic++) sum += x_tap[ic * a.x_c] * load<T>(w_tap + ic * width);
              }
            store_channels<T>(y + oc * a.y_c, a.y_c, sum, left);
          }
        }
      }
    }
  }
};
