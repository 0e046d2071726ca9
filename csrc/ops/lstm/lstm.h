// lstm: one layer, one direction, a whole sequence; and its backward pass through time.
//
//   [i f g o] = x[t] * w_ih^T + b_ih + h[t-1] * w_hh^T + b_hh      (rows of w in PyTorch's order: i, f, g, o)
//   c[t] = sigmoid(f) * c[t-1] + sigmoid(i) * tanh(g),   h[t] = sigmoid(o) * tanh(c[t])
//   (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000)
//
//   lstm            reads x, w_ih, w_hh, biases, h0, c0     writes y, hn, cn (and gates, cells if not null)
//   lstm_backward   see lstm_backward.h
//
// Axes: t steps, n sequences, i input width, h hidden width. The reverse direction is the same kernel with x, y,
// gates and cells pointing at the last step and negative strides in t.
#pragma once
#include "../../abi.h"

namespace loopnest {

struct Lstm {
  Workspace workspace;
  const void* x;           // [t, n, i]   strides x_t, x_n; x_i = 1
  const void* w_ih;        // [4h, i]     dense
  const void* w_hh;        // [4h, h]     dense
  const void* b_ih;        // [4h] or null
  const void* b_hh;        // [4h] or null
  const void* h0;          // [n, h] dense, or null: zeros
  const void* c0;          // [n, h] dense, or null: zeros
  const int64_t* lengths;  // [n], or null: all have t steps; see ../rnn/rnn.h. Beyond them gates and cells are 0
  void* y;                 // [t, n, h]   strides y_t, y_n; y_h = 1
  void* hn;                // [n, h] dense
  void* cn;                // [n, h] dense
  void* gates;             // [t, n, 4h] after sigmoid and tanh, in the order i f g o, kept for backward; or null
  void* cells;             // [t, n, h]  c[t], kept for backward; or null
  int64_t t, n, i, h;
  int64_t x_t, x_n;
  int64_t y_t, y_n;
  int64_t gates_t;  // stride in t of gates; rows are dense (stride in n is 4h)
  int64_t cells_t;  // stride in t of cells; rows are dense (stride in n is h)
  int64_t pass;     // a hint: how often these weights have been passed over before. Rungs that read them forwards and
                    // backwards in turn begin where the last pass ended. 0 if unknown; the results are the same
  bool at_end;      // where the valid steps are
};

}  // namespace loopnest
