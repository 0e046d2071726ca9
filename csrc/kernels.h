// Everything that is compiled once per ISA and family, in one anonymous namespace; isa/<name>.cpp includes this file,
// which exports one table. No other file of the kernels may be included from a header that the baseline also compiles.
#pragma once
#if defined(__x86_64__)
#include <immintrin.h>  // mask loads only; its functions are always inlined and leave no symbols
#endif
#include "abi.h"
#include "ops/conv2d/conv2d.h"
#include "ops/conv3d/conv3d.h"
#include "ops/cross_entropy/cross_entropy.h"
#include "ops/embedding/embedding.h"
#include "ops/gemm/gemm.h"
#include "ops/gru/gru.h"
#include "ops/gru_backward/gru_backward.h"
#include "ops/lstm/lstm.h"
#include "ops/lstm_backward/lstm_backward.h"
#include "ops/lstm_cell/lstm_cell.h"
#include "ops/map/map.h"
#include "ops/max_pool2d/pool2d.h"
#include "ops/norm/norm.h"
#include "ops/reduce/reduce.h"
#include "ops/resample/resample.h"
#include "ops/rnn/rnn.h"
#include "ops/rnn_backward/rnn_backward.h"
#include "ops/softmax/softmax.h"
#include "ops/update/update.h"

namespace loopnest::LOOPNEST_ISA {
namespace {

// This ISA's row of isa.inc.
struct Isa {
  const char* name;
  int vector_bytes;
  int registers;
};
#define ISA(name, arch, vector_bytes, registers, flags) constexpr Isa row_##name = {#name, vector_bytes, registers};
#include "isa.inc"
#undef ISA
#define LOOPNEST_ROW_(name) row_##name
#define LOOPNEST_ROW(name) LOOPNEST_ROW_(name)
constexpr Isa isa = LOOPNEST_ROW(LOOPNEST_ISA);
constexpr int isa_vector_bytes = isa.vector_bytes;
constexpr int isa_registers = isa.registers;

#include "simd/vec.h"
#include "simd/math.h"
#include "simd/special.h"
#include "simd/strided.h"
#include "simd/transpose.h"
#include "simd/fold.h"
#include "simd/block.h"
#include "simd/share.h"
#include "simd/epilogue.h"
#include "simd/product.h"
#include "simd/matrix.h"
#include "simd/thin.h"
#include "simd/rung.h"
#include "simd/recurrent.h"
#include "simd/measure.h"

#include "ops/map/walk.h"

// The rungs: one line per operator in families/<family>.inc, one line per rung in its ladder.inc.
#define LADDER_HEADERS
#include "ladders.inc"
#undef LADDER_HEADERS

constexpr Rung rungs[] = {
#define LADDER_ROWS
#include "ladders.inc"
#undef LADDER_ROWS
};

constexpr IsaTable table() { return {isa.name, rungs, sizeof rungs / sizeof rungs[0], {measure_fma, measure_read}}; }

}  // namespace
}  // namespace loopnest::LOOPNEST_ISA

#define LOOPNEST_TABLE_(isa, family) table_##isa##_##family
#define LOOPNEST_TABLE(isa, family) LOOPNEST_TABLE_(isa, family)

namespace loopnest {
extern const IsaTable LOOPNEST_TABLE(LOOPNEST_ISA, LOOPNEST_FAMILY);
// constinit: code of this ISA must not run at load time
constinit const IsaTable LOOPNEST_TABLE(LOOPNEST_ISA, LOOPNEST_FAMILY) = LOOPNEST_ISA::table();
}  // namespace loopnest
