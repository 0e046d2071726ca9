// The checks of the norms, and their work.
#include "norm.h"

#include "../../check.h"
#include "check.h"

namespace loopnest {
namespace {

bool check_channels(const char* op, const char* name, const Array* v, const Norm& a, int dtype, Error& e) {
  if (!v) return true;
  if (!check_dtype(op, name, *v, "input", dtype, e) || !check_shape(op, name, *v, 1, &a.c, e)) return false;
  if (v->stride[0] != 1 && a.c > 1) return fail(e, Error::Value, "%s: expected a contiguous %s", op, name);
  return true;
}

bool dense(const Array& a) {
  return (a.shape[1] <= 1 || a.stride[1] == 1) && (a.shape[0] <= 1 || a.stride[0] == a.shape[1]);
}

}  // namespace

bool norm_check(const char* op, Norm& a, const Array& x, const Array* weight, const Array* bias, const NormOptions& o,
                int64_t stats_shape[2], Error& e) {
  if (!check_float(op, "input", x, e) || !check_rank(op, "input", x, 3, "(N, S, C)", e)) return false;
  if (!(o.eps >= 0)) return fail(e, Error::Value, "%s: expected eps of at least 0, got %g", op, o.eps);
  a = Norm{};
  a.n = x.shape[0], a.s = x.shape[1], a.c = x.shape[2];
  if (!check_at_least(op, "num_groups", o.groups, 1, e)) return false;
  if (a.c % o.groups)
    return fail(e, Error::Value, "%s: expected num_groups that divides the channels, got %lld groups for %lld channels",
                op, (long long)o.groups, (long long)a.c);
  if (o.over_n && o.groups != a.c && a.c > 0)
    return fail(e, Error::Value, "%s: over a batch every channel is its own group, got %lld groups for %lld channels",
                op, (long long)o.groups, (long long)a.c);
  if (!check_channels(op, "weight", weight, a, x.dtype, e) || !check_channels(op, "bias", bias, a, x.dtype, e))
    return false;
  a.x = x.data;
  a.x_n = x.stride[0], a.x_s = x.stride[1], a.x_c = x.stride[2];
  a.weight = weight ? weight->data : nullptr;
  a.bias = bias ? bias->data : nullptr;
  a.groups = o.groups, a.eps = o.eps, a.over_n = o.over_n, a.given = o.given, a.centre = o.centre;
  stats_shape[0] = o.over_n ? 1 : a.n, stats_shape[1] = a.groups;
  return true;
}

bool norm_place_y(const char* op, Norm& a, const Array& y, Error& e) {
  int64_t shape[3] = {a.n, a.s, a.c};
  if (!check_float(op, "grad_output", y, e) || !check_shape(op, "grad_output", y, 3, shape, e)) return false;
  a.y = y.data;
  a.y_n = y.stride[0], a.y_s = y.stride[1], a.y_c = y.stride[2];
  return true;
}

bool norm_place_dx(const char* op, Norm& a, const Array& dx, Error& e) {
  int64_t shape[3] = {a.n, a.s, a.c};
  if (!check_float(op, "the input's gradient", dx, e) || !check_shape(op, "the input's gradient", dx, 3, shape, e))
    return false;
  a.dx = dx.data;
  a.dx_n = dx.stride[0], a.dx_s = dx.stride[1], a.dx_c = dx.stride[2];
  return true;
}

bool norm_place_stats(const char* op, Norm& a, const Array& mean, const Array& var, Error& e) {
  int64_t shape[2] = {a.over_n ? 1 : a.n, a.groups};
  if (!check_dtype(op, "var", var, "mean", mean.dtype, e) || !check_shape(op, "mean", mean, 2, shape, e) ||
      !check_shape(op, "var", var, 2, shape, e))
    return false;
  if (!dense(mean) || !dense(var)) return fail(e, Error::Value, "%s: expected contiguous mean and var", op);
  a.mean = mean.data;
  a.var = var.data;
  return true;
}

Work norm_work(const Norm& a, Dtype dtype) {
  double elements = double(a.n) * double(a.s) * double(a.c);
  return {elements * (a.given ? 3 : 7), elements * 2 * (dtype == F64 ? 8 : 4)};
}

Work norm_backward_work(const Norm& a, Dtype dtype) {
  double elements = double(a.n) * double(a.s) * double(a.c);
  return {elements * 11, elements * 3 * (dtype == F64 ? 8 : 4)};
}

}  // namespace loopnest
