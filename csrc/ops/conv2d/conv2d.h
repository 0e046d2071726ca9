// conv2d and its two backward passes: one struct, three operators over the same seven loops.
//
//   y[n, oc, oh, ow] = bias[oc] + sum over ic, kh, kw of x[n, ic, ih, iw] * w[oc, ic, kh, kw]
//   ih = oh * stride_h - pad_h + kh * dilation_h,  iw likewise; x is 0 outside the image   (no flip: a correlation)
//
//   conv2d                   reads x, w, bias, add    writes y = activation(the sum above + add)
//   conv2d_backward_input    reads y (= dL/dy), w, bias    writes x (= dL/dx, plus bias)
//   conv2d_backward_weight   reads y (= dL/dy), x    writes w (= dL/dw) and bias (= dL/dbias, if not null)
//
// conv2d_backward_input is the transposed convolution as well: its input is y, its output x, and only it has a bias
// [ic]. conv1d and its backward passes take this struct too: one row, ih = oh = kh = stride_h = dilation_h = 1, pad_h =
// 0.
//
// Every array has its strides, in elements, any sign, so NCHW, channels-last and sliced arrays are all read in place.
// Results that loopnest allocates are channels-last: y_c = 1.
// With groups, output channel oc reads the input channels [g * ic/groups, (g+1) * ic/groups), g = oc / (oc/groups).
#pragma once
#include "../../abi.h"

namespace loopnest {

struct Conv2d {
  Workspace workspace;
  void* x;     // [n, ic, ih, iw]
  void* w;     // [oc, ic/groups, kh, kw]
  void* bias;  // [oc] ([ic] for conv2d_backward_input), stride 1, or null
  void* y;     // [n, oc, oh, ow]
  int64_t n, ic, ih, iw;
  int64_t oc, kh, kw;
  int64_t oh, ow;
  int64_t stride_h, stride_w;
  int64_t pad_h, pad_w;  // rows above and columns to the left; what lies below and to the right follows from oh, ow
  int64_t dilation_h, dilation_w;
  int64_t groups;
  const void* add;  // epilogue (abi.h) of conv2d: lies as y does, or null
  int64_t activation;
  int64_t precision;  // of the setting (precision.h): which rungs may run without being asked for
  int64_t x_n, x_c, x_h, x_w;
  int64_t w_o, w_i, w_h, w_w;
  int64_t y_n, y_c, y_h, y_w;
};

}  // namespace loopnest
