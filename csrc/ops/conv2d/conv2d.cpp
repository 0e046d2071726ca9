// The checks of conv2d and its backward passes, and their work.
#include "conv2d.h"

#include "../../check.h"
#include "../../precision.h"
#include "check.h"

namespace loopnest {
namespace {

const char* const axes_x = ConvText<2>::x;
const char* const axes_w = ConvText<2>::w;
const char* const axes_y = ConvText<2>::y;

// Everything that follows from the shapes of x and w: the sizes, and the shape of y.
bool check_shapes(const char* op, Conv2d& a, const int64_t x[4], const int64_t w[4], const Conv2dOptions& o, Error& e) {
  ConvSizes<2> s;
  if (!conv_sizes<2>(op, s, x, w, o, e)) return false;
  conv_fill(a, s);
  return true;
}

void place_x(Conv2d& a, const Array& x) {
  a.x = x.data;
  a.x_n = x.stride[0], a.x_c = x.stride[1], a.x_h = x.stride[2], a.x_w = x.stride[3];
}

void place_w(Conv2d& a, const Array& w) {
  a.w = w.data;
  a.w_o = w.stride[0], a.w_i = w.stride[1], a.w_h = w.stride[2], a.w_w = w.stride[3];
}

void place_y(Conv2d& a, const Array& y) {
  a.y = y.data;
  a.y_n = y.stride[0], a.y_c = y.stride[1], a.y_h = y.stride[2], a.y_w = y.stride[3];
}

}  // namespace

bool conv2d_check(Conv2d& a, const Array& x, const Array& w, const Array* bias, const Conv2dOptions& options,
                  int64_t y_shape[4], Error& e) {
  const char* op = "conv2d";
  if (!check_float(op, "input", x, e) || !check_dtype(op, "weight", w, "input", x.dtype, e) ||
      !check_rank(op, "input", x, 4, axes_x, e) || !check_rank(op, "weight", w, 4, axes_w, e) ||
      !check_shapes(op, a, x.shape, w.shape, options, e))
    return false;
  place_x(a, x);
  place_w(a, w);
  if (bias) {
    if (!check_dtype(op, "bias", *bias, "input", x.dtype, e) || !check_shape(op, "bias", *bias, 1, &a.oc, e))
      return false;
    a.bias = bias->data;
  }
  y_shape[0] = a.n, y_shape[1] = a.oc, y_shape[2] = a.oh, y_shape[3] = a.ow;
  return true;
}

bool conv2d_backward_input_check(Conv2d& a, const int64_t x_shape[4], const Array& w, const Array& dy,
                                 const Conv2dOptions& options, Error& e) {
  const char* op = "conv2d_backward_input";
  for (int i = 0; i < 4; i++)
    if (!check_at_least(op, "every axis of the input's shape", x_shape[i], 0, e)) return false;
  if (!check_float(op, "grad_output", dy, e) || !check_dtype(op, "weight", w, "grad_output", dy.dtype, e) ||
      !check_rank(op, "weight", w, 4, axes_w, e) || !check_rank(op, "grad_output", dy, 4, axes_y, e) ||
      !check_shapes(op, a, x_shape, w.shape, options, e))
    return false;
  int64_t y_shape[4] = {a.n, a.oc, a.oh, a.ow};
  if (!check_shape(op, "grad_output", dy, 4, y_shape, e)) return false;
  place_w(a, w);
  place_y(a, dy);
  return true;
}

bool conv2d_backward_weight_check(Conv2d& a, const Array& x, const int64_t w_shape[4], const Array& dy,
                                  const Conv2dOptions& options, Error& e) {
  const char* op = "conv2d_backward_weight";
  if (!check_float(op, "grad_output", dy, e) || !check_dtype(op, "input", x, "grad_output", dy.dtype, e) ||
      !check_rank(op, "input", x, 4, axes_x, e) || !check_rank(op, "grad_output", dy, 4, axes_y, e) ||
      !check_shapes(op, a, x.shape, w_shape, options, e))
    return false;
  int64_t y_shape[4] = {a.n, a.oc, a.oh, a.ow};
  if (!check_shape(op, "grad_output", dy, 4, y_shape, e)) return false;
  place_x(a, x);
  place_y(a, dy);
  return true;
}

Work conv2d_work(const Conv2d& a, Dtype dtype) {
  double taps = conv_taps(a.oh, a.ih, a.kh, a.stride_h, a.pad_h, a.dilation_h) *
                conv_taps(a.ow, a.iw, a.kw, a.stride_w, a.pad_w, a.dilation_w);
  double group_ic = double(a.ic / a.groups);
  double elements = double(a.n) * double(a.ic) * double(a.ih) * double(a.iw) +
                    double(a.oc) * group_ic * double(a.kh) * double(a.kw) +
                    double(a.n) * double(a.oc) * double(a.oh) * double(a.ow);
  return {2.0 * double(a.n) * double(a.oc) * group_ic * taps, elements * (dtype == F64 ? 8 : 4)};
}

}  // namespace loopnest
