// The checks of conv2d and its backward passes, and their work.
#include "conv2d.h"

#include "../../check.h"
#include "../../precision.h"
#include "check.h"

namespace loopnest {
namespace {

const char* const axes_x = "(N, C_in, H, W)";
const char* const axes_w = "(C_out, C_in / groups, kH, kW)";
const char* const axes_y = "(N, C_out, H_out, W_out)";

bool check_options(const char* op, const Conv2dOptions& o, Error& e) {
  for (int i = 0; i < 2; i++) {
    if (!check_at_least(op, "stride", o.stride[i], 1, e)) return false;
    if (!check_at_least(op, "dilation", o.dilation[i], 1, e)) return false;
  }
  for (int64_t p : o.padding)
    if (!check_at_least(op, "padding", p, 0, e)) return false;
  return check_at_least(op, "groups", o.groups, 1, e);
}

// Everything that follows from the shapes of x and w: the sizes, and the shape of y.
bool check_shapes(const char* op, Conv2d& a, const int64_t x[4], const int64_t w[4], const Conv2dOptions& o, Error& e) {
  if (!check_options(op, o, e)) return false;
  for (int i = 0; i < 4; i++)
    if (w[i] < 1)
      return fail(e, Error::Value, "%s: expected a weight without empty axes, got %s", op, shape_text(w, 4).c_str());
  if (x[1] % o.groups || w[0] % o.groups)
    return fail(e, Error::Value, "%s: groups = %lld must divide the %lld input and the %lld output channels", op,
                (long long)o.groups, (long long)x[1], (long long)w[0]);
  if (x[1] / o.groups != w[1])
    return fail(e, Error::Value,
                "%s: weight has %lld input channels, input has %lld / groups %lld = %lld (input %s, weight %s)", op,
                (long long)w[1], (long long)x[1], (long long)o.groups, (long long)(x[1] / o.groups),
                shape_text(x, 4).c_str(), shape_text(w, 4).c_str());
  a = Conv2d{};
  a.n = x[0], a.ic = x[1], a.ih = x[2], a.iw = x[3];
  a.oc = w[0], a.kh = w[2], a.kw = w[3];
  a.stride_h = o.stride[0], a.stride_w = o.stride[1];
  a.pad_h = o.padding[0], a.pad_w = o.padding[2];
  a.dilation_h = o.dilation[0], a.dilation_w = o.dilation[1];
  a.groups = o.groups;
  a.precision = get_precision();
  if (!window_output(op, "height", a.ih, a.kh, o.stride[0], o.padding[0], o.padding[1], o.dilation[0], false, a.oh,
                     e) ||
      !window_output(op, "width", a.iw, a.kw, o.stride[1], o.padding[2], o.padding[3], o.dilation[1], false, a.ow, e))
    return false;
  // One place needs no stride and one tap no dilation; kernels multiply by them, and they may be as large as 2**62.
  if (a.oh == 1) a.stride_h = 1;
  if (a.ow == 1) a.stride_w = 1;
  if (a.kh == 1) a.dilation_h = 1;
  if (a.kw == 1) a.dilation_w = 1;
  int64_t y[4] = {a.n, a.oc, a.oh, a.ow};
  return check_size(op, "an output", y, 4, e);
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

// How many (place, tap) pairs of one axis fall inside the input.
double taps_inside(int64_t out, int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
  double inside = 0;
  for (int64_t k = 0; k < kernel; k++) {
    int64_t offset = k * dilation - pad;  // in = out * stride + offset
    int64_t first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    int64_t last = in - 1 - offset < 0 ? -1 : (in - 1 - offset) / stride;
    if (last > out - 1) last = out - 1;
    if (last >= first) inside += double(last - first + 1);
  }
  return inside;
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
  double taps = taps_inside(a.oh, a.ih, a.kh, a.stride_h, a.pad_h, a.dilation_h) *
                taps_inside(a.ow, a.iw, a.kw, a.stride_w, a.pad_w, a.dilation_w);
  double group_ic = double(a.ic / a.groups);
  double elements = double(a.n) * double(a.ic) * double(a.ih) * double(a.iw) +
                    double(a.oc) * group_ic * double(a.kh) * double(a.kw) +
                    double(a.n) * double(a.oc) * double(a.oh) * double(a.ow);
  return {2.0 * double(a.n) * double(a.oc) * group_ic * taps, elements * (dtype == F64 ? 8 : 4)};
}

}  // namespace loopnest
