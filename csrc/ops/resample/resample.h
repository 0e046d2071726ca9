// resample: every output is a weighted sum of inputs, axis by axis. Padding of all modes, nearest, linear, bilinear and
// trilinear interpolation, and the backward passes of all of these are tables for this one operator.
//
//   y[n, c, od, oh, ow] = sum over taps p of od, q of oh, r of ow of
//                         weight_d[p] * weight_h[q] * weight_w[r] * x[n, c, index_d[p], index_h[q], index_w[r]]
//
//   The taps of output o along an axis are entries begin[o] to begin[o + 1] - 1 of index and weight. An output that has
//   no taps along some axis is `fill` (a constant border).
//
// The backward pass is the same operator with every table turned around: the taps of input i are the outputs that read
// it. So no output is ever written by two members of a team, and every sum has one order.
//
// The tables are dense; every index lies inside its axis (the caller has checked). Strides in elements, any sign.
#pragma once
#include "../../abi.h"

namespace loopnest {

struct Resample {
  Workspace workspace;
  const void* x;           // [n, c, id, ih, iw]
  void* y;                 // [n, c, od, oh, ow]
  const int64_t* begin_d;  // [od + 1]
  const int64_t* begin_h;  // [oh + 1]
  const int64_t* begin_w;  // [ow + 1]
  const int64_t* index_d;  // [begin_d[od]]
  const int64_t* index_h;
  const int64_t* index_w;
  const void* weight_d;  // as index
  const void* weight_h;
  const void* weight_w;
  int64_t n, c, id, ih, iw, od, oh, ow;
  int64_t x_n, x_c, x_d, x_h, x_w;
  int64_t y_n, y_c, y_d, y_h, y_w;
  double fill;
};

}  // namespace loopnest
