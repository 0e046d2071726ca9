"""The engine (Cython): tensors and their tape, loops over time. Reaches the kernels through a capsule of loopnest._core."""
