// The checks of gemm and linear, and their work.
#include "gemm.h"

#include "../../check.h"
#include "check.h"

namespace loopnest {
namespace {

bool place(const char* op, Gemm& g, const Array& a, const Array* bias, Error& e) {
  g.a = a.data;
  g.a_m = a.stride[0], g.a_k = a.stride[1];
  if (bias) {
    if (!check_dtype(op, "bias", *bias, "input", a.dtype, e) || !check_shape(op, "bias", *bias, 1, &g.n, e))
      return false;
    g.bias = bias->data;
  }
  int64_t c_shape[2] = {g.m, g.n};
  return check_size(op, "an output", c_shape, 2, e);
}

}  // namespace

bool gemm_check(Gemm& g, const Array& a, const Array& b, const Array* bias, Error& e) {
  const char* op = "gemm";
  if (!check_float(op, "input", a, e) || !check_dtype(op, "other", b, "input", a.dtype, e) ||
      !check_rank(op, "input", a, 2, "(M, K)", e) || !check_rank(op, "other", b, 2, "(K, N)", e))
    return false;
  if (a.shape[1] != b.shape[0])
    return fail(e, Error::Value, "%s: input has %lld columns, other has %lld rows (input %s, other %s)", op,
                (long long)a.shape[1], (long long)b.shape[0], shape_text(a).c_str(), shape_text(b).c_str());
  g = Gemm{};
  g.m = a.shape[0], g.k = a.shape[1], g.n = b.shape[1];
  g.b = b.data;
  g.b_k = b.stride[0], g.b_n = b.stride[1];
  return place(op, g, a, bias, e);
}

bool linear_check(Gemm& g, const Array& x, const Array& w, const Array* bias, Error& e) {
  const char* op = "linear";
  if (!check_float(op, "input", x, e) || !check_dtype(op, "weight", w, "input", x.dtype, e) ||
      !check_rank(op, "input", x, 2, "(rows, in_features)", e) ||
      !check_rank(op, "weight", w, 2, "(out_features, in_features)", e))
    return false;
  if (x.shape[1] != w.shape[1])
    return fail(e, Error::Value, "%s: input has %lld features, weight has %lld (input %s, weight %s)", op,
                (long long)x.shape[1], (long long)w.shape[1], shape_text(x).c_str(), shape_text(w).c_str());
  g = Gemm{};
  g.m = x.shape[0], g.k = x.shape[1], g.n = w.shape[0];
  g.b = w.data;
  g.b_k = w.stride[1], g.b_n = w.stride[0];
  return place(op, g, x, bias, e);
}

Work gemm_work(const Gemm& g, Dtype dtype) {
  double m = double(g.m), n = double(g.n), k = double(g.k);
  return {2 * m * n * k, (m * k + k * n + m * n) * (dtype == F64 ? 8 : 4)};
}

}  // namespace loopnest
