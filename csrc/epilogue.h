// The check of an epilogue (abi.h, simd/epilogue.h), for every operator that has one.
#pragma once
#include "array.h"
#include "error.h"

namespace loopnest {

// y = activation(sums + add): `activation` by name or null, `add` null or an array of y's shape, dtype and strides.
// `y` is the output as it lies in memory. Fills in the two members of the operator's struct.
bool check_epilogue(const char* op, const char* activation, const Array* add, const Array& y, int64_t& code,
                    const void*& add_data, Error& error);

}  // namespace loopnest
