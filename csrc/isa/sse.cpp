// The kernels for sse: the flags of its row in isa.inc, everything else from kernels.h.
#define LOOPNEST_ISA sse
#include "../kernels.h"

namespace loopnest {
extern const IsaTable table_sse;
constinit const IsaTable table_sse = sse::table();  // constinit: code of this ISA must not run at load time
}  // namespace loopnest
