#include "api.h"

#include "run.h"

namespace loopnest {
namespace {

const Ladder* ladder(const char* op, int dtype, Error* error) { return find_ladder(op, Dtype(dtype), *error); }

bool run(const Ladder* ladder, void* args, Error* error) {
  const Rung* rung = pick(*ladder, args, nullptr, nullptr, *error);
  return rung && run_rung(*rung, *ladder->op, args, 0, *error);
}

}  // namespace

KernelApi* kernel_api() {
  static KernelApi api = {
      ladder,
      run,
      arena_allocate,
      arena_release,
#define OPERATOR_CHECK(check) check,
#include "checks.inc"
#undef OPERATOR_CHECK
  };
  return &api;
}

}  // namespace loopnest
