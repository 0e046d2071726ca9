"""Types of loopnest.engine.resample, for type checkers; the module itself is Cython."""

from typing import Any

from .tape import Tensor

LARGEST: int

def resample(
    title: str, input: Tensor, hows: tuple[Any, ...], sizes: tuple[int, ...], fill: float = 0.0
) -> Tensor: ...
def tables(how: tuple[Any, ...], turned: bool, double: bool) -> tuple[Any, Any, Any]: ...
