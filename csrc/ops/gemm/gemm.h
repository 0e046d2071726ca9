// gemm: c[m, n] = sum over k of a[m, k] * b[k, n]  (+ bias[n])  (+ what c held, if accumulate); then the epilogue
//
// Every matrix has two strides, in elements, so that a transposed matrix is the same memory with its strides
// exchanged: linear(x, w) = x * w^T + bias reads w (out, in) as b with b_k = 1, b_n = in.
// Packed weights are b's: `prepare` reads b, n and k only.
#pragma once
#include "../../abi.h"

namespace loopnest {

struct Gemm {
  Workspace workspace;
  const void* a;     // [m, k]
  const void* b;     // [k, n]
  const void* bias;  // [n], stride 1, or null
  void* c;           // [m, n]
  int64_t m, n, k;
  int64_t a_m, a_k;
  int64_t b_k, b_n;
  int64_t c_m, c_n;
  bool accumulate;
  const void* add;  // epilogue (abi.h): lies as c does, or null
  int64_t activation;
};

}  // namespace loopnest
