// gru: one layer, one direction of gated recurrent units, a whole sequence.
//
//   r = sigmoid(x[t] * w_ir^T + b_ir + h[t-1] * w_hr^T + b_hr)        (rows of w in PyTorch's order: r, z, n)
//   z = sigmoid(x[t] * w_iz^T + b_iz + h[t-1] * w_hz^T + b_hz)
//   n = tanh(x[t] * w_in^T + b_in + r . q),   q = h[t-1] * w_hn^T + b_hn                (PyTorch, Keras, cuDNN)
//   n = tanh(x[t] * w_in^T + b_in + q * w_hn^T + b_hn),   q = r . h[t-1]      if before (Cho et al. 2014, eq. 8)
//   h[t] = (1 - z) . n + z . h[t-1]
//
//   gru            reads x, w_ih, w_hh, biases, h0, lengths     writes y, hn (and gates if not null)
//   gru_backward   see gru_backward.h
//
// Axes, the reverse direction and lengths: as in ../rnn/rnn.h. At steps that are not valid, gates are 0.
#pragma once
#include "../../abi.h"

namespace loopnest {

struct Gru {
  Workspace workspace;
  const void* x;           // [t, n, i]   strides x_t, x_n; x_i = 1
  const void* w_ih;        // [3h, i]     dense
  const void* w_hh;        // [3h, h]     dense
  const void* b_ih;        // [3h] or null
  const void* b_hh;        // [3h] or null
  const void* h0;          // [n, h] dense, or null: zeros
  const int64_t* lengths;  // [n], or null: all have t steps
  void* y;                 // [t, n, h]   strides y_t, y_n; y_h = 1
  void* hn;                // [n, h] dense
  void* gates;             // [t, n, 4h]  r z n q, kept for backward; or null
  int64_t t, n, i, h;
  int64_t x_t, x_n;
  int64_t y_t, y_n;
  int64_t gates_t;  // stride in t of gates; rows are dense (stride in n is 4h)
  int64_t pass;     // a hint, as in ../lstm/lstm.h: how often these weights have been passed over before
  bool before;      // the reset gate acts before the product with w_hn
  bool at_end;      // where the valid steps are
};

}  // namespace loopnest
