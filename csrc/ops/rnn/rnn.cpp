// The checks of rnn, and its work.
#include "rnn.h"

#include "../../check_sequence.h"
#include "check.h"

namespace loopnest {
namespace {

const char* const op = "rnn";

}  // namespace

bool rnn_check(Rnn& a, const Array& x, const Array& w_ih, const Array& w_hh, const Array* b_ih, const Array* b_hh,
               const Array* h0, const Array* lengths, bool relu, bool at_end, Error& e) {
  if (!read_layer(op, 1, a, x, w_ih, w_hh, h0, lengths, at_end, e)) return false;
  a.relu = relu;
  return read_biases(op, 1, a, x.dtype, b_ih, b_hh, e);
}

Work rnn_work(const Rnn& a, Dtype dtype) {
  double t = double(a.t), n = double(a.n), i = double(a.i), h = double(a.h);
  return {2 * t * n * h * (i + h), (t * n * (i + h) + h * (i + h) + 2 * n * h) * (dtype == F64 ? 8 : 4),
          meetings(t, n)};
}

}  // namespace loopnest
