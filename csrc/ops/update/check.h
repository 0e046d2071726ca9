// From arrays to the struct Update, for one part; the engine fills in `parts` itself.
#pragma once
#include "../../array.h"
#include "../../error.h"
#include "../../registry.h"
#include "update.h"

namespace loopnest {

// p, grad, s0, s1, s2 (null where the formula has none): one shape, one float dtype, dense. Leaves the numbers (lr ...)
// at 0.
bool update_check(const char* op, Update& a, const Array& p, const Array& grad, const Array* const states[3],
                  Error& error);

Work update_work(const Update& a, Dtype dtype, double flops_each);

// Operations per number by the formula; a square root and a division are counted as 1 each.
inline Work sgd_step_work(const Update& a, Dtype d) { return update_work(a, d, 6); }
inline Work adam_step_work(const Update& a, Dtype d) { return update_work(a, d, 14); }
inline Work rmsprop_step_work(const Update& a, Dtype d) { return update_work(a, d, 12); }
inline Work adagrad_step_work(const Update& a, Dtype d) { return update_work(a, d, 8); }
inline Work adadelta_step_work(const Update& a, Dtype d) { return update_work(a, d, 15); }

}  // namespace loopnest
