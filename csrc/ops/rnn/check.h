// From arrays to the struct Rnn.
#pragma once
#include "../../array.h"
#include "../../error.h"
#include "../../registry.h"
#include "rnn.h"

namespace loopnest {

// x (T, N, I) in the order of the steps, w_ih (H, I), w_hh (H, H), biases (H) both or none, h0 (N, H) or none, lengths
// (N) int64 or none. Fills in everything but the results. Weights, biases and h0 must be dense, x in its last axis.
// at_end: the valid steps are the last ones, because x is seen backwards.
bool rnn_check(Rnn& a, const Array& x, const Array& w_ih, const Array& w_hh, const Array* b_ih, const Array* b_hh,
               const Array* h0, const Array* lengths, bool relu, bool at_end, Error& error);

Work rnn_work(const Rnn& a, Dtype dtype);

}  // namespace loopnest
