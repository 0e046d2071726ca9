// Compiled with baseline flags only: this code runs before anybody knows what the CPU can do.
#include "isa.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace loopnest {

#define ISA(name, arch, vector_bytes, registers, flags) extern const IsaTable table_##name;
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
#define ISA(name, arch, vector_bytes, registers, flags) consider(#name, LOOPNEST_TABLE_##name);
#define LOOPNEST_ABSENT static_cast<const IsaTable*>(nullptr)
#ifdef LOOPNEST_HAS_scalar
#define LOOPNEST_TABLE_scalar &table_scalar
#else
#define LOOPNEST_TABLE_scalar LOOPNEST_ABSENT
#endif
#ifdef LOOPNEST_HAS_sse
#define LOOPNEST_TABLE_sse &table_sse
#else
#define LOOPNEST_TABLE_sse LOOPNEST_ABSENT
#endif
#ifdef LOOPNEST_HAS_avx2
#define LOOPNEST_TABLE_avx2 &table_avx2
#else
#define LOOPNEST_TABLE_avx2 LOOPNEST_ABSENT
#endif
#ifdef LOOPNEST_HAS_avx512
#define LOOPNEST_TABLE_avx512 &table_avx512
#else
#define LOOPNEST_TABLE_avx512 LOOPNEST_ABSENT
#endif
#ifdef LOOPNEST_HAS_neon
#define LOOPNEST_TABLE_neon &table_neon
#else
#define LOOPNEST_TABLE_neon LOOPNEST_ABSENT
#endif
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
