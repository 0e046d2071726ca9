// The caching allocator for results and workspaces: 64-byte aligned, and a block that was freed is handed out again
// with its pages mapped and warm. A fresh 10 MB result from the system costs about 2500 page faults, which can take as
// long as the convolution that fills it.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace loopnest {

struct ArenaStats {
  int64_t used;          // bytes handed out and not yet returned (rounded up to the size classes)
  int64_t cached;        // bytes kept for the next caller
  int64_t system_calls;  // how often the system was asked for memory since the start
};

void* arena_allocate(size_t bytes);  // null when there is no memory
void arena_release(void* block);     // null is fine
void arena_trim();                   // gives everything cached back to the system
ArenaStats arena_stats();

// Tests: the n-th allocation from now on fails (n >= 1), once; 0 switches it off.
void arena_fail_at(int64_t n);

}  // namespace loopnest
