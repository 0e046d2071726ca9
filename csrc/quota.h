// How many CPUs this process may use.
#pragma once

namespace loopnest {

// The smaller of the CPU affinity and the container's quota (cgroup v2 cpu.max, v1 cfs_quota), at least 1. A quota of
// 1.5 CPUs counts as 2: the second thread is throttled half of the time, a single one would idle a third.
int cpu_limit();

}  // namespace loopnest
