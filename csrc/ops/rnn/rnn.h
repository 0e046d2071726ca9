// rnn: one layer, one direction of Elman's network, a whole sequence.
//
//   h[t] = f(x[t] * w_ih^T + b_ih + h[t-1] * w_hh^T + b_hh),   f = tanh, or max(., 0)      (Elman 1990)
//
//   rnn            reads x, w_ih, w_hh, biases, h0, lengths     writes y, hn
//   rnn_backward   see rnn_backward.h
//
// Axes: t steps, n sequences, i input width, h hidden width. The reverse direction is the same kernel with x and y
// pointing at the last step and negative strides in t.
//
// lengths: sequence n has lengths[n] steps, 0 to t: the first ones, or, if at_end, the last ones (the reverse
// direction, which meets the padding first). At its other steps x is not used, y is 0 and the state stays as it is: so
// hn is the state after the last valid step, and a sequence of no steps gives h0.
#pragma once
#include "../../abi.h"

namespace loopnest {

struct Rnn {
  Workspace workspace;
  const void* x;           // [t, n, i]   strides x_t, x_n; x_i = 1
  const void* w_ih;        // [h, i]      dense
  const void* w_hh;        // [h, h]      dense
  const void* b_ih;        // [h] or null
  const void* b_hh;        // [h] or null
  const void* h0;          // [n, h] dense, or null: zeros
  const int64_t* lengths;  // [n], or null: all have t steps
  void* y;                 // [t, n, h]   strides y_t, y_n; y_h = 1
  void* hn;                // [n, h] dense
  int64_t t, n, i, h;
  int64_t x_t, x_n;
  int64_t y_t, y_n;
  int64_t pass;  // a hint, as in ../lstm/lstm.h: how often these weights have been passed over before
  bool relu;     // f = max(., 0); otherwise tanh
  bool at_end;   // where the valid steps are, see above
};

}  // namespace loopnest
