// From arrays to the struct Reduce.
#pragma once
#include "../../array.h"
#include "../../error.h"
#include "../../registry.h"
#include "reduce.h"

namespace loopnest {

// y has x's axes; those where it has length 1 are reduced.
bool reduce_check(Reduce& a, int64_t function, double divisor, const Array& x, const Array& y, Error& error);

Work reduce_work(const Reduce& a, Dtype dtype);

}  // namespace loopnest
