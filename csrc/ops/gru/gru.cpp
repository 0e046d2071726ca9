// The checks of gru, and its work.
#include "gru.h"

#include "../../check_sequence.h"
#include "check.h"

namespace loopnest {
namespace {

const char* const op = "gru";

}  // namespace

bool gru_check(Gru& a, const Array& x, const Array& w_ih, const Array& w_hh, const Array* b_ih, const Array* b_hh,
               const Array* h0, const Array* lengths, bool before, bool at_end, Error& e) {
  if (!read_layer(op, 3, a, x, w_ih, w_hh, h0, lengths, at_end, e)) return false;
  a.before = before;
  return read_biases(op, 3, a, x.dtype, b_ih, b_hh, e);
}

Work gru_work(const Gru& a, Dtype dtype) {
  double t = double(a.t), n = double(a.n), i = double(a.i), h = double(a.h);
  return {2 * t * n * 3 * h * (i + h), (t * n * (i + h) + 3 * h * (i + h) + 2 * n * h) * (dtype == F64 ? 8 : 4),
          meetings(t, n)};
}

}  // namespace loopnest
