// The kernels for neon: the flags of its row in isa.inc, everything else from kernels.h.
#define LOOPNEST_ISA neon
#include "../kernels.h"

namespace loopnest {
extern const IsaTable table_neon;
constinit const IsaTable table_neon = neon::table();  // constinit: code of this ISA must not run at load time
}  // namespace loopnest
