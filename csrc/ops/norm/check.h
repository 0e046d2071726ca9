// From arrays to the struct Norm, for norm and norm_backward.
#pragma once
#include "../../array.h"
#include "../../error.h"
#include "../../registry.h"
#include "norm.h"

namespace loopnest {

struct NormOptions {
  int64_t groups = 1;
  double eps = 1e-5;
  bool over_n = false;
  bool given = false;
  bool centre = true;
};

// x is [n, s, c]. Sizes, x, weight and bias (may be null) are put in place; the shape of mean and var goes to
// `stats_shape`, and the caller puts in mean, var, and y by norm_place_y. `op` names the operator in errors.
bool norm_check(const char* op, Norm& a, const Array& x, const Array* weight, const Array* bias,
                const NormOptions& options, int64_t stats_shape[2], Error& error);

// Checks and places what goes with it: y (or dL/dy), and mean and var, which the forward pass writes or reads.
bool norm_place_y(const char* op, Norm& a, const Array& y, Error& error);
bool norm_place_stats(const char* op, Norm& a, const Array& mean, const Array& var, Error& error);
bool norm_place_dx(const char* op, Norm& a, const Array& dx, Error& error);

Work norm_work(const Norm& a, Dtype dtype);
Work norm_backward_work(const Norm& a, Dtype dtype);

}  // namespace loopnest
