// softmax and log_softmax along one axis, and their backward pass.
//
//   softmax           reads x           writes y = exp(x) / sum of exp(x), or its logarithm if `log`
//   softmax_backward  reads y and dy    writes dx = y * (dy - sum of dy * y), or dy - exp(y) * sum of dy if `log`
//
// Arrays are [o, d, i]: the sums are over d; o and i stand for all axes outside and inside of it in memory. Strides are
// in elements, any sign. The largest x of a row is taken out first, so that nothing overflows; a row that holds NaN or
// +inf, or nothing but -inf, gives NaN, as in PyTorch.
#pragma once
#include "../../abi.h"

namespace loopnest {

struct Softmax {
  Workspace workspace;
  const void* x;   // [o, d, i]      forward only
  void* y;         // [o, d, i]      written by forward, read by backward
  const void* dy;  // [o, d, i]      backward only
  void* dx;        // [o, d, i]      backward only
  int64_t o, d, i;
  int64_t x_o, x_d, x_i;
  int64_t y_o, y_d, y_i;
  int64_t dy_o, dy_d, dy_i;
  int64_t dx_o, dx_d, dx_i;
  bool log;
};

}  // namespace loopnest
