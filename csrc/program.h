// What engine/plan.pyx needs beyond KernelApi to keep kernels' arguments and run them again later: a second table of
// functions, in a capsule of its own.
#pragma once
#include "chain.h"

namespace loopnest {

struct ProgramApi {
  size_t (*args_bytes)(const Ladder*);
  const char* (*op)(const Ladder*);
  const char* (*rung_name)(const Rung*);
  const Rung* (*pick)(const Ladder*, const void* args, Error*);
  // threads: as many as the work is worth. Weights are packed on the way if args' workspace.packed is null.
  bool (*run)(const Rung*, const Ladder*, void* args, Error*);
  size_t (*packed_bytes)(const Rung*, const void* args);
  void (*prepare)(const Rung*, const void* args, void* packed);
  void (*work)(const Ladder*, const Rung*, const void* args, double* flops, double* bytes);
  int (*chain_length)(const ProgramStep*, int count);  // see chain.h
  bool (*chain_run)(const ProgramStep*, int count, Error*);
};

ProgramApi* program_api();

}  // namespace loopnest
