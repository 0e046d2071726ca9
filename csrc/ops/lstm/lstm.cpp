// The checks of lstm, and its work.
#include "lstm.h"

#include "../../check_sequence.h"
#include "check.h"

namespace loopnest {
namespace {

const char* const op = "lstm";

}  // namespace

bool lstm_check(Lstm& a, const Array& x, const Array& w_ih, const Array& w_hh, const Array* b_ih, const Array* b_hh,
                const Array* h0, const Array* c0, const Array* lengths, bool at_end, Error& e) {
  if (!read_layer(op, 4, a, x, w_ih, w_hh, h0, lengths, at_end, e)) return false;
  int64_t state[2] = {a.n, a.h};
  return check_both(op, "h_0 and c_0", h0, c0, e) && read_axes(op, "c_0", c0, x.dtype, 2, state, 0, a.c0, e) &&
         read_biases(op, 4, a, x.dtype, b_ih, b_hh, e);
}

Work lstm_work(const Lstm& a, Dtype dtype) {
  double t = double(a.t), n = double(a.n), i = double(a.i), h = double(a.h);
  double products = 2 * t * n * 4 * h * (i + h);
  double elements = t * n * (i + h) + 4 * h * (i + h) + 4 * n * h;
  return {products, elements * (dtype == F64 ? 8 : 4), meetings(t, n)};
}

}  // namespace loopnest
