"""Types of loopnest.engine.custom, for type checkers; the module itself is Cython."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from .tape import Tensor

def numbers(input: Tensor) -> NDArray[Any]: ...
def recorded(
    title: str,
    result: Any,
    inputs: tuple[Tensor, ...],
    function: Callable[..., tuple[NDArray[Any] | None, ...]],
    kept: tuple[Tensor, ...] = (),
) -> Tensor: ...
def fitted(g: Any, like: Tensor) -> NDArray[Any]: ...
def sealed_as(sealed: Tensor, array: NDArray[Any], opened: bool) -> None: ...
def look_as(t: Tensor, view: Tensor) -> Tensor: ...
def retains(t: Tensor) -> bool: ...
def recorded_all(
    title: str,
    results: tuple[Any, ...],
    inputs: tuple[Tensor, ...],
    function: Callable[[list[Any]], tuple[NDArray[Any] | None, ...]],
    differentiable: tuple[bool, ...],
) -> tuple[Tensor, ...]: ...
