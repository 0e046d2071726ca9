// The checks of lstm_backward, and its work.
#include "lstm_backward.h"

#include "../../check_sequence.h"
#include "check.h"

namespace loopnest {
namespace {

const char* const op = "lstm_backward";

}  // namespace

bool lstm_backward_check(LstmBackward& a, const Array& x, const Array& w_ih, const Array& w_hh, const Array* h0,
                         const Array* c0, const Array* lengths, const Array& y, const Array& gates, const Array& cells,
                         const Array* dy, const Array* dhn, const Array* dcn, bool at_end, Error& e) {
  if (!read_layer(op, 4, a, x, w_ih, w_hh, h0, lengths, at_end, e)) return false;
  int64_t state[2] = {a.n, a.h}, kept[3] = {a.t, a.n, a.h};
  a.cells_t = cells.stride[0];
  return read_axes(op, "c_0", c0, x.dtype, 2, state, 0, a.c0, e) && read_output(op, a, x.dtype, y, dy, dhn, e) &&
         read_gates(op, a, x.dtype, gates, e) && read_axes(op, "cells", &cells, x.dtype, 3, kept, 1, a.cells, e) &&
         read_axes(op, "grad_c_n", dcn, x.dtype, 2, state, 0, a.dcn, e);
}

// Four products: dw_ih and dw_hh, dx (if wanted), and the way of dh through w_hh.
Work lstm_backward_work(const LstmBackward& a, Dtype dtype) {
  double t = double(a.t), n = double(a.n), i = double(a.i), h = double(a.h);
  double products = 2 * t * n * 4 * h * (i + h) + 2 * t * n * 4 * h * ((a.dx ? i : 0) + h);
  double elements = t * n * (2 * i + 7 * h) + 8 * h * (i + h) + 6 * n * h;
  return {products, elements * (dtype == F64 ? 8 : 4), meetings(t, n)};
}

}  // namespace loopnest
