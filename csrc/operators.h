// The contracts and checks of all operators, for the baseline side (registry, bindings).
#pragma once
#include "ops/conv2d/check.h"
#include "ops/cross_entropy/check.h"
#include "ops/embedding/check.h"
#include "ops/gemm/check.h"
#include "ops/gru/check.h"
#include "ops/gru_backward/check.h"
#include "ops/lstm/check.h"
#include "ops/lstm_backward/check.h"
#include "ops/map/check.h"
#include "ops/max_pool2d/check.h"
#include "ops/rnn/check.h"
#include "ops/rnn_backward/check.h"
