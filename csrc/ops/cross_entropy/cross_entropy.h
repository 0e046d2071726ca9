// cross_entropy: softmax, logarithm and negative log-likelihood in one; and its backward pass.
//
//   lse[n, s]  = log sum over c of exp(logits[n, c, s])
//   loss[n, s] = (1 - smooth) * w[t] * (lse - logits[t])  +  smooth / C * sum over c of w[c] * (lse - logits[c])
//   dlogits[c] = dloss * (softmax[c] * total - (1 - smooth) * w[t] * [c == t] - smooth / C * w[c])
//                where total = (1 - smooth) * w[t] + smooth / C * sum over c of w[c]
//
//   with t = target[n, s], C classes, w = 1 without weights, smooth = label_smoothing, as torch.nn.CrossEntropyLoss.
//   Where target == ignore_index, loss, row_weight and dlogits are 0 (lse is still written).
//
//   cross_entropy            reads logits, target, weight               writes loss, lse, row_weight
//   cross_entropy_backward   reads logits, target, weight, lse, dloss   writes dlogits
//
// Reduction is the caller's, with R = [n, s] rows:
//   "none"  loss as it is                                      dloss = upstream, strides as it lies
//   "sum"   sum of loss                                        dloss = upstream, strides 0
//   "mean"  sum of loss / W, W = sum of row_weight             dloss = upstream / W, strides 0
// This is PyTorch's mean with and without weights, ignore_index and label smoothing (row_weight is w[t], or 1 without
// weights, or 0 where ignored). If all rows are ignored, W is 0 and the mean is NaN, as in PyTorch.
//
// s stands for all trailing axes together: [n, c] has s = 1, [n, c, h, w] has s = h * w.
// Kernels rely on every target being in [0, c) or equal to ignore_index: the caller has checked. c = 0 needs n * s = 0
// or all rows ignored.
#pragma once
#include "../../abi.h"

namespace loopnest {

struct CrossEntropy {
  Workspace workspace;
  const void* logits;     // [n, c, s]
  const int64_t* target;  // [n, s]
  const void* weight;     // [c], stride 1, or null
  const void* dloss;      // [n, s]      backward only
  void* loss;             // [n, s] dense
  void* lse;              // [n, s] dense; written by forward (if not null), read by backward
  void* row_weight;       // [n, s] dense, or null
  void* dlogits;          // [n, c, s]   backward only
  int64_t n, c, s;
  int64_t logits_n, logits_c, logits_s;
  int64_t target_n, target_s;
  int64_t dloss_n, dloss_s;
  int64_t dlogits_n, dlogits_c, dlogits_s;
  int64_t ignore_index;    // PyTorch's default: -100
  double label_smoothing;  // in [0, 1]
};

}  // namespace loopnest
