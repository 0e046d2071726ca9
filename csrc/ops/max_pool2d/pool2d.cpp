// The checks of the pools, and their work.
#include "pool2d.h"

#include "../../check.h"
#include "check.h"

namespace loopnest {
namespace {

bool check_options(const char* op, const Pool2dOptions& o, Error& e) {
  for (int i = 0; i < 2; i++) {
    if (!check_at_least(op, "kernel_size", o.kernel_size[i], 1, e) ||
        !check_at_least(op, "stride", o.stride[i], 1, e) || !check_at_least(op, "padding", o.padding[i], 0, e) ||
        !check_at_least(op, "dilation", o.dilation[i], 1, e))
      return false;
    if (o.padding[i] > o.kernel_size[i] / 2)
      return fail(e, Error::Value,
                  "%s: expected padding of at most half the kernel_size, got %lld for a kernel of %lld", op,
                  (long long)o.padding[i], (long long)o.kernel_size[i]);
  }
  return true;
}

}  // namespace

bool pool2d_check(const char* op, Pool2d& a, const int64_t x[4], const Pool2dOptions& o, int64_t y_shape[4], Error& e) {
  if (!check_options(op, o, e)) return false;
  for (int i = 0; i < 4; i++)
    if (!check_at_least(op, "every axis of the input's shape", x[i], i < 1 ? 0 : 1, e)) return false;
  a = Pool2d{};
  a.n = x[0], a.c = x[1], a.ih = x[2], a.iw = x[3];
  a.kernel_h = o.kernel_size[0], a.kernel_w = o.kernel_size[1];
  a.stride_h = o.stride[0], a.stride_w = o.stride[1];
  a.pad_h = o.padding[0], a.pad_w = o.padding[1];
  a.dilation_h = a.kernel_h == 1 ? 1 : o.dilation[0], a.dilation_w = a.kernel_w == 1 ? 1 : o.dilation[1];
  a.count_include_pad = o.count_include_pad;
  a.divisor_override = o.divisor_override;
  if (!window_output(op, "height", a.ih, a.kernel_h, o.stride[0], a.pad_h, a.pad_h, a.dilation_h, o.ceil_mode, a.oh,
                     e) ||
      !window_output(op, "width", a.iw, a.kernel_w, o.stride[1], a.pad_w, a.pad_w, a.dilation_w, o.ceil_mode, a.ow, e))
    return false;
  if (a.oh == 1) a.stride_h = 1;  // may be as large as 2**62, and kernels multiply by it
  if (a.ow == 1) a.stride_w = 1;
  y_shape[0] = a.n, y_shape[1] = a.c, y_shape[2] = a.oh, y_shape[3] = a.ow;
  return check_size(op, "an output", y_shape, 4, e);
}

bool pool2d_place_x(const char* op, Pool2d& a, const Array& x, Error& e) {
  int64_t shape[4] = {a.n, a.c, a.ih, a.iw};
  if (!check_float(op, "input", x, e) || !check_shape(op, "input", x, 4, shape, e)) return false;
  a.x = x.data;
  a.x_n = x.stride[0], a.x_c = x.stride[1], a.x_h = x.stride[2], a.x_w = x.stride[3];
  return true;
}

bool pool2d_place_y(const char* op, Pool2d& a, const Array& y, Error& e) {
  int64_t shape[4] = {a.n, a.c, a.oh, a.ow};
  if (!check_float(op, "grad_output", y, e) || !check_shape(op, "grad_output", y, 4, shape, e)) return false;
  a.y = y.data;
  a.y_n = y.stride[0], a.y_c = y.stride[1], a.y_h = y.stride[2], a.y_w = y.stride[3];
  return true;
}

bool pool2d_place_indices(const char* op, Pool2d& a, const Array& indices, Error& e) {
  int64_t shape[4] = {a.n, a.c, a.oh, a.ow};
  if (!check_dtype(op, "indices", indices, "expected", I64, e) || !check_shape(op, "indices", indices, 4, shape, e))
    return false;
  a.indices = static_cast<int64_t*>(indices.data);
  a.indices_n = indices.stride[0], a.indices_c = indices.stride[1];
  a.indices_h = indices.stride[2], a.indices_w = indices.stride[3];
  return true;
}

bool pool2d_place_taps(const char* op, Pool2d& a, uint8_t* taps, Error& e) {
  if (a.kernel_h * a.kernel_w >= no_tap)
    return fail(e, Error::Value, "%s: expected a window of fewer than %lld elements for taps, got %lld x %lld", op,
                (long long)no_tap, (long long)a.kernel_h, (long long)a.kernel_w);
  a.taps = taps;
  a.indices_c = 1, a.indices_w = a.c, a.indices_h = a.ow * a.c, a.indices_n = a.oh * a.ow * a.c;
  return true;
}

Work pool2d_work(const Pool2d& a, Dtype dtype) {
  double planes = double(a.n) * double(a.c);
  double x = planes * double(a.ih) * double(a.iw), y = planes * double(a.oh) * double(a.ow);
  double bytes = (x + y) * (dtype == F64 ? 8 : 4) + (a.indices ? y * 8 : a.taps ? y : 0);
  return {y * double(a.kernel_h) * double(a.kernel_w), bytes};
}

}  // namespace loopnest
