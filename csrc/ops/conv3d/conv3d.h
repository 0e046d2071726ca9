// conv3d and its two backward passes: conv2d with an axis of depth (slices of a volume, frames of a film) before h.
//
//   y[n, oc, od, oh, ow] = bias[oc] + sum over ic, kd, kh, kw of x[n, ic, id, ih, iw] * w[oc, ic, kd, kh, kw]
//   id = od * stride_d - pad_d + kd * dilation_d,  ih and iw likewise; x is 0 outside the volume
//
//   conv3d                   reads x, w, bias    writes y
//   conv3d_backward_input    reads y (= dL/dy), w, bias    writes x (= dL/dx + bias: for the transposed convolution)
//   conv3d_backward_weight   reads y (= dL/dy), x    writes w (= dL/dw) and bias (= dL/dbias, if not null)
//
// Strides in elements, any sign; results that loopnest allocates are channels-last: y_c = 1. Groups as in conv2d.
#pragma once
#include "../../abi.h"

namespace loopnest {

struct Conv3d {
  Workspace workspace;
  void* x;     // [n, ic, id, ih, iw]
  void* w;     // [oc, ic/groups, kd, kh, kw]
  void* bias;  // [oc] ([ic] for conv3d_backward_input), stride 1, or null
  void* y;     // [n, oc, od, oh, ow]
  int64_t n, ic, id, ih, iw;
  int64_t oc, kd, kh, kw;
  int64_t od, oh, ow;
  int64_t stride_d, stride_h, stride_w;
  int64_t pad_d, pad_h, pad_w;  // before the first slice, above, to the left
  int64_t dilation_d, dilation_h, dilation_w;
  int64_t groups;
  int64_t precision;  // of the setting (precision.h): which rungs may run without being asked for
  int64_t x_n, x_c, x_d, x_h, x_w;
  int64_t w_o, w_i, w_d, w_h, w_w;
  int64_t y_n, y_c, y_d, y_h, y_w;
};

}  // namespace loopnest
