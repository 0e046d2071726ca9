// Idea:  few output channels, many input channels: x and dy change places. dw is also the gradient of the weights of a
//        convolution that takes dy to x, so r2_tile does that one's, with the kernel turned round.
// Since: r2_tile and r8_across: output channels fill the lanes, or places do, which x must be brought into first.
// Why:   16 -> 1 channels by 3x3: one vector of x meets 9 numbers of dy, where r2_tile broadcast 144 numbers of x to
//        vectors of one channel.
// Price: stride 1, one group; dw is written with its roles exchanged; dbias is a pass of its own over dy.
#pragma once
#include "r2_tile.h"

template <class T>
struct conv2d_backward_weight_r9_turned : Plain<Conv2d> {
  using Tile = conv2d_backward_weight_r2_tile<T>;

  static const char* supports(const Conv2d& a) {
    if (a.groups != 1) return "wants one group";
    if (a.ih * a.iw == 0) return "wants an image with pixels";
    bool one = (a.stride_h == 1 || a.oh <= 1) && (a.stride_w == 1 || a.ow <= 1);
    return one ? nullptr : "wants stride 1";
  }
  // Vectors of output channels by numbers of x, and the other way round; twice as many gain nothing for certain, but
  // with 16 registers fewer do where Winograd does not help: 64 -> 5 channels, 1x1, 27 us by tile, 19 here; 20 -> 4,
  // 5x5, 138 and 108; 64 -> 6, 3x3, 249 and 174, by F(4x4) 129.
  static const char* declines(const Conv2d& a) {
    using Winograd = conv2d_backward_weight_r6_winograd4<T>;
    constexpr const char* filled = "output channels fill their vectors about as well as input channels";
    ptrdiff_t here = ceil_div(a.ic, lanes<T>) * a.oc, there = ceil_div(a.oc, lanes<T>) * a.ic;
    bool fewer = isa_registers == 16 && 10 * here <= 9 * there && (Winograd::supports(a) || Winograd::declines(a));
    if (lanes<T> == 1 || (2 * here > there && !fewer)) return filled;
    return a.x_c != 1 ? "x is not channels-last: it would have to be turned" : nullptr;
  }

  // x[q] was used for dy[q + pad - k * dilation]: tap kh of a is tap kernel - 1 - kh of this one.
  static Conv2d turned(const Conv2d& a) {
    Conv2d t = a;
    t.ic = a.oc, t.ih = a.oh, t.iw = a.ow, t.oc = a.ic, t.oh = a.ih, t.ow = a.iw;
    t.stride_h = t.stride_w = 1;
    t.pad_h = (a.kh - 1) * a.dilation_h - a.pad_h, t.pad_w = (a.kw - 1) * a.dilation_w - a.pad_w;
    t.x = a.y, t.x_n = a.y_n, t.x_c = a.y_c, t.x_h = a.y_h, t.x_w = a.y_w;
    t.y = a.x, t.y_n = a.x_n, t.y_c = a.x_c, t.y_h = a.x_h, t.y_w = a.x_w;
    t.w = static_cast<T*>(a.w) + (a.kh - 1) * a.w_h + (a.kw - 1) * a.w_w;
    t.w_o = a.w_i, t.w_i = a.w_o, t.w_h = -a.w_h, t.w_w = -a.w_w;
    t.bias = nullptr;
    return t;
  }
  static size_t scratch_bytes(const Conv2d& a, int threads) { return Tile::scratch_bytes(turned(a), threads); }
  static void run(const Conv2d& a, const Team& team) noexcept {
    Tile::run(turned(a), team);
    bias_gradient<T>(a, team);
  }
};
