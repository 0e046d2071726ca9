// The contracts of all operators, for the baseline side (registry, bindings).
#pragma once
#include "ops/conv2d/check.h"
#include "ops/gemm/check.h"
