// rnn_backward: the gradients of rnn (../rnn/rnn.h), backward through time.
//
// With a dash for the gradient of the sum before f, and steps taken from the last to the first:
//
//   dh    = dy[t] + d'[t+1] * w_hh            (dhn in place of the product at the last step)
//   d'[t] = dh (1 - y[t]^2), or dh where y[t] > 0 if relu
//
//   dx[t] = d'[t] * w_ih      dw_ih = sum over t, n of d'[t,n]^T x[t,n]      db = sum over t, n of d'[t,n]
//   dh0   = d'[0] * w_hh      dw_hh = sum over t, n of d'[t,n]^T h[t-1,n]
//
// At steps that are not valid (lengths), d' is 0, dy and x are not used, and dh passes unchanged.
// Gradients that are null are not wanted. The others are written, not added to. Both biases have the gradient db.
// The reverse direction: pointers to the last step and negative strides in t.
#pragma once
#include "../../abi.h"

namespace loopnest {

struct RnnBackward {
  Workspace workspace;
  const void* x;           // [t, n, i]   strides x_t, x_n; x_i = 1
  const void* w_ih;        // [h, i]      dense
  const void* w_hh;        // [h, h]      dense
  const void* h0;          // [n, h] dense, or null: zeros
  const int64_t* lengths;  // [n], or null: all have t steps
  const void* y;           // [t, n, h]   strides y_t, y_n; y_h = 1
  const void* dy;          // [t, n, h]   strides dy_t, dy_n; dy_h = 1; or null: zeros
  const void* dhn;         // [n, h] dense, or null: zeros
  void* dx;                // [t, n, i]   strides dx_t, dx_n; dx_i = 1; or null
  void* dw_ih;             // [h, i] dense, or null
  void* dw_hh;             // [h, h] dense, or null
  void* db;                // [h], or null
  void* dh0;               // [n, h] dense, or null
  int64_t t, n, i, h;
  int64_t x_t, x_n;
  int64_t y_t, y_n;
  int64_t dy_t, dy_n;
  int64_t dx_t, dx_n;
  bool relu;
  bool at_end;
};

}  // namespace loopnest
