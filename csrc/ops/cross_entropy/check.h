// From arrays to the struct CrossEntropy.
#pragma once
#include "../../array.h"
#include "../../error.h"
#include "../../registry.h"
#include "cross_entropy.h"

namespace loopnest {

// logits (N, C, S), target (N, S): the caller has collapsed the axes behind C. weight (C) may be null. Every target is
// checked to be a class or ignore_index. Fills in everything but the results.
bool cross_entropy_check(CrossEntropy& a, const Array& logits, const Array& target, const Array* weight,
                         int64_t ignore_index, double label_smoothing, Error& error);

Work cross_entropy_work(const CrossEntropy& a, Dtype dtype);
inline Work cross_entropy_backward_work(const CrossEntropy& a, Dtype dtype) { return cross_entropy_work(a, dtype); }

}  // namespace loopnest
