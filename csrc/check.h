// Small parts that every operator's check is made of.
#pragma once
#include <stdio.h>

#include <string>

#include "array.h"
#include "error.h"

namespace loopnest {

inline const char* dtype_text(int dtype) { return dtype == F32 ? "float32" : dtype == F64 ? "float64" : "int64"; }

// "(1, 64, 56, 56)"
inline std::string shape_text(const int64_t* shape, int rank) {
  std::string s = "(";
  for (int i = 0; i < rank; i++) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + (rank == 1 ? ",)" : ")");
}
inline std::string shape_text(const Array& a) { return shape_text(a.shape, a.rank); }

inline bool check_rank(const char* op, const char* name, const Array& a, int rank, const char* axes, Error& error) {
  if (a.rank == rank) return true;
  return fail(error, Error::Value, "%s: expected %s of %d axes %s, got %d axes: %s", op, name, rank, axes, a.rank,
              shape_text(a).c_str());
}

inline bool check_shape(const char* op, const char* name, const Array& a, int rank, const int64_t* shape,
                        Error& error) {
  bool same = a.rank == rank;
  for (int i = 0; same && i < rank; i++) same = a.shape[i] == shape[i];
  if (same) return true;
  return fail(error, Error::Value, "%s: expected %s of shape %s, got %s", op, name, shape_text(shape, rank).c_str(),
              shape_text(a).c_str());
}

inline bool check_float(const char* op, const char* name, const Array& a, Error& error) {
  if (a.dtype == F32 || a.dtype == F64) return true;
  return fail(error, Error::Type, "%s: expected %s of dtype float32 or float64, got %s", op, name, dtype_text(a.dtype));
}

inline bool check_dtype(const char* op, const char* name, const Array& a, const char* other, int dtype, Error& error) {
  if (a.dtype == dtype) return true;
  return fail(error, Error::Type, "%s: %s is %s but %s is %s; convert one of them with astype", op, name,
              dtype_text(a.dtype), other, dtype_text(dtype));
}

inline bool check_at_least(const char* op, const char* name, int64_t value, int64_t least, Error& error) {
  if (value >= least) return true;
  return fail(error, Error::Value, "%s: expected %s of at least %lld, got %lld", op, name, (long long)least,
              (long long)value);
}

// One axis of a sliding window: how many places the window has.
//   out = floor((in + pad_low + pad_high - dilation * (kernel - 1) - 1) / stride) + 1     (ceil instead, if asked)
// All in 128 bits, so that no argument can wrap around.
inline bool window_output(const char* op, const char* axis, int64_t in, int64_t kernel, int64_t stride, int64_t pad_low,
                          int64_t pad_high, int64_t dilation, bool ceil_mode, int64_t& out, Error& error) {
  __int128 padded = __int128(in) + pad_low + pad_high;
  __int128 reach = __int128(dilation) * (kernel - 1) + 1;
  __int128 room = padded - reach + (ceil_mode ? stride - 1 : 0);  // with ceil_mode a window may hang over the end
  if (room < 0)
    return fail(error, Error::Value,
                "%s: the %s of the kernel does not fit: dilation * (kernel - 1) + 1 = %lld * (%lld - 1) + 1 > padded "
                "input = %lld + %lld + %lld",
                op, axis, (long long)dilation, (long long)kernel, (long long)in, (long long)pad_low,
                (long long)pad_high);
  __int128 places = room / stride + 1;
  // With ceil_mode the last window must still start inside the input or the padding before it.
  if (ceil_mode && (places - 1) * stride >= __int128(in) + pad_low) places--;
  if (places > (__int128(1) << 62)) return fail(error, Error::Value, "%s: an output %s of over 2**62 places", op, axis);
  out = int64_t(places);
  return true;
}

// The number of elements, as a size that can be asked of an allocator.
inline bool check_size(const char* op, const char* name, const int64_t* shape, int rank, Error& error) {
  constexpr __int128 most = __int128(1) << 44;  // 64 TiB of float32: more than any machine has
  __int128 count = 1;
  bool empty = false;
  for (int i = 0; i < rank; i++) {
    empty = empty || shape[i] == 0;
    if (count <= most) count *= shape[i];
  }
  if (empty) return true;
  if (count <= most) return true;
  return fail(error, Error::Memory, "%s: %s of shape %s would have over 2**44 elements", op, name,
              shape_text(shape, rank).c_str());
}

}  // namespace loopnest
