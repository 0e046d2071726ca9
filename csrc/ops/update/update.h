// update: the contract shared by the steps of all optimisers: sgd_step, adam_step, rmsprop_step, adagrad_step and
// adadelta_step. One pass changes parameters and what their formula remembers, number by number (rules.h has the
// formulas). All arrays of a part are dense and as long as each other.
//
//   sgd_step       s0 momentum buffer (momentum != 0)
//   adam_step      s0 average of g, s1 of g^2, s2 largest s1 so far (option: amsgrad)
//   rmsprop_step   s0 average of g^2, s1 of g (option: centered), s2 momentum buffer (momentum != 0)
//   adagrad_step   s0 sum of g^2
//   adadelta_step  s0 average of g^2, s1 of the steps' squares
#pragma once
#include "../../abi.h"

namespace loopnest {

struct UpdatePart {
  void* p;           // [n] parameters, changed
  const void* grad;  // [n]
  void* s0;          // [n] or null, changed; s1 and s2 likewise
  void* s1;
  void* s2;
  int64_t n;
};

struct Update {
  Workspace workspace;
  void* p;  // the one part, if parts is null
  const void* grad;
  void* s0;
  void* s1;
  void* s2;
  int64_t n;
  const UpdatePart* parts;  // [count] all parameters of a step at once; null: the one above
  int64_t count;
  double lr;            // adam: lr / (1 - beta1^t); adagrad: lr / (1 + (t - 1) lr_decay)
  double weight_decay;  // added to the gradient times p; decoupled: p *= 1 - shrink first
  double shrink;        // lr * weight_decay if decoupled, otherwise 0
  double momentum, dampening;
  double beta1, beta2;  // adam: of g and g^2; rmsprop, adadelta: beta2 is alpha or rho
  double eps;
  double root;  // adam: sqrt(1 - beta2^t)
  bool maximize;
  bool nesterov;
  bool first;   // sgd: the buffer has no contents yet
  bool option;  // adam: amsgrad; rmsprop: centered
};

}  // namespace loopnest
