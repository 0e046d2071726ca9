// From arrays to the struct Resample.
#pragma once
#include "../../array.h"
#include "../../error.h"
#include "../../registry.h"
#include "resample.h"

namespace loopnest {

// The tables of one axis.
struct Taps {
  Array begin, index, weight;
};

// x and y are [n, c, d, h, w]; taps are those of d, h and w. `op` names the caller in errors.
bool resample_check(const char* op, Resample& a, const Array& x, const Array& y, const Taps taps[3], double fill,
                    Error& error);

Work resample_work(const Resample& a, Dtype dtype);

}  // namespace loopnest
