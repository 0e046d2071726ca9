// The kernels for sse: the flags of its row in isa.inc, everything else from kernels.h. Compiled once per family of
// operators, with -DLOOPNEST_FAMILY=conv for families/conv.inc.
#define LOOPNEST_ISA sse
#include "../kernels.h"
