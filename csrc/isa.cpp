// Compiled with baseline flags only: this code runs before anybody knows what the CPU can do.
#include "isa.h"

#include <stdlib.h>
#include <string.h>

#include <initializer_list>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace loopnest {

// setup.py defines LOOPNEST_FAMILIES(F, isa) as F(isa, <family>) for every file of families/.
#define DECLARE(isa, family) extern const IsaTable table_##isa##_##family;
#define ISA(name, arch, vector_bytes, registers, flags) LOOPNEST_FAMILIES(DECLARE, name)
#include "isa.inc"
#undef ISA

namespace {

#if defined(__x86_64__)

// The registers that the operating system saves at a task switch (XGETBV): a CPU may have AVX-512 and the system not.
bool system_saves(unsigned mask) {
  unsigned eax, ebx, ecx, edx;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & (1u << 27))) return false;  // OSXSAVE
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & mask) == mask;
}

bool runs_sse() { return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt"); }

bool runs_avx2() {
  return runs_sse() && system_saves(0x6) && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

bool runs_avx512() {
  return runs_avx2() && system_saves(0xe6) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

#endif

const IsaTable* usable[8];
Error isa_error;

// One table of all the families that were compiled for an ISA; null if there are none. Never destroyed.
const IsaTable* join(std::initializer_list<const IsaTable*> families) {
  if (families.size() == 0) return nullptr;
  auto& rungs = *new std::vector<Rung>;
  for (auto f : families) rungs.insert(rungs.end(), f->rungs, f->rungs + f->count);
  auto first = *families.begin();
  return new IsaTable{first->isa, rungs.data(), rungs.size(), first->instruments};
}

bool choose() {
  const char* highest = getenv("LOOPNEST_ISA");
  int count = 0;
  bool found = !highest || !*highest;
  bool past = false;
  auto consider = [&](const char* name, const IsaTable* table) {
    bool named = highest && strcmp(highest, name) == 0;
    if (named) found = true;
    if (named && (!table || !machine_runs(name))) {
      fail(isa_error, Error::Value, "LOOPNEST_ISA=%s: this %s cannot run it", name, table ? "machine" : "build");
      past = true;
    }
    if (!past && table && machine_runs(name)) usable[count++] = table;
    if (named) past = true;
  };
#define ADDRESS(isa, family) &table_##isa##_##family,
#ifdef LOOPNEST_HAS_scalar
#define LOOPNEST_TABLES_scalar LOOPNEST_FAMILIES(ADDRESS, scalar)
#else
#define LOOPNEST_TABLES_scalar
#endif
#ifdef LOOPNEST_HAS_sse
#define LOOPNEST_TABLES_sse LOOPNEST_FAMILIES(ADDRESS, sse)
#else
#define LOOPNEST_TABLES_sse
#endif
#ifdef LOOPNEST_HAS_avx2
#define LOOPNEST_TABLES_avx2 LOOPNEST_FAMILIES(ADDRESS, avx2)
#else
#define LOOPNEST_TABLES_avx2
#endif
#ifdef LOOPNEST_HAS_avx512
#define LOOPNEST_TABLES_avx512 LOOPNEST_FAMILIES(ADDRESS, avx512)
#else
#define LOOPNEST_TABLES_avx512
#endif
#ifdef LOOPNEST_HAS_neon
#define LOOPNEST_TABLES_neon LOOPNEST_FAMILIES(ADDRESS, neon)
#else
#define LOOPNEST_TABLES_neon
#endif
#define ISA(name, arch, vector_bytes, registers, flags) consider(#name, join({LOOPNEST_TABLES_##name}));
#include "isa.inc"
#undef ISA
  if (!found) fail(isa_error, Error::Value, "LOOPNEST_ISA=%s: no such ISA; see csrc/isa.inc", highest);
  usable[count] = nullptr;
  return true;
}

}  // namespace

bool machine_runs(const char* isa) {
  if (strcmp(isa, "scalar") == 0) return true;
#if defined(__x86_64__)
  if (strcmp(isa, "sse") == 0) return runs_sse();
  if (strcmp(isa, "avx2") == 0) return runs_avx2();
  if (strcmp(isa, "avx512") == 0) return runs_avx512();
#elif defined(__aarch64__)
  if (strcmp(isa, "neon") == 0) return true;
#endif
  return false;
}

const IsaTable* const* usable_isas(Error& error) {
  static bool chosen = choose();
  (void)chosen;
  if (isa_error.kind != Error::None) error = isa_error;
  return usable;
}

}  // namespace loopnest
