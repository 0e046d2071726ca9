// From arrays to the struct Conv2d: shapes, dtypes and sizes are checked here and nowhere else.
#pragma once
#include "../../array.h"
#include "../../error.h"
#include "../../registry.h"
#include "../conv/check.h"
#include "conv2d.h"

namespace loopnest {

struct Conv2dOptions {
  int64_t stride[2] = {1, 1};
  int64_t padding[4] = {0, 0, 0, 0};  // top, bottom, left, right
  int64_t dilation[2] = {1, 1};
  int64_t groups = 1;
};

// y = conv2d(x, w, bias): fills in everything but y and its strides; the shape of y goes to y_shape. bias may be null.
bool conv2d_check(Conv2d& a, const Array& x, const Array& w, const Array* bias, const Conv2dOptions& options,
                  int64_t y_shape[4], Error& error);

// dx = conv2d_backward_input(dy, w): the caller knows x's shape. Fills in everything but x and its strides.
bool conv2d_backward_input_check(Conv2d& a, const int64_t x_shape[4], const Array& w, const Array& dy,
                                 const Conv2dOptions& options, Error& error);

// dw, dbias = conv2d_backward_weight(dy, x): fills in everything but w, bias and their strides.
bool conv2d_backward_weight_check(Conv2d& a, const Array& x, const int64_t w_shape[4], const Array& dy,
                                  const Conv2dOptions& options, Error& error);

Work conv2d_work(const Conv2d& a, Dtype dtype);
inline Work conv2d_backward_input_work(const Conv2d& a, Dtype dtype) { return conv2d_work(a, dtype); }
inline Work conv2d_backward_weight_work(const Conv2d& a, Dtype dtype) { return conv2d_work(a, dtype); }

}  // namespace loopnest
