#include "cores.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace loopnest {

#if defined(__linux__)

int core_here() { return sched_getcpu(); }

void leave_cores(const int* taken, int n) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;  // over 1024 cores: left to the scheduler
  cpu_set_t free = allowed;
  for (int i = 0; i < n; i++)
    if (taken[i] >= 0 && taken[i] < CPU_SETSIZE) CPU_CLR(taken[i], &free);
  if (CPU_COUNT(&free) == 0) return;
  if (sched_setaffinity(0, sizeof free, &free) == 0) sched_setaffinity(0, sizeof allowed, &allowed);
}

#else

int core_here() { return -1; }
void leave_cores(const int*, int) {}

#endif

}  // namespace loopnest
