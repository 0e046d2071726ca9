#include "precision.h"

#include <string.h>

#include <atomic>

namespace loopnest {
namespace {

const char* const names[] = {"fast", "high", "exact"};  // as enum Precision counts
std::atomic<int64_t> setting{Fast};

}  // namespace

int64_t get_precision() { return setting.load(std::memory_order_relaxed); }

const char* precision_name(int64_t precision) { return names[precision]; }

bool set_precision(const char* name, Error& error) {
  for (int64_t p : {Fast, High, Exact})
    if (strcmp(name, names[p]) == 0) {
      setting.store(p, std::memory_order_relaxed);
      return true;
    }
  return fail(error, Error::Value, "set_precision: expected \"fast\", \"high\" or \"exact\", got \"%s\"", name);
}

}  // namespace loopnest
