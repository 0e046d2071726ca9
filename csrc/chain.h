// Several steps of a planned network as one, over bands of rows: what one step writes and only the next one reads then
// stays in the second-level cache, and is never a whole array. An inverted residual of MobileNetV2, 1x1 -> depthwise ->
// 1x1, is such a chain.
#pragma once
#include "registry.h"

namespace loopnest {

// A recorded call of a kernel. `links`: it and the following ones run as one chain of so many steps; 0: on its own, or
// inside a chain.
struct ProgramStep {
  const Ladder* ladder;  // null: not a kernel
  const Rung* rung;
  char* args;
  size_t bytes;
  int64_t links;
};

// How many of these steps to run as one chain: 1 if that is not possible or would not pay. Each step's result must be
// read by the next one only. Results are the same bits as without: only rungs whose sums do not depend on which rows
// are done together can be links.
int chain_length(const ProgramStep* steps, int count);

bool chain_run(const ProgramStep* steps, int count, Error& error);

}  // namespace loopnest
