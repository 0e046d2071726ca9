// lstm_backward: the gradients of lstm (../lstm/lstm.h), backward through time.
//
// With a dash for the gradient of a sum before its sigmoid or tanh, and steps taken from the last to the first:
//
//   dh    = dy[t] + d'[t+1] * w_hh            (dhn in place of the product at the last step)
//   do'   = dh * tanh(c[t]) * o (1 - o)
//   dc    = dc * f[t+1] + dh * o * (1 - tanh(c[t])^2)        (dcn at the last step)
//   di'   = dc * g * i (1 - i)      df' = dc * c[t-1] * f (1 - f)      dg' = dc * i * (1 - g^2)
//
//   dx[t] = d'[t] * w_ih      dw_ih = sum over t, n of d'[t,n]^T x[t,n]      db   = sum over t, n of d'[t,n]
//   dh0   = d'[0] * w_hh      dw_hh = sum over t, n of d'[t,n]^T h[t-1,n]    dc0  = dc * f at the first step
//
// At steps that are not valid (lengths, see ../rnn/rnn.h), d' is 0, dy and x are not used, and dh and dc pass
// unchanged. Gradients that are null are not wanted. The others are written, not added to. Both biases have the
// gradient db. gates and cells are what lstm kept. The reverse direction: pointers to the last step and negative
// strides in t.
#pragma once
#include "../../abi.h"

namespace loopnest {

struct LstmBackward {
  Workspace workspace;
  const void* x;           // [t, n, i]   strides x_t, x_n; x_i = 1
  const void* w_ih;        // [4h, i]     dense
  const void* w_hh;        // [4h, h]     dense
  const void* h0;          // [n, h] dense, or null: zeros
  const void* c0;          // [n, h] dense, or null: zeros
  const int64_t* lengths;  // [n], or null: all have t steps
  const void* y;           // [t, n, h]   strides y_t, y_n; y_h = 1
  const void* gates;       // [t, n, 4h]  stride gates_t; rows dense
  const void* cells;       // [t, n, h]   stride cells_t; rows dense
  const void* dy;          // [t, n, h]   strides dy_t, dy_n; dy_h = 1; or null: zeros
  const void* dhn;         // [n, h] dense, or null: zeros
  const void* dcn;         // [n, h] dense, or null: zeros
  void* dx;                // [t, n, i]   strides dx_t, dx_n; dx_i = 1; or null
  void* dw_ih;             // [4h, i] dense, or null
  void* dw_hh;             // [4h, h] dense, or null
  void* db;                // [4h], or null
  void* dh0;               // [n, h] dense, or null
  void* dc0;               // [n, h] dense, or null
  int64_t t, n, i, h;
  int64_t x_t, x_n;
  int64_t y_t, y_n;
  int64_t gates_t, cells_t;
  int64_t dy_t, dy_n;
  int64_t dx_t, dx_n;
  bool at_end;
};

}  // namespace loopnest
