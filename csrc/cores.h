// On which core a thread runs, and how it gets off a core that another of the team has.
//
// A scheduler may put a woken worker on the core of the thread that woke it. Where cores share no cache by its
// knowledge, as in many virtual machines, it then leaves both there for as long as they sleep now and then: one
// spins while the other waits for the core, and a layer of 6 us takes 110 although a second core idles.
#pragma once

namespace loopnest {

// The number of the core that this thread runs on; -1 where the system does not say.
int core_here();

// Moves this thread to a core that is not in `taken` (n numbers). Where it may run afterwards is what it was before.
// Does nothing where no other core is allowed.
void leave_cores(const int* taken, int n);

}  // namespace loopnest
