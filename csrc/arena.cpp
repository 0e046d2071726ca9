#include "arena.h"

#include <pthread.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <mutex>

namespace loopnest {
namespace {

// Every block starts with one cache line for its size class; the caller's memory begins behind it.
constexpr size_t header = 64;
constexpr size_t huge_page = size_t(2) << 20;
constexpr int classes = 4 * 48;
// Above this much idle memory, freed blocks go back to the system: a fully convolutional net over many image sizes
// must not keep one set of buffers per size.
constexpr int64_t cache_limit = int64_t(1) << 30;

struct FreeBlock {
  FreeBlock* next;
};

struct Arena {
  std::mutex lock;
  FreeBlock* free[classes] = {};
  ArenaStats stats = {};
  int64_t fail_at = 0;
};

// Never destroyed: arrays may outlive static destructors. Locked around fork, so that a child finds it consistent.
Arena& arena() {
  static Arena& only = [&]() -> Arena& {
    static Arena* a = new Arena;
    pthread_atfork([] { a->lock.lock(); }, [] { a->lock.unlock(); }, [] { a->lock.unlock(); });
    return *a;
  }();
  return only;
}

// Four classes to an octave (64 * 2^k * {1, 1.25, 1.5, 1.75}): at most a quarter of a block is wasted.
int class_of(size_t bytes) {
  int k = 0;
  while ((size_t(64) << (k + 1)) <= bytes && k < 46) k++;
  size_t base = size_t(64) << k;
  int quarter = 0;
  while (quarter < 4 && base + base / 4 * quarter < bytes) quarter++;
  return 4 * k + quarter;
}

size_t class_bytes(int c) {
  size_t base = size_t(64) << (c / 4);
  return base + base / 4 * (c % 4);
}

void* from_system(size_t bytes) {
  if (bytes < huge_page) return aligned_alloc(64, (bytes + 63) / 64 * 64);
  size_t rounded = (bytes + huge_page - 1) / huge_page * huge_page;
  void* block = aligned_alloc(huge_page, rounded);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (block) madvise(block, rounded, MADV_HUGEPAGE);  // 512 times fewer page faults and TLB entries, if allowed
#endif
  return block;
}

}  // namespace

void* arena_allocate(size_t bytes) {
  if (bytes > (size_t(1) << 46)) return nullptr;
  Arena& a = arena();
  int c = class_of(bytes < 64 ? 64 : bytes);
  size_t size = class_bytes(c);
  {
    std::lock_guard guard(a.lock);
    if (a.fail_at > 0 && --a.fail_at == 0) return nullptr;
    if (FreeBlock* block = a.free[c]) {
      a.free[c] = block->next;
      a.stats.cached -= int64_t(size);
      a.stats.used += int64_t(size);
      return block;
    }
  }
  char* block = static_cast<char*>(from_system(size + header));
  if (!block) return nullptr;
  *reinterpret_cast<int*>(block) = c;
  std::lock_guard guard(a.lock);
  a.stats.used += int64_t(size);
  a.stats.system_calls++;
  return block + header;
}

void arena_release(void* memory) {
  if (!memory) return;
  Arena& a = arena();
  char* block = static_cast<char*>(memory) - header;
  int c = *reinterpret_cast<int*>(block);
  int64_t size = int64_t(class_bytes(c));
  {
    std::lock_guard guard(a.lock);
    a.stats.used -= size;
    if (a.stats.cached + size <= cache_limit) {
      a.stats.cached += size;
      a.free[c] = new (memory) FreeBlock{a.free[c]};
      return;
    }
  }
  free(block);
}

void arena_trim() {
  Arena& a = arena();
  std::lock_guard guard(a.lock);
  for (auto& list : a.free)
    while (list) {
      FreeBlock* next = list->next;
      free(reinterpret_cast<char*>(list) - header);
      list = next;
    }
  a.stats.cached = 0;
}

ArenaStats arena_stats() {
  Arena& a = arena();
  std::lock_guard guard(a.lock);
  return a.stats;
}

void arena_fail_at(int64_t n) {
  Arena& a = arena();
  std::lock_guard guard(a.lock);
  a.fail_at = n;
}

}  // namespace loopnest
