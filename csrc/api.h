// What the Cython engine sees of the kernels' side: a table of C functions that loopnest._core hands over in a capsule.
// So there is one copy of the kernels, one thread pool and one arena in the process, whichever binding is used.
// engine/kernels.pxd repeats these declarations for Cython.
#pragma once
#include "arena.h"
#include "array.h"
#include "epilogue.h"
#include "operators.h"
#include "registry.h"
#include "run.h"

namespace loopnest {

struct KernelApi {
  const Ladder* (*ladder)(const char* op, int dtype, Error* error);  // null: error says why
  // Picks the rung and runs it; threads are as many as the work is worth.
  bool (*run)(const Ladder* ladder, void* args, Error* error);
  // Picks the rung once and runs it on `count` arguments of the same sizes and strides (run.h: run_each).
  bool (*run_each)(const Ladder* ladder, void* args, int64_t count, Place place, void* data, Error* error);
  // Packs the weights of `args` for the rung that would run on them now, into a block of the arena (null: it wants
  // none), which the caller puts into workspace.packed of arguments with the same sizes and releases in the end.
  bool (*pack)(const Ladder* ladder, const void* args, void** packed, Error* error);
  void* (*allocate)(size_t bytes);
  void (*release)(void* block);
#define OPERATOR_CHECK(check) decltype(&loopnest::check) check;
#include "checks.inc"
#undef OPERATOR_CHECK
};

KernelApi* kernel_api();

}  // namespace loopnest
