"""Shapes of products of matrices."""

from dataclasses import dataclass
from typing import ClassVar

from loopnest.shapes.text import Shape


@dataclass(frozen=True)
class GemmShape(Shape):
    """a [m, k], b [k, n], c [m, n]."""

    op: ClassVar[str] = "gemm"

    m: int
    n: int
    k: int

    @property
    def flop(self) -> int:
        """2 per multiply-add."""
        return 2 * self.m * self.n * self.k
