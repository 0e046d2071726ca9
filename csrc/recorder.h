// How engine/plan.pyx, the only file that includes this, gets between the engine and the kernels' table.
#pragma once
#include <chrono>

#include "api.h"

namespace loopnest {
namespace {

inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The recording of this thread, or null.
thread_local void* plan_recorder = nullptr;

// The kernels' table: four of its functions are replaced by ours, which call these.
KernelApi* table;
bool (*run_plain)(const Ladder*, void*, Error*);
void* (*allocate_plain)(size_t);
void (*release_plain)(void*);
decltype(KernelApi::run_each) each_plain;

// While a plan is recorded, work on many arguments is recorded one by one.
inline bool each_recorded(const Ladder* ladder, void* args, int64_t count, Place place, void* data, Error* error) {
  if (!plan_recorder) return each_plain(ladder, args, count, place, data, error);
  for (int64_t i = 0; i < count; i++) {
    place(args, i, data);
    if (!table->run(ladder, args, error)) return false;
  }
  return true;
}

inline void plan_hook(KernelApi* api, bool (*run)(const Ladder*, void*, Error*), void* (*allocate)(size_t),
                      void (*release)(void*)) {
  table = api;
  run_plain = api->run, allocate_plain = api->allocate, release_plain = api->release;
  each_plain = api->run_each;
  api->run = run, api->allocate = allocate, api->release = release, api->run_each = each_recorded;
}

}  // namespace
}  // namespace loopnest
