// The checks of lstm_backward, and its work.
#include "lstm_backward.h"

#include "../../check_sequence.h"
#include "check.h"

namespace loopnest {
namespace {

const char* const op = "lstm_backward";

// An array of this shape and dtype whose axes from `dense_from` on are dense; null passes.
bool read(const char* name, const Array* a, int dtype, int rank, const int64_t* shape, int dense_from, const void*& out,
          Error& e) {
  out = nullptr;
  if (!a) return true;
  if (!check_dtype(op, name, *a, "input", dtype, e) || !check_shape(op, name, *a, rank, shape, e)) return false;
  int64_t step = 1;
  for (int i = rank; i-- > dense_from; step *= shape[i])
    if (shape[i] > 1 && a->stride[i] != step && shape[0] * shape[1] > 0)
      return fail(e, Error::Value, "%s: expected %s to be contiguous behind axis %d; use numpy.ascontiguousarray", op,
                  name, dense_from);
  out = a->data;
  return true;
}

}  // namespace

bool lstm_backward_check(LstmBackward& a, const Array& x, const Array& w_ih, const Array& w_hh, const Array* h0,
                         const Array* c0, const Array& y, const Array& gates, const Array& cells, const Array* dy,
                         const Array* dhn, const Array* dcn, Error& e) {
  if (!check_float(op, "input", x, e) || !check_rank(op, "input", x, 3, "(T, N, input_size)", e) ||
      !check_rank(op, "weight_hh", w_hh, 2, "(4 * hidden_size, hidden_size)", e))
    return false;
  a = LstmBackward{};
  a.t = x.shape[0], a.n = x.shape[1], a.i = x.shape[2], a.h = w_hh.shape[1];
  if (!check_at_least(op, "steps of input", a.t, 1, e) || !check_at_least(op, "input_size", a.i, 1, e) ||
      !check_at_least(op, "hidden_size", a.h, 1, e))
    return false;
  int64_t x_shape[3] = {a.t, a.n, a.i}, y_shape[3] = {a.t, a.n, a.h}, gates_shape[3] = {a.t, a.n, 4 * a.h};
  int64_t ih[2] = {4 * a.h, a.i}, hh[2] = {4 * a.h, a.h}, state[2] = {a.n, a.h};
  int d = x.dtype;
  if (!read("input", &x, d, 3, x_shape, 2, a.x, e) || !read("weight_ih", &w_ih, d, 2, ih, 0, a.w_ih, e) ||
      !read("weight_hh", &w_hh, d, 2, hh, 0, a.w_hh, e) || !read("h_0", h0, d, 2, state, 0, a.h0, e) ||
      !read("c_0", c0, d, 2, state, 0, a.c0, e) || !read("output", &y, d, 3, y_shape, 2, a.y, e) ||
      !read("gates", &gates, d, 3, gates_shape, 1, a.gates, e) ||
      !read("cells", &cells, d, 3, y_shape, 1, a.cells, e) || !read("grad_output", dy, d, 3, y_shape, 2, a.dy, e) ||
      !read("grad_h_n", dhn, d, 2, state, 0, a.dhn, e) || !read("grad_c_n", dcn, d, 2, state, 0, a.dcn, e))
    return false;
  a.x_t = x.stride[0], a.x_n = x.stride[1];
  a.y_t = y.stride[0], a.y_n = y.stride[1];
  a.gates_t = gates.stride[0], a.cells_t = cells.stride[0];
  if (dy) a.dy_t = dy->stride[0], a.dy_n = dy->stride[1];
  return true;
}

bool lstm_backward_lengths_check(LstmBackward& a, const Array& lengths, Error& e) {
  return read_lengths(op, &lengths, a.n, a.t, a.lengths, e);
}

// Four products: dw_ih and dw_hh, dx (if wanted), and the way of dh through w_hh.
Work lstm_backward_work(const LstmBackward& a, Dtype dtype) {
  double t = double(a.t), n = double(a.n), i = double(a.i), h = double(a.h);
  double products = 2 * t * n * 4 * h * (i + h) + 2 * t * n * 4 * h * ((a.dx ? i : 0) + h);
  double elements = t * n * (2 * i + 7 * h) + 8 * h * (i + h) + 6 * n * h;
  return {products, elements * (dtype == F64 ? 8 : 4), meetings(t, n)};
}

}  // namespace loopnest
