// lstm_cell: what an LSTM does with its sums once they are known; and its backward pass. For cells whose products are
// someone else's work: a convolution's (ConvLSTM, Shi et al. 2015, equation 3 without the peepholes).
//
//   s = sums + more                   the sums of i, f, g, o, side by side
//   i, f, o = sigmoid of s            g = tanh of s
//   c = f * c0 + i * g                y = o * tanh(c)
//
//   lstm_cell            reads sums, more, c0                       writes gates (i, f, g, o), c, y
//   lstm_cell_backward   reads gates, c0, c, dy, dc                 writes dsums (also more's gradient), dc0
//
//     dct = dc + dy * o * (1 - tanh(c)^2)         dc0 = dct * f
//     dsums = dct * g * i * (1 - i),  dct * c0 * f * (1 - f),  dct * i * (1 - g^2),  dy * tanh(c) * o * (1 - o)
//
// m rows (pixels of all images), h hidden units. Within a row numbers are side by side (stride 1): channels-last.
// more, c0, dy, dc may be null: zeros; gates and dc0 may be null: not wanted.
#pragma once
#include "../../abi.h"

namespace loopnest {

struct LstmCell {
  Workspace workspace;
  const void* sums;  // [m, 4 * h]  forward only
  const void* more;  // [m, 4 * h]  forward only, or null
  const void* c0;    // [m, h]      or null
  void* gates;       // [m, 4 * h]  written by forward (or null), read by backward
  void* c;           // [m, h]      written by forward, read by backward
  void* y;           // [m, h]      forward only
  const void* dy;    // [m, h]      backward only, or null
  const void* dc;    // [m, h]      backward only, or null
  void* dsums;       // [m, 4 * h]  backward only
  void* dc0;         // [m, h]      backward only, or null
  int64_t m, h;
  int64_t sums_m, more_m, c0_m, gates_m, c_m, y_m, dy_m, dc_m, dsums_m, dc0_m;
};

}  // namespace loopnest
