#include "cores.h"

namespace loopnest {

#if defined(__linux__)

int core_here() { return sched_getcpu(); }

AwayFrom::AwayFrom(const int* taken, int n) {
  if (sched_getaffinity(0, sizeof allowed_, &allowed_) != 0) return;  // over 1024 cores: left to the scheduler
  cpu_set_t free = allowed_;
  for (int i = 0; i < n; i++)
    if (taken[i] >= 0 && taken[i] < CPU_SETSIZE) CPU_CLR(taken[i], &free);
  if (CPU_COUNT(&free) == 0 || CPU_EQUAL(&free, &allowed_)) return;
  moved_ = sched_setaffinity(0, sizeof free, &free) == 0;
}

AwayFrom::~AwayFrom() {
  if (moved_) sched_setaffinity(0, sizeof allowed_, &allowed_);
}

#else

int core_here() { return -1; }
AwayFrom::AwayFrom(const int*, int) {}
AwayFrom::~AwayFrom() {}

#endif

}  // namespace loopnest
