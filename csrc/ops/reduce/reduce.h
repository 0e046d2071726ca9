// reduce: sums, means, maxima and minima over any axes.
//
//     y[k] = f over all r of x[k, r]
//
//     sum   y = (x + x + ...) / divisor; 1 for a sum, how many there are for a mean; the sum of nothing is 0
//     amax  the largest; amin  the smallest. NaN wins. Of nothing: -inf and +inf
//
// Eight axes in any order, unused ones have length 1. Strides are in elements, any sign. Kernels are fast where the
// last axis is dense in x, so the caller puts the axis with the smallest stride last and merges axes that continue each
// other: `reduce_check` does both.
#pragma once
#include "../../abi.h"

namespace loopnest {

constexpr int reduce_rank = 8;

namespace reduce_function {
enum : int64_t { sum, amax, amin, count };
}

struct Reduce {
  Workspace workspace;
  const void* x;
  void* y;
  int64_t shape[reduce_rank];
  int64_t x_stride[reduce_rank];
  int64_t y_stride[reduce_rank];  // of kept axes
  int64_t reduced[reduce_rank];   // 1, or 0 for an axis that y keeps
  int64_t function;
  double divisor;
};

}  // namespace loopnest
