"""Types of loopnest.engine.stepping, for type checkers; the module itself is Cython."""

from typing import Any

from .tape import Tensor

class Step:
    def __init__(self, kind: str, parameters: dict[str, Any], names: list[str], biases: bool) -> None: ...
    def step(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]: ...
