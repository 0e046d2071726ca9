// The steps of a planned network that are no kernels: copies, and arithmetic of two arrays (engine/plan.pyx).
#pragma once
#include "copy.h"
#include "elementwise.h"

namespace loopnest::loops {
namespace {

// out = a op b, or out = a, for any strides; `axes` of a, b, out. All members are whole words: a plan compares them.
struct Strided {
  void* out;
  const void* a;
  const void* b;
  int64_t op, dtype;
  Axes axes;
};

inline int64_t count(const Axes& axes) {
  int64_t n = 1;
  for (int d = 0; d < axes.rank; d++) n *= axes.shape[d];
  return n;
}

inline void run_strided(const Strided& s) {
  Axes axes = s.axes;
  if (count(axes) == 0) return;
  if (s.op == loop_same) copy_axes(bytes_of(int(s.dtype)), s.a, s.out, axes);
  else broadcast(int(s.dtype), int(s.op), s.a, s.b, s.out, axes);
}

// What it reads and writes.
inline double strided_bytes(const Strided& s) {
  return double(count(s.axes) * bytes_of(int(s.dtype))) * (s.op == loop_same ? 2 : 3);
}

}  // namespace
}  // namespace loopnest::loops
