// An array as both bindings hand it to the checks: where, what, how long, how far apart. Owns nothing.
#pragma once
#include <stdint.h>

#include "abi.h"

namespace loopnest {

constexpr int max_rank = 8;

struct Array {
  void* data = nullptr;
  int dtype = F32;  // Dtype, or I64 for indices
  int rank = 0;
  int64_t shape[max_rank] = {};
  int64_t stride[max_rank] = {};  // in elements, any sign
};

}  // namespace loopnest
