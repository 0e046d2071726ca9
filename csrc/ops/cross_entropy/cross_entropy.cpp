// The checks of cross_entropy and its backward pass, and their work.
#include "cross_entropy.h"

#include "../../check.h"
#include "check.h"

namespace loopnest {
namespace {

const char* const op = "cross_entropy";

bool check_targets(const CrossEntropy& a, Error& e) {
  for (int64_t n = 0; n < a.n; n++)
    for (int64_t s = 0; s < a.s; s++) {
      int64_t t = a.target[n * a.target_n + s * a.target_s];
      if ((t < 0 || t >= a.c) && t != a.ignore_index)
        return fail(e, Error::Index,
                    "%s: target %lld at row %lld is not a class: expected 0 to %lld, or ignore_index = %lld", op,
                    (long long)t, (long long)(n * a.s + s), (long long)(a.c - 1), (long long)a.ignore_index);
    }
  return true;
}

}  // namespace

bool cross_entropy_check(CrossEntropy& a, const Array& logits, const Array& target, const Array* weight,
                         int64_t ignore_index, double label_smoothing, Error& e) {
  if (!check_float(op, "input", logits, e) || !check_dtype(op, "target", target, "expected", I64, e) ||
      !check_rank(op, "input", logits, 3, "(N, C, S)", e))
    return false;
  int64_t rows[2] = {logits.shape[0], logits.shape[2]};
  if (!check_shape(op, "target", target, 2, rows, e)) return false;
  if (!(label_smoothing >= 0 && label_smoothing <= 1))
    return fail(e, Error::Value, "%s: expected label_smoothing in [0, 1], got %g", op, label_smoothing);
  a = CrossEntropy{};
  a.n = logits.shape[0], a.c = logits.shape[1], a.s = logits.shape[2];
  if (weight) {
    if (!check_dtype(op, "weight", *weight, "input", logits.dtype, e) ||
        !check_shape(op, "weight", *weight, 1, &a.c, e))
      return false;
    if (weight->stride[0] != 1 && a.c > 1) return fail(e, Error::Value, "%s: expected a contiguous weight", op);
    a.weight = weight->data;
  }
  a.logits = logits.data;
  a.logits_n = logits.stride[0], a.logits_c = logits.stride[1], a.logits_s = logits.stride[2];
  a.target = static_cast<const int64_t*>(target.data);
  a.target_n = target.stride[0], a.target_s = target.stride[1];
  a.ignore_index = ignore_index;
  a.label_smoothing = label_smoothing;
  return check_targets(a, e);
}

Work cross_entropy_work(const CrossEntropy& a, Dtype dtype) {
  double elements = double(a.n) * double(a.c) * double(a.s);
  return {15 * elements, elements * (a.dlogits ? 2 : 1) * (dtype == F64 ? 8 : 4)};
}

}  // namespace loopnest
