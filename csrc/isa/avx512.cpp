// The kernels for avx512: the flags of its row in isa.inc, everything else from kernels.h.
#define LOOPNEST_ISA avx512
#include "../kernels.h"

namespace loopnest {
extern const IsaTable table_avx512;
constinit const IsaTable table_avx512 = avx512::table();  // constinit: code of this ISA must not run at load time
}  // namespace loopnest
