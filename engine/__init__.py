"""The engine (Cython): tensors and their tape, loops over time.

It reaches the kernels through a capsule of loopnest._core, so there is one copy of them in the process.
"""
