// The checks of softmax, and its work.
#include "softmax.h"

#include "../../check.h"
#include "check.h"

namespace loopnest {
namespace {

bool alike(const char* op, const char* name, const Array& b, const char* other, const Array& a, Error& e) {
  return check_dtype(op, name, b, other, a.dtype, e) && check_shape(op, name, b, 3, a.shape, e);
}

void place(const Array& a, int64_t& o, int64_t& d, int64_t& i) { o = a.stride[0], d = a.stride[1], i = a.stride[2]; }

}  // namespace

bool softmax_check(Softmax& a, const Array& x, const Array& y, bool log, Error& e) {
  const char* op = "softmax";
  if (!check_float(op, "input", x, e) || !check_rank(op, "input", x, 3, "(outer, d, inner)", e) ||
      !alike(op, "result", y, "input", x, e))
    return false;
  a = Softmax{};
  a.x = x.data, a.y = y.data, a.log = log;
  a.o = x.shape[0], a.d = x.shape[1], a.i = x.shape[2];
  place(x, a.x_o, a.x_d, a.x_i);
  place(y, a.y_o, a.y_d, a.y_i);
  return true;
}

bool softmax_backward_check(Softmax& a, const Array& y, const Array& dy, const Array& dx, bool log, Error& e) {
  const char* op = "softmax_backward";
  if (!check_float(op, "output", y, e) || !check_rank(op, "output", y, 3, "(outer, d, inner)", e) ||
      !alike(op, "grad_output", dy, "output", y, e) || !alike(op, "result", dx, "output", y, e))
    return false;
  a = Softmax{};
  a.y = y.data, a.dy = dy.data, a.dx = dx.data, a.log = log;
  a.o = y.shape[0], a.d = y.shape[1], a.i = y.shape[2];
  place(y, a.y_o, a.y_d, a.y_i);
  place(dy, a.dy_o, a.dy_d, a.dy_i);
  place(dx, a.dx_o, a.dx_d, a.dx_i);
  return true;
}

Work softmax_work(const Softmax& a, Dtype dtype) {
  double elements = double(a.o) * double(a.d) * double(a.i);
  return {13 * elements, 2 * elements * (dtype == F64 ? 8 : 4)};
}

Work softmax_backward_work(const Softmax& a, Dtype dtype) {
  double elements = double(a.o) * double(a.d) * double(a.i);
  return {(a.log ? 13 : 4) * elements, 3 * elements * (dtype == F64 ? 8 : 4)};
}

}  // namespace loopnest
