"""Shapes of what looks along rows or over sets: norms, softmax, sums, cross entropy."""

from dataclasses import dataclass
from typing import ClassVar

from loopnest.shapes.text import Shape


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
