// map: the contract shared by all operators that treat every element on its own.
//
//   relu, sigmoid, tanh                             read in (= x)              write out (= y)
//   relu_backward, sigmoid_backward, tanh_backward  read in (= y) and dy       write out (= dL/dx)
//   activation                                      read in (= x)              write out (= y)
//   activation_backward                             read in (= x) and dy       write out (= dL/dx)
//
//     relu      y = x if x > 0 else 0, NaN stays NaN      dx = 0 if y <= 0 else dy
//     sigmoid   y = 1 / (1 + exp(-x))                     dx = dy * y * (1 - y)
//     tanh      y = tanh(x)                               dx = dy * (1 - y * y)
//
// The three `backward` read the forward's result, not its input: that is what PyTorch keeps as well.
//
// `activation` is all the others in one: `function` says which (ops/activation/functions.h has the formulas), and
// `parameter` holds its numbers:
//
//     leaky_relu  negative slope                elu          alpha, scale, rate of the exponential (ELU, SELU, CELU)
//     softplus    beta, threshold               hardtanh     low, high (ReLU6: 0 and 6)
//     threshold   threshold, value              hardshrink, softshrink  lambda
//     huber       width, slope
//     silu, gelu, gelu_tanh, hardsigmoid, hardswish, mish, logsigmoid, softsign, tanhshrink, nonpositive, square,
//     absolute   none
//
// Eight axes, outermost first, unused ones have length 1. Strides are in elements, any sign; 0 is fine for inputs.
// Kernels walk the last axis in their inner loop and are fast where its strides are 1, so the caller puts the axis
// with the smallest strides last and merges axes that continue each other: `map_collapse` does both.
// Forward operators do not look at dy; let its strides be 0, so that they do not keep axes from being merged.
// `out` may be the very same array as `in` or `dy` (same pointer, same strides), but must not overlap them otherwise.
#pragma once
#include "../../abi.h"

namespace loopnest {

constexpr int map_rank = 8;

namespace map_function {
enum : int64_t {
  leaky_relu,
  elu,
  silu,
  gelu,
  gelu_tanh,
  softplus,
  hardtanh,
  hardsigmoid,
  hardswish,
  mish,
  logsigmoid,
  threshold,
  hardshrink,
  softshrink,
  softsign,
  tanhshrink,
  nonpositive,
  huber,
  square,
  absolute,
  count
};
}

struct Map {
  Workspace workspace;
  const void* in;  // x in forward, y (the forward's result) in backward
  const void* dy;  // backward: dL/dy; forward: null
  void* out;       // y in forward, dL/dx in backward
  int64_t shape[map_rank];
  int64_t in_stride[map_rank];
  int64_t dy_stride[map_rank];
  int64_t out_stride[map_rank];
  int64_t function;     // activation only
  double parameter[3];  // activation only
};

// Orders the axes so that out's strides fall, merges neighbours that continue each other in all three arrays, and moves
// what is left to the end. Changes no result. A dense array becomes one axis, a channels-last one as well.
static inline void map_collapse(Map& a) {
  auto swap = [](int64_t& x, int64_t& y) {
    int64_t t = x;
    x = y;
    y = t;
  };
  auto size = [](int64_t x) { return x < 0 ? -x : x; };
  for (int i = 1; i < map_rank; i++)  // insertion sort; axes of length 1 have no say and go first
    for (int j = i; j > 0; j--) {
      bool lone = a.shape[j] == 1, before_lone = a.shape[j - 1] == 1;
      bool in_order = before_lone || (!lone && size(a.out_stride[j - 1]) >= size(a.out_stride[j]));
      if (in_order) break;
      swap(a.shape[j], a.shape[j - 1]);
      swap(a.in_stride[j], a.in_stride[j - 1]);
      swap(a.dy_stride[j], a.dy_stride[j - 1]);
      swap(a.out_stride[j], a.out_stride[j - 1]);
    }
  int last = map_rank - 1;  // where the merged axes gather
  for (int d = map_rank - 2; d >= 0; d--) {
    int64_t n = a.shape[last];
    bool continues = a.in_stride[d] == n * a.in_stride[last] && a.dy_stride[d] == n * a.dy_stride[last] &&
                     a.out_stride[d] == n * a.out_stride[last];
    if (continues || a.shape[d] == 1) {
      a.shape[last] *= a.shape[d];
    } else {
      last--;
      a.shape[last] = a.shape[d];
      a.in_stride[last] = a.in_stride[d];
      a.dy_stride[last] = a.dy_stride[d];
      a.out_stride[last] = a.out_stride[d];
    }
  }
  for (int d = 0; d < last; d++) a.shape[d] = 1;
}

}  // namespace loopnest
