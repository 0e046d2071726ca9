// Parts of the checks of recurrent operators, and of their work.
#pragma once
#include <string>

#include "check.h"

namespace loopnest {

// An array of this shape and dtype whose axes from `dense_from` on are dense; null passes and gives null.
inline bool read_axes(const char* op, const char* name, const Array* a, int dtype, int rank, const int64_t* shape,
                      int dense_from, const void*& out, Error& e) {
  out = nullptr;
  if (!a) return true;
  if (!check_dtype(op, name, *a, "input", dtype, e) || !check_shape(op, name, *a, rank, shape, e)) return false;
  int64_t step = 1;
  bool empty = false, dense = true;
  for (int i = 0; i < rank; i++) empty = empty || shape[i] == 0;  // NumPy gives the axes of an empty array any strides
  for (int i = rank; i-- > dense_from; step *= shape[i]) dense = dense && (shape[i] <= 1 || a->stride[i] == step);
  if (!dense && !empty)
    return fail(e, Error::Value, "%s: expected %s to be contiguous%s; use numpy.ascontiguousarray", op, name,
                dense_from == 0          ? ""
                : dense_from == rank - 1 ? " in its last axis"
                                         : " behind its first axis");
  out = a->data;
  return true;
}

// lengths [n], int64, each from 0 to t; null passes and gives null.
inline bool read_lengths(const char* op, const Array* a, int64_t n, int64_t t, const int64_t*& out, Error& e) {
  out = nullptr;
  if (!a) return true;
  if (a->dtype != I64)
    return fail(e, Error::Type, "%s: expected lengths of dtype int64, got %s", op, dtype_text(a->dtype));
  if (!check_shape(op, "lengths", *a, 1, &n, e)) return false;
  if (n > 1 && a->stride[0] != 1)
    return fail(e, Error::Value, "%s: expected lengths to be contiguous; use numpy.ascontiguousarray", op);
  out = static_cast<const int64_t*>(a->data);
  for (int64_t k = 0; k < n; k++)
    if (out[k] < 0 || out[k] > t)
      return fail(e, Error::Value, "%s: expected lengths from 0 to the %lld steps of input, got %lld for sequence %lld",
                  op, (long long)t, (long long)out[k], (long long)k);
  return true;
}

inline bool check_both(const char* op, const char* names, const Array* a, const Array* b, Error& e) {
  if (!a == !b) return true;
  return fail(e, Error::Value, "%s: expected both of %s or neither, got one", op, names);
}

// (T, ...) seen from the last step to the first.
inline Array backwards(const Array& a, bool turn) {
  Array b = a;
  if (!turn || a.shape[0] == 0) return b;
  b.data = static_cast<char*>(a.data) + (a.shape[0] - 1) * a.stride[0] * (a.dtype == F32 ? 4 : 8);
  b.stride[0] = -a.stride[0];
  return b;
}

// What forward and backward passes of every recurrent layer are given: x (T, N, I) in the order of the steps, dense in
// its last axis; w_ih (gates * H, I), w_hh (gates * H, H), h0 (N, H), dense; lengths (N). h0 and lengths may be null.
// at_end: the valid steps are the last ones, because x is seen backwards. Makes `a` anew from them.
template <class Layer>
bool read_layer(const char* op, int gates, Layer& a, const Array& x, const Array& w_ih, const Array& w_hh,
                const Array* h0, const Array* lengths, bool at_end, Error& e) {
  if (!check_float(op, "input", x, e) || !check_rank(op, "input", x, 3, "(T, N, input_size)", e)) return false;
  if (w_hh.rank != 2) {
    std::string rows = gates == 1 ? "(" : "(" + std::to_string(gates) + " * ";
    return check_rank(op, "weight_hh", w_hh, 2, (rows + "hidden_size, hidden_size)").c_str(), e);
  }
  a = Layer{};
  a.t = x.shape[0], a.n = x.shape[1], a.i = x.shape[2], a.h = w_hh.shape[1];
  if (!check_at_least(op, "steps of input", a.t, 1, e) || !check_at_least(op, "input_size", a.i, 1, e) ||
      !check_at_least(op, "hidden_size", a.h, 1, e))
    return false;
  int64_t input[3] = {a.t, a.n, a.i}, ih[2] = {gates * a.h, a.i}, hh[2] = {gates * a.h, a.h}, state[2] = {a.n, a.h};
  if (!read_axes(op, "input", &x, x.dtype, 3, input, 2, a.x, e) ||
      !read_axes(op, "weight_ih", &w_ih, x.dtype, 2, ih, 0, a.w_ih, e) ||
      !read_axes(op, "weight_hh", &w_hh, x.dtype, 2, hh, 0, a.w_hh, e) ||
      !read_axes(op, "h_0", h0, x.dtype, 2, state, 0, a.h0, e) || !read_lengths(op, lengths, a.n, a.t, a.lengths, e))
    return false;
  a.x_t = x.stride[0], a.x_n = x.stride[1];
  a.at_end = at_end;
  return true;
}

// Then, of a forward pass, the biases (gates * H), dense, both or none; and the largest of its results, which with
// gates are what it keeps, must have a size.
template <class Layer>
bool read_biases(const char* op, int gates, Layer& a, int dtype, const Array* b_ih, const Array* b_hh, Error& e) {
  int64_t bias[1] = {gates * a.h}, largest[3] = {a.t, a.n, (gates == 1 ? 1 : 4) * a.h};
  return check_both(op, "bias_ih and bias_hh", b_ih, b_hh, e) &&
         read_axes(op, "bias_ih", b_ih, dtype, 1, bias, 0, a.b_ih, e) &&
         read_axes(op, "bias_hh", b_hh, dtype, 1, bias, 0, a.b_hh, e) && check_size(op, "an output", largest, 3, e);
}

// Of a backward pass, the output y and what has come for it (T, N, H), dense in their last axis, and for the last state
// (N, H), dense. dy and dhn may be null.
template <class Layer>
bool read_output(const char* op, Layer& a, int dtype, const Array& y, const Array* dy, const Array* dhn, Error& e) {
  int64_t output[3] = {a.t, a.n, a.h}, state[2] = {a.n, a.h};
  if (!read_axes(op, "output", &y, dtype, 3, output, 2, a.y, e) ||
      !read_axes(op, "grad_output", dy, dtype, 3, output, 2, a.dy, e) ||
      !read_axes(op, "grad_h_n", dhn, dtype, 2, state, 0, a.dhn, e))
    return false;
  a.y_t = y.stride[0], a.y_n = y.stride[1];
  if (dy) a.dy_t = dy->stride[0], a.dy_n = dy->stride[1];
  return true;
}

// And the gates that it has kept, (T, N, 4H) with dense rows.
template <class Layer>
bool read_gates(const char* op, Layer& a, int dtype, const Array& gates, Error& e) {
  int64_t shape[3] = {a.t, a.n, 4 * a.h};
  a.gates_t = gates.stride[0];
  return read_axes(op, "gates", &gates, dtype, 3, shape, 1, a.gates, e);
}

// Two members with 4 sequences each share them out; with fewer all do the same steps, and meet after each.
inline double meetings(double t, double n) { return n < 8 ? t : 0; }

}  // namespace loopnest
