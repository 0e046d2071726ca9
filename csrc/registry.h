// Every ladder of this process: which rungs exist for an operator and which one runs.
#pragma once
#include "abi.h"
#include "error.h"

namespace loopnest {

// What an operator needs to do at the least: for rooflines, and to decide how many threads are worth waking.
struct Work {
  double flops;         // 2 for a multiply-add; taps on padding are not counted
  double bytes;         // every array once
  double meetings = 0;  // how often a team meets on the way
};

struct Operator {
  const char* name;
  size_t args_bytes;
  Work (*work)(const void* args, Dtype dtype);
};

// All rungs of one operator and dtype that this process may use, the preferred first: the best ISA, and there from the
// top of the ladder down.
struct Ladder {
  const Operator* op;
  Dtype dtype;
  const Rung* const* rungs;  // null-terminated
};

const Ladder* const* all_ladders(Error& error);  // null-terminated
const Ladder* find_ladder(const char* op, Dtype dtype, Error& error);

// The first rung that fits and does not leave it to a lower one: `rung` and `isa` may be null (any). What was passed
// over, and why, goes to `visit` if given. A rung or ISA asked for by name that does not exist or cannot do these
// arguments is an error.
using Visit = void (*)(void* data, const Rung* rung, const char* reason);  // reason: null for the one that is taken
const Rung* pick(const Ladder& ladder, const void* args, const char* rung, const char* isa, Error& error,
                 Visit visit = nullptr, void* data = nullptr);

}  // namespace loopnest
