// The one way a kernel is started, from either binding: workspace from the arena, weights packed if the rung wants
// them so, threads from the pool.
#pragma once
#include "registry.h"

namespace loopnest {

// How many threads this much work is worth, at most pool_threads().
int worthwhile_threads(Work work);

// Runs the rung on `args` (the operator's struct). threads = 0: as many as the work is worth. If the struct's
// workspace.packed is null and the rung needs packed weights, they are packed for this one run.
bool run_rung(const Rung& rung, const Operator& op, void* args, int threads, Error& error);

// The same rung on `count` arguments of the same sizes and strides: place(args, i, data) puts the arrays of the i-th
// into them. Small work each, shared out whole: every member of the team does some of them alone.
using Place = void (*)(void* args, int64_t i, void* data);
bool run_each(const Rung& rung, const Operator& op, void* args, int64_t count, Place place, void* data, Error& error);

// Packs the weights of `args` for this rung into memory of rung.packed_bytes(args).
void prepare_rung(const Rung& rung, const void* args, void* packed, int threads);

}  // namespace loopnest
