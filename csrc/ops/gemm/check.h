// From arrays to the struct Gemm.
#pragma once
#include "../../array.h"
#include "../../error.h"
#include "../../registry.h"
#include "gemm.h"

namespace loopnest {

// c = a * b + bias: fills in everything but c and its strides. bias may be null.
bool gemm_check(Gemm& g, const Array& a, const Array& b, const Array* bias, Error& error);

// y = x * w^T + bias with x of any rank (..., in), seen as (rows, in): the caller has collapsed it to 2 axes.
bool linear_check(Gemm& g, const Array& x, const Array& w, const Array* bias, Error& error);

Work gemm_work(const Gemm& g, Dtype dtype);

}  // namespace loopnest
