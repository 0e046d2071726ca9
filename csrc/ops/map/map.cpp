// The checks of the elementwise operators, and their work.
#include "map.h"

#include "../../check.h"
#include "check.h"

namespace loopnest {

static_assert(map_rank >= max_rank, "every array that the bindings accept must fit");

bool map_check(const char* op, Map& a, const Array& x, const Array* dy, const Array& out, Error& e) {
  if (!check_float(op, "input", x, e)) return false;
  if (dy && (!check_dtype(op, "grad_output", *dy, "output", x.dtype, e) ||
             !check_shape(op, "grad_output", *dy, x.rank, x.shape, e)))
    return false;
  if (!check_dtype(op, "result", out, "input", x.dtype, e) || !check_shape(op, "result", out, x.rank, x.shape, e))
    return false;
  a = Map{};
  a.in = x.data;
  a.dy = dy ? dy->data : nullptr;
  a.out = out.data;
  for (int i = 0; i < map_rank; i++) {
    a.shape[i] = i < x.rank ? x.shape[i] : 1;
    a.in_stride[i] = i < x.rank ? x.stride[i] : 0;
    a.dy_stride[i] = dy && i < x.rank ? dy->stride[i] : 0;
    a.out_stride[i] = i < x.rank ? out.stride[i] : 0;
  }
  map_collapse(a);
  return true;
}

bool activation_check(const char* op, Map& a, int64_t function, const double parameter[3], const Array& x,
                      const Array* dy, const Array& out, Error& e) {
  if (function < 0 || function >= map_function::count)
    return fail(e, Error::Value, "%s: expected a function of 0 to %d, got %lld", op, int(map_function::count) - 1,
                (long long)function);
  if (dy && !check_dtype(op, "grad_output", *dy, "input", x.dtype, e)) return false;
  if (!map_check(op, a, x, dy, out, e)) return false;
  a.function = function;
  for (int i = 0; i < 3; i++) a.parameter[i] = parameter[i];
  return true;
}

Work map_work(const Map& a, Dtype dtype, double flops_each, int arrays) {
  double count = 1;
  for (int64_t length : a.shape) count *= double(length);
  return {count * flops_each, count * arrays * (dtype == F64 ? 8 : 4)};
}

}  // namespace loopnest
