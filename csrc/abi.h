// What every kernel and every caller of kernels agree on: plain structs, no classes, no exceptions.
//
// An operator has a contract (ops/<operator>/<operator>.h): one struct that says where the arrays lie, how long
// each axis is and how far apart neighbours are. Its rungs are complete kernels for that contract. A rung is
// compiled once per ISA; each copy is one `Rung` row below, collected by the registry.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace loopnest {

enum Dtype : int { F32 = 0, F64 = 1, I64 = 2 };  // kernels exist for F32 and F64; I64 is for indices

// What may be done to an output before it leaves the cache, in operators that have an epilogue:
//   y = activation(sum + bias + add)      add lies in memory as y does: the same strides
enum Activation : int64_t { ActNone, ActRelu, ActRelu6, ActSilu, ActSigmoid, ActTanh, ActGelu };

// What the chooser may take unasked (precision.h). Exact: rungs that add up the products of the formula, in any order.
// High: also those whose intermediate numbers are a few times larger than these products, and exact for small integers.
// Fast: every rung.
enum Precision : int64_t { Fast = 0, High = 1, Exact = 2 };

// A result of one pass over memory that is so large is not in a second-level cache when it is read again, and a third
// level that holds it reads it first in order to write it: Ice Lake, 16 MB of ReLU 2.8 ms, past the caches 2.0, 38 MB
// 6.9 and 4.5; with the reader that follows 4.1 and 3.5, 11.0 and 8.4 (8 MB 1.8 and 1.7, 4 MB 0.65 and 0.82).
constexpr ptrdiff_t past_from = 8 << 20;

// One member of the team of threads that runs a kernel together (SPMD: every member calls `run` with its own rank
// and takes its own static share of the work). `barrier` returns when all members have called it.
struct Team {
  int rank;
  int size;
  void (*barrier)(const Team*);
  void* pool;  // the pool's own, not for kernels
};

// First member of every operator's struct: memory that the caller provides, because kernels never allocate.
struct Workspace {
  const void* packed;  // what the rung's `prepare` wrote for these weights; 64-byte aligned
  void* scratch;       // rung's `scratch_bytes` bytes, shared by the team; 64-byte aligned, contents undefined
  bool once;           // packed weights would serve this call only: their packing counts when a rung is chosen
};

// One kernel for one ISA and dtype. `args` is the operator's struct.
struct Rung {
  const char* op;    // "conv2d"
  const char* name;  // "tile"
  int step;          // 3, as in r3_tile.h: the position on the ladder
  const char* isa;   // "avx2"
  Dtype dtype;
  const char* idea;                           // one line for people
  const char* (*supports)(const void* args);  // null if it can, otherwise the reason why not
  const char* (*declines)(const void* args);  // null, or why another rung should run unless this one is asked for
  size_t (*packed_bytes)(const void* args);   // 0: nothing to prepare
  void (*prepare)(const void* args, void* packed, const Team*);
  size_t (*scratch_bytes)(const void* args, int threads);
  void (*run)(const void* args, const Team*);
};

// Instruments that must be compiled per ISA as well: see simd/measure.h.
struct Instruments {
  double (*fma)(int64_t rounds);  // runs rounds of independent multiply-adds, returns floating-point operations done
  double (*read)(const float* data, int64_t count, int64_t rounds);  // sums the data, returns bytes read
};

struct IsaTable {
  const char* isa;
  const Rung* rungs;
  size_t count;
  Instruments instruments;
};

}  // namespace loopnest
