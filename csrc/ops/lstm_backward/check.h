// From arrays to the struct LstmBackward.
#pragma once
#include "../../array.h"
#include "../../error.h"
#include "../../registry.h"
#include "lstm_backward.h"

namespace loopnest {

// What the forward pass was given and has kept; see lstm_backward.h. h0, c0, lengths, dy, dhn, dcn may be null. Fills
// in everything but the gradients, which the caller sets (null for those that are not wanted; they must be dense, dx in
// its last axis).
bool lstm_backward_check(LstmBackward& a, const Array& x, const Array& w_ih, const Array& w_hh, const Array* h0,
                         const Array* c0, const Array* lengths, const Array& y, const Array& gates, const Array& cells,
                         const Array* dy, const Array* dhn, const Array* dcn, bool at_end, Error& error);

Work lstm_backward_work(const LstmBackward& a, Dtype dtype);

}  // namespace loopnest
