// From arrays to the struct Lstm.
#pragma once
#include "../../array.h"
#include "../../error.h"
#include "../../registry.h"
#include "lstm.h"

namespace loopnest {

// x (T, N, I) in the order of the steps, w_ih (4H, I), w_hh (4H, H), biases (4H) both or none, h0 and c0 (N, H) both or
// none, lengths (N) int64 or none. Fills in everything but the results. Weights, biases and states must be dense, x in
// its last axis. at_end: the valid steps are the last ones, because x is seen backwards.
bool lstm_check(Lstm& a, const Array& x, const Array& w_ih, const Array& w_hh, const Array* b_ih, const Array* b_hh,
                const Array* h0, const Array* c0, const Array* lengths, bool at_end, Error& error);

Work lstm_work(const Lstm& a, Dtype dtype);

}  // namespace loopnest
