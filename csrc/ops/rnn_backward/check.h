// From arrays to the struct RnnBackward.
#pragma once
#include "../../array.h"
#include "../../error.h"
#include "../../registry.h"
#include "rnn_backward.h"

namespace loopnest {

// What the forward pass was given and has kept; see rnn_backward.h. h0, lengths, dy, dhn may be null. Fills in
// everything but the gradients, which the caller sets (null for those that are not wanted; they must be dense, dx in
// its last axis).
bool rnn_backward_check(RnnBackward& a, const Array& x, const Array& w_ih, const Array& w_hh, const Array* h0,
                        const Array* lengths, const Array& y, const Array* dy, const Array* dhn, bool relu, bool at_end,
                        Error& error);

Work rnn_backward_work(const RnnBackward& a, Dtype dtype);

}  // namespace loopnest
