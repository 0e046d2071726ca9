#include "program.h"

#include "pool.h"
#include "run.h"

namespace loopnest {

ProgramApi* program_api() {
  static ProgramApi api = {
      [](const Ladder* ladder) { return ladder->op->args_bytes; },
      [](const Ladder* ladder) { return ladder->op->name; },
      [](const Rung* rung) { return rung->name; },
      [](const Ladder* ladder, const void* args, Error* error) {
        return pick(*ladder, args, nullptr, nullptr, *error);
      },
      [](const Rung* rung, const Ladder* ladder, void* args, Error* error) {
        return run_rung(*rung, *ladder->op, args, 0, *error);
      },
      [](const Rung* rung, const void* args) { return rung->packed_bytes(args); },
      [](const Rung* rung, const void* args, void* packed) { prepare_rung(*rung, args, packed, pool_threads()); },
      [](const Ladder* ladder, const Rung* rung, const void* args, double* flops, double* bytes) {
        Work work = ladder->op->work(args, rung->dtype);
        *flops = work.flops, *bytes = work.bytes;
      },
      chain_length,
      [](const ProgramStep* steps, int count, Error* error) { return chain_run(steps, count, *error); },
  };
  return &api;
}

}  // namespace loopnest
