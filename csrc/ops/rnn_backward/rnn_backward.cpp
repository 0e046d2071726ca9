// The checks of rnn_backward, and its work.
#include "rnn_backward.h"

#include "../../check_sequence.h"
#include "check.h"

namespace loopnest {
namespace {

const char* const op = "rnn_backward";

}  // namespace

bool rnn_backward_check(RnnBackward& a, const Array& x, const Array& w_ih, const Array& w_hh, const Array* h0,
                        const Array* lengths, const Array& y, const Array* dy, const Array* dhn, bool relu, bool at_end,
                        Error& e) {
  if (!read_layer(op, 1, a, x, w_ih, w_hh, h0, lengths, at_end, e)) return false;
  a.relu = relu;
  return read_output(op, a, x.dtype, y, dy, dhn, e);
}

// Four products: dw_ih and dw_hh, dx (if wanted), and the way of dh through w_hh.
Work rnn_backward_work(const RnnBackward& a, Dtype dtype) {
  double t = double(a.t), n = double(a.n), i = double(a.i), h = double(a.h);
  double products = 2 * t * n * h * (i + h) + 2 * t * n * h * ((a.dx ? i : 0) + h);
  double elements = t * n * (2 * i + 2 * h) + 2 * h * (i + h) + 3 * n * h;
  return {products, elements * (dtype == F64 ? 8 : 4), meetings(t, n)};
}

}  // namespace loopnest
