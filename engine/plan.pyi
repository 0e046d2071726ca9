"""Types of loopnest.engine.plan, for type checkers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

class Recording:
    kept: list[Any]
    constants: list[Any]
    packs: list[int]
    where: list[str]
    layer: str
    def __enter__(self) -> Recording: ...
    def __exit__(self, *ignored: object) -> bool: ...
    def __len__(self) -> int: ...
    def note(self, pack: bool = False) -> None: ...
    def knows(self, a: NDArray[Any], inputs: list[NDArray[Any]]) -> bool: ...
    def epilogue(self, activation: str | None, residual: NDArray[Any] | None, y: NDArray[Any]) -> bool: ...
    def strided(self, op: str, out: NDArray[Any], a: NDArray[Any], b: NDArray[Any] | None = None) -> None: ...

class Pack:
    bytes: int

class Program:
    arena_bytes: int
    packs: list[Pack]
    description: list[tuple[str, str]]
    def call(self, inputs: tuple[Any, ...]) -> list[Any] | None: ...
    def run(self, inputs: list[np.ndarray], spoilt: bool = False) -> list[np.ndarray]: ...
    def __len__(self) -> int: ...

def build(
    first: Recording,
    inputs: list[np.ndarray],
    outputs: list[np.ndarray],
    second: Recording,
    inputs2: list[np.ndarray],
    known: dict[Any, list[Pack]],
) -> Program: ...
