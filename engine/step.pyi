"""Types of loopnest.engine.step, for type checkers; the module itself is Cython."""

from typing import Any

from .tape import Tensor

def update(op: str, params: list[Tensor], states: list[Any], numbers: dict[str, Any]) -> None: ...
