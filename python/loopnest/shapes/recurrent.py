"""Shapes of recurrent layers over whole sequences, and of one cell."""

from dataclasses import dataclass
from typing import ClassVar

from loopnest.shapes.text import Shape


class RecurrentShape(Shape):
    """x [t, n, i], w_ih [gates * h, i], w_hh [gates * h, h], y [t, n, h]."""

    gates: ClassVar[int]
    t: int
    n: int
    i: int
    h: int

    @property
    def flop(self) -> int:
        """2 per multiply-add of the two matrix products; the gates' functions are not counted."""
        return 2 * self.t * self.n * self.gates * self.h * (self.i + self.h)


@dataclass(frozen=True)
class LstmShape(RecurrentShape):
    """x [t, n, i], w_ih [4h, i], w_hh [4h, h], y [t, n, h]."""

    op: ClassVar[str] = "lstm"
    gates: ClassVar[int] = 4

    t: int
    n: int
    i: int
    h: int


@dataclass(frozen=True)
class GruShape(RecurrentShape):
    """x [t, n, i], w_ih [3h, i], w_hh [3h, h], y [t, n, h]."""

    op: ClassVar[str] = "gru"
    gates: ClassVar[int] = 3

    t: int
    n: int
    i: int
    h: int


@dataclass(frozen=True)
class RnnShape(RecurrentShape):
    """x [t, n, i], w_ih [h, i], w_hh [h, h], y [t, n, h]."""

    op: ClassVar[str] = "rnn"
    gates: ClassVar[int] = 1

    t: int
    n: int
    i: int
    h: int


@dataclass(frozen=True)
class CellShape(Shape):
    """sums [m, 4h], c [m, h]."""

    op: ClassVar[str] = "lstm_cell"

    m: int
    h: int
