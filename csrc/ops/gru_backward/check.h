// From arrays to the struct GruBackward.
#pragma once
#include "../../array.h"
#include "../../error.h"
#include "../../registry.h"
#include "gru_backward.h"

namespace loopnest {

// What the forward pass was given and has kept; see gru_backward.h. h0, lengths, dy, dhn may be null. Fills in
// everything but the gradients, which the caller sets (null for those that are not wanted; they must be dense, dx in
// its last axis).
bool gru_backward_check(GruBackward& a, const Array& x, const Array& w_ih, const Array& w_hh, const Array* h0,
                        const Array* lengths, const Array& y, const Array& gates, const Array* dy, const Array* dhn,
                        bool before, bool at_end, Error& error);

Work gru_backward_work(const GruBackward& a, Dtype dtype);

}  // namespace loopnest
