"""Shapes of what reads by tables: an embedding, a resampled image."""

from dataclasses import dataclass
from typing import ClassVar

from loopnest.shapes.text import Shape


@dataclass(frozen=True)
class LookupShape(Shape):
    """table [v, d], index [m]."""

    op: ClassVar[str] = "embedding"

    v: int
    d: int
    m: int


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
