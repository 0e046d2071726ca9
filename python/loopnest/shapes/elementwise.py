"""Shapes of what works on one number after the other."""

from dataclasses import dataclass
from typing import ClassVar

from loopnest.shapes.text import Shape


@dataclass(frozen=True)
class CountShape(Shape):
    """n numbers in a row."""

    op: ClassVar[str] = "element by element"

    n: int
