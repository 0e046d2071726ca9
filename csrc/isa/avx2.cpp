// The kernels for avx2: the flags of its row in isa.inc, everything else from kernels.h.
#define LOOPNEST_ISA avx2
#include "../kernels.h"

namespace loopnest {
extern const IsaTable table_avx2;
constinit const IsaTable table_avx2 = avx2::table();  // constinit: code of this ISA must not run at load time
}  // namespace loopnest
