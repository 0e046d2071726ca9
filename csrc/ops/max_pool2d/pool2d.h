// Max and average pooling and their backward passes: one struct, four operators over the same windows.
//
//   window of (oh, ow):  ih = oh * stride_h - pad_h + kh * dilation_h  for kh in [0, kernel_h), iw likewise
//
//   max_pool2d            reads x                               writes y = the largest x of the window; indices or taps
//   max_pool2d_backward   reads y (= dL/dy), indices or taps    writes x (= dL/dx)
//   avg_pool2d            reads x                               writes y = the sum of the window / divisor
//   avg_pool2d_backward   reads y (= dL/dy)                     writes x (= dL/dx)
//
// Maximum: what lies outside the image is -inf. The first of equal elements wins; a NaN beats every number, and the
// last NaN wins, all as in PyTorch. `indices` holds ih * iw_size + iw, the place in the plane (n, c). A window that
// touches nothing but padding gives -inf and index -1; the backward passes ignore an index that is not in the plane.
// `taps` says the same in an eighth of the memory, for windows of fewer than `no_tap` elements: kh * kernel_w + kw, and
// `no_tap` where the index would be -1. At most one of the two is given.
//
// Average: what lies outside the image is 0. The divisor is divisor_override if that is not 0; otherwise the number of
// window elements inside the image, or, with count_include_pad, inside the image with pad_h rows and pad_w columns on
// every side. A window with no such element gives 0.
//
// Every array has its strides, in elements, any sign. Results that loopnest allocates are channels-last: y_c = 1.
#pragma once
#include "../../abi.h"

namespace loopnest {

constexpr int64_t no_tap = 255;

struct Pool2d {
  Workspace workspace;
  void* x;           // [n, c, ih, iw]
  void* y;           // [n, c, oh, ow]
  int64_t* indices;  // [n, c, oh, ow], or null (unused by the averages)
  uint8_t* taps;     // [n, c, oh, ow], or null (unused by the averages)
  int64_t n, c, ih, iw;
  int64_t oh, ow;
  int64_t kernel_h, kernel_w;
  int64_t stride_h, stride_w;
  int64_t pad_h, pad_w;  // rows above and columns to the left; what lies below and to the right follows from oh, ow
  int64_t dilation_h, dilation_w;
  bool count_include_pad;    // averages only
  int64_t divisor_override;  // averages only; 0: none
  int64_t x_n, x_c, x_h, x_w;
  int64_t y_n, y_c, y_h, y_w;
  int64_t indices_n, indices_c, indices_h, indices_w;  // of indices or taps, in elements
};

}  // namespace loopnest
