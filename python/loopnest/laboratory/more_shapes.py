"""Shapes of operators that loopnest.shapes has no layers of; the same grammar, the letters of the contracts.

>>> NormShape.parse("n2 s9 c6 g3")
NormShape(n=2, s=9, c=6, g=3, batch=0)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loopnest.shapes import Shape


@dataclass(frozen=True)
class CountShape(Shape):
    """n numbers in a row."""

    op: ClassVar[str] = "element by element"

    n: int


@dataclass(frozen=True)
class AxisShape(Shape):
    """x [o, d, i]: an operator along d."""

    op: ClassVar[str] = "along an axis"

    o: int
    d: int
    i: int


@dataclass(frozen=True)
class NormShape(Shape):
    """x [n, s, c]: images, places, channels in g groups; batch1: over all images (batch norm: g = c)."""

    op: ClassVar[str] = "norm"
    defaults: ClassVar[dict[str, int]] = {"g": 1, "batch": 0}

    n: int
    s: int
    c: int
    g: int
    batch: int

    def _check(self) -> None:
        if self.g < 1 or self.c % self.g or self.batch > 1:
            raise ValueError(
                f'{self.op} shape "{self}": expected g to divide c={self.c}, and batch0 or batch1'
            )


@dataclass(frozen=True)
class ClassesShape(Shape):
    """logits [n, c, s], target [n, s]."""

    op: ClassVar[str] = "cross_entropy"
    defaults: ClassVar[dict[str, int]] = {"s": 1}

    n: int
    c: int
    s: int


@dataclass(frozen=True)
class LookupShape(Shape):
    """table [v, d], index [m]."""

    op: ClassVar[str] = "embedding"

    v: int
    d: int
    m: int


@dataclass(frozen=True)
class CellShape(Shape):
    """sums [m, 4h], c [m, h]."""

    op: ClassVar[str] = "lstm_cell"

    m: int
    h: int


@dataclass(frozen=True)
class ResizeShape(Shape):
    """x [n, c, ih, iw], y [n, c, oh, ow]."""

    op: ClassVar[str] = "resample"

    n: int
    c: int
    ih: int
    iw: int
    oh: int
    ow: int
