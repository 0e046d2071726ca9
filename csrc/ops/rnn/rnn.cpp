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
  if (!check_float(op, "input", x, e) || !check_rank(op, "input", x, 3, "(T, N, input_size)", e) ||
      !check_rank(op, "weight_hh", w_hh, 2, "(hidden_size, hidden_size)", e))
    return false;
  a = Rnn{};
  a.t = x.shape[0], a.n = x.shape[1], a.i = x.shape[2], a.h = w_hh.shape[1];
  if (!check_at_least(op, "steps of input", a.t, 1, e) || !check_at_least(op, "input_size", a.i, 1, e) ||
      !check_at_least(op, "hidden_size", a.h, 1, e))
    return false;
  int64_t input[3] = {a.t, a.n, a.i}, ih[2] = {a.h, a.i}, hh[2] = {a.h, a.h}, bias[1] = {a.h}, state[2] = {a.n, a.h};
  int d = x.dtype;
  if (!read_axes(op, "input", &x, d, 3, input, 2, a.x, e) ||
      !read_axes(op, "weight_ih", &w_ih, d, 2, ih, 0, a.w_ih, e) ||
      !read_axes(op, "weight_hh", &w_hh, d, 2, hh, 0, a.w_hh, e) ||
      !check_both(op, "bias_ih and bias_hh", b_ih, b_hh, e) ||
      !read_axes(op, "bias_ih", b_ih, d, 1, bias, 0, a.b_ih, e) ||
      !read_axes(op, "bias_hh", b_hh, d, 1, bias, 0, a.b_hh, e) || !read_axes(op, "h_0", h0, d, 2, state, 0, a.h0, e) ||
      !read_lengths(op, lengths, a.n, a.t, a.lengths, e))
    return false;
  a.x_t = x.stride[0], a.x_n = x.stride[1];
  a.relu = relu, a.at_end = at_end;
  int64_t y[3] = {a.t, a.n, a.h};
  return check_size(op, "an output", y, 3, e);
}

Work rnn_work(const Rnn& a, Dtype dtype) {
  double t = double(a.t), n = double(a.n), i = double(a.i), h = double(a.h);
  return {2 * t * n * h * (i + h), (t * n * (i + h) + h * (i + h) + 2 * n * h) * (dtype == F64 ? 8 : 4),
          meetings(t, n)};
}

}  // namespace loopnest
