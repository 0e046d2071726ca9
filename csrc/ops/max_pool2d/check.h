// From arrays to the struct Pool2d, for max_pool2d, avg_pool2d and their backward passes.
#pragma once
#include "../../array.h"
#include "../../error.h"
#include "../../registry.h"
#include "pool2d.h"

namespace loopnest {

struct Pool2dOptions {
  int64_t kernel_size[2] = {1, 1};
  int64_t stride[2] = {1, 1};
  int64_t padding[2] = {0, 0};
  int64_t dilation[2] = {1, 1};  // max_pool2d only
  bool ceil_mode = false;
  bool count_include_pad = true;  // avg_pool2d only
  int64_t divisor_override = 0;   // avg_pool2d only; 0: none
};

// Sizes from x's shape and the options; the shape of y goes to y_shape. Fills in no array. `op` names it in errors.
bool pool2d_check(const char* op, Pool2d& a, const int64_t x_shape[4], const Pool2dOptions& options, int64_t y_shape[4],
                  Error& error);

// Put an array in its place after checking its shape and dtype against the sizes (x and y: float; indices: int64).
// Taps lie densely, channels innermost; ValueError if the window has too many for them.
bool pool2d_place_x(const char* op, Pool2d& a, const Array& x, Error& error);
bool pool2d_place_y(const char* op, Pool2d& a, const Array& y, Error& error);
bool pool2d_place_indices(const char* op, Pool2d& a, const Array& indices, Error& error);
bool pool2d_place_taps(const char* op, Pool2d& a, uint8_t* taps, Error& error);

Work pool2d_work(const Pool2d& a, Dtype dtype);
inline Work max_pool2d_work(const Pool2d& a, Dtype d) { return pool2d_work(a, d); }
inline Work max_pool2d_backward_work(const Pool2d& a, Dtype d) { return pool2d_work(a, d); }
inline Work avg_pool2d_work(const Pool2d& a, Dtype d) { return pool2d_work(a, d); }
inline Work avg_pool2d_backward_work(const Pool2d& a, Dtype d) { return pool2d_work(a, d); }

}  // namespace loopnest
