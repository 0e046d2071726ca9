// From arrays to the struct Lstm.
#pragma once
#include "../../array.h"
#include "../../error.h"
#include "../../registry.h"
#include "lstm.h"

namespace loopnest {

// x (T, N, I), w_ih (4H, I), w_hh (4H, H), biases (4H) both or none, h0 and c0 (N, H) both or none. Fills in everything
// but the results. Weights, biases and states must be dense, x must be dense in its last axis; time may run backwards.
bool lstm_check(Lstm& a, const Array& x, const Array& w_ih, const Array& w_hh, const Array* b_ih, const Array* b_hh,
                const Array* h0, const Array* c0, Error& error);

// Then, if the sequences have different lengths [n]. Where the valid steps are (at_end), the caller knows.
bool lstm_lengths_check(Lstm& a, const Array& lengths, Error& error);

Work lstm_work(const Lstm& a, Dtype dtype);

}  // namespace loopnest
