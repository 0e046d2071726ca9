"""Types of loopnest.engine.bag, for type checkers; the module itself is Cython."""

from typing import Any

from numpy.typing import NDArray

from .tape import Tensor

def bag_sums(rows: Tensor, bags: NDArray[Any], count: int) -> Tensor: ...
