"""Types of loopnest.engine.cell, for type checkers; the module itself is Cython."""

from .tape import Tensor

def lstm_cell(
    sums: Tensor, c_0: Tensor | None = None, more: Tensor | None = None
) -> tuple[Tensor, Tensor]: ...
