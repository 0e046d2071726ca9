// The checks of gru_backward, and its work.
#include "gru_backward.h"

#include "../../check_sequence.h"
#include "check.h"

namespace loopnest {
namespace {

const char* const op = "gru_backward";

}  // namespace

bool gru_backward_check(GruBackward& a, const Array& x, const Array& w_ih, const Array& w_hh, const Array* h0,
                        const Array* lengths, const Array& y, const Array& gates, const Array* dy, const Array* dhn,
                        bool before, bool at_end, Error& e) {
  if (!read_layer(op, 3, a, x, w_ih, w_hh, h0, lengths, at_end, e)) return false;
  a.before = before;
  return read_output(op, a, x.dtype, y, dy, dhn, e) && read_gates(op, a, x.dtype, gates, e);
}

// Four products: dw_ih and dw_hh, dx (if wanted), and the way of dh through w_hh.
Work gru_backward_work(const GruBackward& a, Dtype dtype) {
  double t = double(a.t), n = double(a.n), i = double(a.i), h = double(a.h);
  double products = 2 * t * n * 3 * h * (i + h) + 2 * t * n * 3 * h * ((a.dx ? i : 0) + h);
  double elements = t * n * (2 * i + 6 * h) + 6 * h * (i + h) + 3 * n * h;
  return {products, elements * (dtype == F64 ? 8 : 4), meetings(t, n)};
}

}  // namespace loopnest
