// The checks of the optimisers' steps, and their work.
#include "update.h"

#include "../../check.h"
#include "check.h"

namespace loopnest {
namespace {

bool dense(const char* op, const char* name, const Array& a, Error& e) {
  int64_t step = 1;
  for (int i = a.rank - 1; i >= 0; i--) {
    if (a.shape[i] != 1 && a.stride[i] != step)
      return fail(e, Error::Value, "%s: expected %s without gaps, in C order", op, name);
    step *= a.shape[i];
  }
  return true;
}

}  // namespace

bool update_check(const char* op, Update& a, const Array& p, const Array& grad, const Array* const states[3],
                  Error& e) {
  static const char* names[] = {"the first state", "the second state", "the third state"};
  if (!check_float(op, "param", p, e) || !dense(op, "param", p, e)) return false;
  if (!check_dtype(op, "grad", grad, "param", p.dtype, e) || !check_shape(op, "grad", grad, p.rank, p.shape, e) ||
      !dense(op, "grad", grad, e))
    return false;
  for (int k = 0; k < 3; k++)
    if (states[k] &&
        (!check_dtype(op, names[k], *states[k], "param", p.dtype, e) ||
         !check_shape(op, names[k], *states[k], p.rank, p.shape, e) || !dense(op, names[k], *states[k], e)))
      return false;
  a = Update{};
  a.p = p.data;
  a.grad = grad.data;
  a.s0 = states[0] ? states[0]->data : nullptr;
  a.s1 = states[1] ? states[1]->data : nullptr;
  a.s2 = states[2] ? states[2]->data : nullptr;
  a.n = 1;
  for (int i = 0; i < p.rank; i++) a.n *= p.shape[i];
  return true;
}

Work update_work(const Update& a, Dtype dtype, double flops_each) {
  double count = 0, moved = 0;
  for (int64_t k = 0; k < (a.parts ? a.count : 1); k++) {
    UpdatePart part = a.parts ? a.parts[k] : UpdatePart{a.p, a.grad, a.s0, a.s1, a.s2, a.n};
    count += double(part.n);
    moved += double(part.n) * (3 + 2 * (part.s0 != nullptr) + 2 * (part.s1 != nullptr) + 2 * (part.s2 != nullptr));
  }
  return {count * flops_each, moved * (dtype == F64 ? 8 : 4)};
}

}  // namespace loopnest
