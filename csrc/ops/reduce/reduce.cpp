// The checks of reduce, and its work.
#include "reduce.h"

#include <cstdlib>
#include <utility>

#include "../../check.h"
#include "check.h"

namespace loopnest {
namespace {

static_assert(reduce_rank >= max_rank, "every array that the bindings accept must fit");

// Orders the axes so that x's strides fall, and merges neighbours that continue each other in both arrays.
void collapse(Reduce& a) {
  auto exchange = [&](int i, int j) {
    std::swap(a.shape[i], a.shape[j]);
    std::swap(a.x_stride[i], a.x_stride[j]);
    std::swap(a.y_stride[i], a.y_stride[j]);
    std::swap(a.reduced[i], a.reduced[j]);
  };
  auto in_order = [&](int i, int j) {  // axes of length 1 have no say and go first
    return a.shape[i] == 1 || (a.shape[j] != 1 && std::abs(a.x_stride[i]) >= std::abs(a.x_stride[j]));
  };
  for (int i = 1; i < reduce_rank; i++)
    for (int j = i; j > 0 && !in_order(j - 1, j); j--) exchange(j - 1, j);
  int last = reduce_rank - 1;  // where the merged axes gather
  for (int d = reduce_rank - 2; d >= 0; d--) {
    int64_t n = a.shape[last];
    bool alike = a.reduced[d] == a.reduced[last] && a.x_stride[d] == n * a.x_stride[last] &&
                 (a.reduced[d] || a.y_stride[d] == n * a.y_stride[last]);
    if (alike || a.shape[d] == 1) {
      a.shape[last] *= a.shape[d];
    } else {
      exchange(d, --last);
    }
  }
  for (int d = 0; d < last; d++) a.shape[d] = 1;
}

}  // namespace

bool reduce_check(Reduce& a, int64_t function, double divisor, const Array& x, const Array& y, Error& e) {
  const char* op = "reduce";
  if (function < 0 || function >= reduce_function::count)
    return fail(e, Error::Value, "%s: expected a function of 0 to %d, got %lld", op, int(reduce_function::count) - 1,
                (long long)function);
  if (!check_float(op, "input", x, e) || !check_dtype(op, "result", y, "input", x.dtype, e)) return false;
  int64_t shape[max_rank];
  for (int i = 0; i < x.rank; i++) shape[i] = i < y.rank && y.shape[i] == 1 ? 1 : x.shape[i];
  if (!check_shape(op, "result", y, x.rank, shape, e)) return false;
  a = Reduce{};
  a.x = x.data, a.y = y.data, a.function = function, a.divisor = divisor;
  for (int i = 0; i < reduce_rank; i++) {
    a.shape[i] = i < x.rank ? x.shape[i] : 1;
    a.x_stride[i] = i < x.rank ? x.stride[i] : 0;
    a.y_stride[i] = i < x.rank ? y.stride[i] : 0;
    a.reduced[i] = i < x.rank && y.shape[i] == 1;
  }
  collapse(a);
  return true;
}

Work reduce_work(const Reduce& a, Dtype dtype) {
  double in = 1, out = 1;
  for (int i = 0; i < reduce_rank; i++) {
    in *= double(a.shape[i]);
    if (!a.reduced[i]) out *= double(a.shape[i]);
  }
  return {in, (in + out) * (dtype == F64 ? 8 : 4)};
}

}  // namespace loopnest
