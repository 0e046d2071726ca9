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
  if (!check_float(op, "input", x, e) || !check_rank(op, "input", x, 3, "(T, N, input_size)", e) ||
      !check_rank(op, "weight_hh", w_hh, 2, "(3 * hidden_size, hidden_size)", e))
    return false;
  a = GruBackward{};
  a.t = x.shape[0], a.n = x.shape[1], a.i = x.shape[2], a.h = w_hh.shape[1];
  if (!check_at_least(op, "steps of input", a.t, 1, e) || !check_at_least(op, "input_size", a.i, 1, e) ||
      !check_at_least(op, "hidden_size", a.h, 1, e))
    return false;
  int64_t x_shape[3] = {a.t, a.n, a.i}, y_shape[3] = {a.t, a.n, a.h}, state[2] = {a.n, a.h};
  int64_t ih[2] = {3 * a.h, a.i}, hh[2] = {3 * a.h, a.h}, gates_shape[3] = {a.t, a.n, 4 * a.h};
  int d = x.dtype;
  if (!read_axes(op, "input", &x, d, 3, x_shape, 2, a.x, e) ||
      !read_axes(op, "weight_ih", &w_ih, d, 2, ih, 0, a.w_ih, e) ||
      !read_axes(op, "weight_hh", &w_hh, d, 2, hh, 0, a.w_hh, e) ||
      !read_axes(op, "h_0", h0, d, 2, state, 0, a.h0, e) || !read_lengths(op, lengths, a.n, a.t, a.lengths, e) ||
      !read_axes(op, "output", &y, d, 3, y_shape, 2, a.y, e) ||
      !read_axes(op, "gates", &gates, d, 3, gates_shape, 1, a.gates, e) ||
      !read_axes(op, "grad_output", dy, d, 3, y_shape, 2, a.dy, e) ||
      !read_axes(op, "grad_h_n", dhn, d, 2, state, 0, a.dhn, e))
    return false;
  a.x_t = x.stride[0], a.x_n = x.stride[1];
  a.y_t = y.stride[0], a.y_n = y.stride[1];
  a.gates_t = gates.stride[0];
  if (dy) a.dy_t = dy->stride[0], a.dy_n = dy->stride[1];
  a.before = before, a.at_end = at_end;
  return true;
}

// Four products: dw_ih and dw_hh, dx (if wanted), and the way of dh through w_hh.
Work gru_backward_work(const GruBackward& a, Dtype dtype) {
  double t = double(a.t), n = double(a.n), i = double(a.i), h = double(a.h);
  double products = 2 * t * n * 3 * h * (i + h) + 2 * t * n * 3 * h * ((a.dx ? i : 0) + h);
  double elements = t * n * (2 * i + 6 * h) + 6 * h * (i + h) + 3 * n * h;
  return {products, elements * (dtype == F64 ? 8 : 4), meetings(t, n)};
}

}  // namespace loopnest
