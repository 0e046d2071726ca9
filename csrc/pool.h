// The thread pool: a job is run by a team of `size` threads at once, each with its rank; the caller is rank 0.
//
// Workers spin for a short while after a job, because the next one usually follows at once (waking a sleeping thread
// costs 30 to 40 microseconds, a spinning one 0.1), then sleep. If the pool is busy with another Python thread's job,
// the caller runs alone; results do not depend on the size of the team. In a child after fork() the workers are
// started anew at first use.
#pragma once
#include "abi.h"
#include "error.h"

namespace loopnest {

using Job = void (*)(void* data, const Team* team);

// Runs the job with a team of at most `threads` members; returns when all are done.
void pool_run(int threads, Job job, void* data);

// How many threads may be used: LOOPNEST_NUM_THREADS, else what the CPU affinity, the container's CPU quota and
// OMP_NUM_THREADS leave. pool_available says the latter, whatever was set.
int pool_threads();
int pool_available();
bool pool_set_threads(int64_t threads, Error& error);
bool pool_check_environment(Error& error);

bool pool_flush_denormal();
void pool_set_flush_denormal(bool on);

}  // namespace loopnest
