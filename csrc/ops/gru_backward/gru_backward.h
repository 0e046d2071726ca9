// gru_backward: the gradients of gru (../gru/gru.h), backward through time.
//
// With a dash for the gradient of a sum before its function, h = h[t-1], and steps taken from the last to the first:
//
//   dh  = dy[t] + what the step after sends                                   (dhn at the last step)
//   dn' = dh (1 - z) (1 - n^2)      dz' = dh (h - n) z (1 - z)
//
//   reset after the product:    dq = dn' r         dr' = dn' q r (1 - r)
//                               it sends  dh z + [dr' dz' dq] * w_hh
//   reset before the product:   dq = dn' * w_hn    dr' = dq h r (1 - r)
//                               it sends  dh z + dq r + [dr' dz'] * [w_hr; w_hz]
//
//   dx[t] = [dr' dz' dn'] * w_ih     dw_ih = sum of [dr' dz' dn']^T x[t]     db_ih = sum of [dr' dz' dn']
//   after:    dw_hh = sum of [dr' dz' dq]^T h                                db_hh = sum of [dr' dz' dq]
//   before:   dw_hh = sum of [dr' dz']^T h and dn'^T q                       db_hh = db_ih
//
// At steps that are not valid (lengths), all of these are 0 and dh passes unchanged; dy, x and gates are not used.
// Gradients that are null are not wanted. The others are written, not added to. gates are what gru kept.
#pragma once
#include "../../abi.h"

namespace loopnest {

struct GruBackward {
  Workspace workspace;
  const void* x;           // [t, n, i]   strides x_t, x_n; x_i = 1
  const void* w_ih;        // [3h, i]     dense
  const void* w_hh;        // [3h, h]     dense
  const void* h0;          // [n, h] dense, or null: zeros
  const int64_t* lengths;  // [n], or null: all have t steps
  const void* y;           // [t, n, h]   strides y_t, y_n; y_h = 1
  const void* gates;       // [t, n, 4h]  r z n q; stride gates_t; rows dense
  const void* dy;          // [t, n, h]   strides dy_t, dy_n; dy_h = 1; or null: zeros
  const void* dhn;         // [n, h] dense, or null: zeros
  void* dx;                // [t, n, i]   strides dx_t, dx_n; dx_i = 1; or null
  void* dw_ih;             // [3h, i] dense, or null
  void* dw_hh;             // [3h, h] dense, or null
  void* db_ih;             // [3h], or null
  void* db_hh;             // [3h], or null
  void* dh0;               // [n, h] dense, or null
  int64_t t, n, i, h;
  int64_t x_t, x_n;
  int64_t y_t, y_n;
  int64_t gates_t;
  int64_t dy_t, dy_n;
  int64_t dx_t, dx_n;
  bool before;
  bool at_end;
};

}  // namespace loopnest
