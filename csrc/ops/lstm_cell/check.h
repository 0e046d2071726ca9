// From arrays to the struct LstmCell.
#pragma once
#include "../../array.h"
#include "../../error.h"
#include "../../registry.h"
#include "lstm_cell.h"

namespace loopnest {

// sums, more (M, 4 * H); c0, c, y (M, H); gates (M, 4 * H). more, c0 and gates may be null. All rows dense.
bool lstm_cell_check(LstmCell& a, const Array& sums, const Array* more, const Array* c0, const Array* gates,
                     const Array& c, const Array& y, Error& error);

// gates (M, 4 * H), c0, c, dy, dc (M, H); dsums (M, 4 * H), dc0 (M, H). c0, dy, dc and dc0 may be null.
bool lstm_cell_backward_check(LstmCell& a, const Array& gates, const Array* c0, const Array& c, const Array* dy,
                              const Array* dc, const Array& dsums, const Array* dc0, Error& error);

// The formula's operations, an exponential counted as 10; memory that is read and written.
Work lstm_cell_work(const LstmCell& a, Dtype dtype);
Work lstm_cell_backward_work(const LstmCell& a, Dtype dtype);

}  // namespace loopnest
