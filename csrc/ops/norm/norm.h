// Batch, instance, group, layer and RMS normalisation: one formula over different sets of numbers.
//
//   y = h * weight[c] + bias[c],    h = (x - mean) * rstd,    rstd = 1 / sqrt(var + eps)
//
//   x is [n, s, c]: n images or sequences, s places (pixels, steps) and c channels. mean and var (the mean of
//   (x - mean)^2: divided by the number of elements) belong to sets of numbers:
//
//     batch     over n and s, for each channel              over_n, groups = c
//     instance  over s, for each n and channel                      groups = c
//     group     over s and c / groups neighbouring channels, for each n
//     layer     group norm with one group; s = 1: a row of c numbers
//     RMS       layer norm without `centre`: mean is 0, var is the mean of x * x
//
//   norm           reads x, weight, bias (and mean, var if `given`)   writes y; and mean, var unless `given`
//   norm_backward  reads x, weight, mean, var, y (= dL/dy)            writes dx, dweight, dbias, each if not null
//
//   Without y, norm writes mean and var only. Its epilogue is that of residual networks, z = relu(y + add): y is then
//   z, `add` (or null) lies as y does, and `activation` is ActNone or ActRelu. NaN passes. norm_backward with
//   ActRelu takes dL/dz of z = relu(norm(x)) in place of dL/dy: what z = 0 let through, found by computing h again,
//   needs `bias` as well.
//
//   With g = dy * weight and "mean over the set":
//     dx = rstd * (g - mean(g) - h * mean(g * h))     without mean(g) if not `centre`
//     dx = rstd * g                                   if `given`: mean and var did not come from x
//     dweight[c] = sum over n and s of dy * h         dbias[c] = sum over n and s of dy
//
// Sources: Ioffe and Szegedy 2015 (batch), Ulyanov et al. 2016 (instance), Wu and He 2018 (group), Ba et al. 2016
// (layer), Zhang and Sennrich 2019 (RMS). Strides are in elements, any sign. A set has at least one element, unless
// all of x is empty.
#pragma once
#include "../../abi.h"

namespace loopnest {

struct Norm {
  Workspace workspace;
  const void* x;       // [n, s, c]
  const void* weight;  // [c] dense, or null: 1
  const void* bias;    // [c] dense, or null: 0; backward uses it with ActRelu only
  const void* add;     // [n, s, c] with the strides of y, or null; forward only
  void* mean;          // [n, groups] dense; [1, c] if over_n
  void* var;           // as mean
  void* y;             // [n, s, c], or null: statistics only; dL/dy in backward
  void* dx;            // [n, s, c], or null
  void* dweight;       // [c] dense, or null
  void* dbias;         // [c] dense, or null
  int64_t n, s, c, groups;
  int64_t x_n, x_s, x_c;
  int64_t y_n, y_s, y_c;
  int64_t dx_n, dx_s, dx_c;
  int64_t activation;  // ActNone or ActRelu
  double eps;
  bool over_n;
  bool given;
  bool centre;
};

}  // namespace loopnest
