// How much rounding the chooser may trade for speed: a setting of the process, written into an operator's struct by its
// check. A rung asked for by name runs whatever the setting.
#pragma once
#include "abi.h"
#include "error.h"

namespace loopnest {

int64_t get_precision();  // a Precision (abi.h)
const char* precision_name(int64_t precision);
bool set_precision(const char* name, Error& error);

}  // namespace loopnest
