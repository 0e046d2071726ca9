// From arrays to the struct Softmax.
#pragma once
#include "../../array.h"
#include "../../error.h"
#include "../../registry.h"
#include "softmax.h"

namespace loopnest {

// Arrays of 3 axes (outer, d, inner), all of one shape and dtype.
bool softmax_check(Softmax& a, const Array& x, const Array& y, bool log, Error& error);
bool softmax_backward_check(Softmax& a, const Array& y, const Array& dy, const Array& dx, bool log, Error& error);

Work softmax_work(const Softmax& a, Dtype dtype);
Work softmax_backward_work(const Softmax& a, Dtype dtype);

}  // namespace loopnest
