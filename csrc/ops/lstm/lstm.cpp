// The checks of lstm, and its work.
#include "lstm.h"

#include "../../check_sequence.h"
#include "check.h"

namespace loopnest {
namespace {

const char* const op = "lstm";

bool is_dense(const Array& a) {
  int64_t step = 1;
  bool dense = true;
  for (int i = a.rank; i-- > 0; step *= a.shape[i]) {
    if (a.shape[i] == 0) return true;
    dense = dense && (a.shape[i] == 1 || a.stride[i] == step);
  }
  return dense;
}

bool read_dense(const char* name, const Array* a, int dtype, int rank, const int64_t* shape, const void*& out,
                Error& e) {
  out = nullptr;
  if (!a) return true;
  if (!check_dtype(op, name, *a, "input", dtype, e) || !check_shape(op, name, *a, rank, shape, e)) return false;
  if (!is_dense(*a))
    return fail(e, Error::Value, "%s: expected %s to be contiguous; use numpy.ascontiguousarray", op, name);
  out = a->data;
  return true;
}

bool check_pair(const char* names, const Array* a, const Array* b, Error& e) {
  if (!a == !b) return true;
  return fail(e, Error::Value, "%s: expected both of %s or neither, got one", op, names);
}

}  // namespace

bool lstm_check(Lstm& a, const Array& x, const Array& w_ih, const Array& w_hh, const Array* b_ih, const Array* b_hh,
                const Array* h0, const Array* c0, Error& e) {
  if (!check_float(op, "input", x, e) || !check_rank(op, "input", x, 3, "(T, N, input_size)", e) ||
      !check_rank(op, "weight_hh", w_hh, 2, "(4 * hidden_size, hidden_size)", e))
    return false;
  a = Lstm{};
  a.t = x.shape[0], a.n = x.shape[1], a.i = x.shape[2], a.h = w_hh.shape[1];
  if (a.t < 1)
    return fail(e, Error::Value, "%s: expected at least one step, got input of shape %s", op, shape_text(x).c_str());
  if (a.i < 1 || a.h < 1)
    return fail(e, Error::Value, "%s: expected input_size and hidden_size of at least 1, got %lld and %lld", op,
                (long long)a.i, (long long)a.h);
  int64_t ih[2] = {4 * a.h, a.i}, hh[2] = {4 * a.h, a.h}, bias[1] = {4 * a.h}, state[2] = {a.n, a.h};
  if (!read_dense("weight_ih", &w_ih, x.dtype, 2, ih, a.w_ih, e) ||
      !read_dense("weight_hh", &w_hh, x.dtype, 2, hh, a.w_hh, e) || !check_pair("bias_ih and bias_hh", b_ih, b_hh, e) ||
      !read_dense("bias_ih", b_ih, x.dtype, 1, bias, a.b_ih, e) ||
      !read_dense("bias_hh", b_hh, x.dtype, 1, bias, a.b_hh, e) || !check_pair("h_0 and c_0", h0, c0, e) ||
      !read_dense("h_0", h0, x.dtype, 2, state, a.h0, e) || !read_dense("c_0", c0, x.dtype, 2, state, a.c0, e))
    return false;
  if (x.stride[2] != 1 && a.i > 1 && a.n > 0)  // NumPy gives the axes of an empty array any strides
    return fail(e, Error::Value,
                "%s: expected the features of input to be contiguous (last stride 1, got %lld elements)", op,
                (long long)x.stride[2]);
  a.x = x.data;
  a.x_t = x.stride[0], a.x_n = x.stride[1];
  int64_t y[3] = {a.t, a.n, 4 * a.h};
  return check_size(op, "an output", y, 3, e);
}

bool lstm_lengths_check(Lstm& a, const Array& lengths, Error& e) {
  return read_lengths(op, &lengths, a.n, a.t, a.lengths, e);
}

Work lstm_work(const Lstm& a, Dtype dtype) {
  double t = double(a.t), n = double(a.n), i = double(a.i), h = double(a.h);
  double products = 2 * t * n * 4 * h * (i + h);
  double elements = t * n * (i + h) + 4 * h * (i + h) + 4 * n * h;
  return {products, elements * (dtype == F64 ? 8 : 4), meetings(t, n)};
}

}  // namespace loopnest
