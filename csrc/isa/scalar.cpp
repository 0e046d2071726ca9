// The kernels for scalar: the flags of its row in isa.inc, everything else from kernels.h.
#define LOOPNEST_ISA scalar
#include "../kernels.h"

namespace loopnest {
extern const IsaTable table_scalar;
constinit const IsaTable table_scalar = scalar::table();  // constinit: code of this ISA must not run at load time
}  // namespace loopnest
