// On which core a thread runs, and how a team's threads get a core each.
//
// A scheduler may put a woken thread on the core of the thread that woke it. Where cores share no cache by its
// knowledge, as in many virtual machines, it does so at every wake: caller and worker take turns on one core while
// another idles, and a layer of 6 microseconds takes 110.
#pragma once

#if defined(__linux__)
#include <sched.h>
#endif

namespace loopnest {

// The number of the core that this thread runs on; -1 where the system does not say.
int core_here();

// While it lives, this thread runs, and is woken, on other cores than the n in `taken`; afterwards it may run where it
// might before, but is not moved. Does nothing where no other core is allowed.
class AwayFrom {
 public:
  AwayFrom(const int* taken, int n);
  ~AwayFrom();
  AwayFrom(const AwayFrom&) = delete;

 private:
#if defined(__linux__)
  cpu_set_t allowed_;
  bool moved_ = false;
#endif
};

}  // namespace loopnest
