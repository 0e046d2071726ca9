#include "api.h"

#include "pool.h"

namespace loopnest {
namespace {

const Ladder* ladder(const char* op, int dtype, Error* error) { return find_ladder(op, Dtype(dtype), *error); }

bool run(const Ladder* ladder, void* args, Error* error) {
  Workspace& workspace = *static_cast<Workspace*>(args);
  workspace.once = !workspace.packed;
  const Rung* rung = pick(*ladder, args, nullptr, nullptr, *error);
  return rung && run_rung(*rung, *ladder->op, args, 0, *error);
}

bool each(const Ladder* ladder, void* args, int64_t count, Place place, void* data, Error* error) {
  static_cast<Workspace*>(args)->once = true;
  const Rung* rung = pick(*ladder, args, nullptr, nullptr, *error);
  return rung && run_each(*rung, *ladder->op, args, count, place, data, *error);
}

bool pack(const Ladder* ladder, const void* args, void** packed, Error* error) {
  *packed = nullptr;
  const Rung* rung = pick(*ladder, args, nullptr, nullptr, *error);
  if (!rung) return false;
  size_t bytes = rung->packed_bytes(args);
  if (!bytes) return true;
  *packed = arena_allocate(bytes);
  if (!*packed) return fail(*error, Error::Memory, "%s: no memory for %zu bytes of packed weights", rung->op, bytes);
  prepare_rung(*rung, args, *packed, pool_threads());
  return true;
}

}  // namespace

KernelApi* kernel_api() {
  static KernelApi api = {
      ladder, run, each, pack, arena_allocate, arena_release,
#define OPERATOR_CHECK(check) check,
#include "checks.inc"
#undef OPERATOR_CHECK
  };
  return &api;
}

}  // namespace loopnest
