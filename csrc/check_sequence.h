// Parts of the checks of recurrent operators, and of their work.
#pragma once
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

// Two members with 4 sequences each share them out; with fewer all do the same steps, and meet after each.
inline double meetings(double t, double n) { return n < 8 ? t : 0; }

}  // namespace loopnest
