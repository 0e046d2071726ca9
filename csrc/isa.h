// Which ISA libraries exist in this build, and which of them this machine may run.
#pragma once
#include "abi.h"
#include "error.h"

namespace loopnest {

// The usable tables, slowest first, null-terminated. LOOPNEST_ISA=avx2 leaves out everything above avx2; it is read
// once, at the first call. A name that does not exist or that the machine cannot run is an error, never ignored.
const IsaTable* const* usable_isas(Error& error);

// What this machine's CPU and operating system can run, whatever LOOPNEST_ISA says and this build contains.
bool machine_runs(const char* isa);

}  // namespace loopnest
