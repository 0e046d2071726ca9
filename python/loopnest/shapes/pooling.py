"""Shapes of pools over windows."""

from dataclasses import dataclass
from typing import ClassVar

from loopnest.shapes.convolution import windows
from loopnest.shapes.text import Shape


@dataclass(frozen=True)
class Pool2dShape(Shape):
    """x [n, c, ih, iw], y [n, c, oh, ow]. The stride is the kernel's size unless given."""

    op: ClassVar[str] = "pool2d"

    n: int
    c: int
    ih: int
    iw: int
    kh: int
    kw: int
    s_h: int
    s_w: int
    p_h: int = 0
    p_w: int = 0
    d_h: int = 1
    d_w: int = 1
    ceil: int = 0

    @classmethod
    def _defaults(cls, given: dict[str, int]) -> dict[str, int]:
        rest = {"p_h": 0, "p_w": 0, "d_h": 1, "d_w": 1, "ceil": 0}
        return rest | ({"s_h": given["kh"], "s_w": given["kw"]} if "kh" in given and "kw" in given else {})

    def _check(self) -> None:
        if 2 * self.p_h > self.kh or 2 * self.p_w > self.kw:
            raise ValueError(f'pool2d shape "{self}": padding may be at most half the kernel')
        _ = self.oh, self.ow

    def _out(self, size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
        floor = windows(self.op, size, kernel, stride, 2 * padding, dilation)
        room = size + 2 * padding - dilation * (kernel - 1) - 1
        last = self.ceil and room % stride and floor * stride < size + padding  # PyTorch's rule
        return floor + 1 if last else floor

    @property
    def oh(self) -> int:
        return self._out(self.ih, self.kh, self.s_h, self.p_h, self.d_h)

    @property
    def ow(self) -> int:
        return self._out(self.iw, self.kw, self.s_w, self.p_w, self.d_w)

    @property
    def kernel(self) -> tuple[int, int]:
        return self.kh, self.kw

    @property
    def stride(self) -> tuple[int, int]:
        return self.s_h, self.s_w

    @property
    def padding(self) -> tuple[int, int]:
        return self.p_h, self.p_w

    @property
    def dilation(self) -> tuple[int, int]:
        return self.d_h, self.d_w

    @property
    def x(self) -> tuple[int, int, int, int]:
        return self.n, self.c, self.ih, self.iw

    @property
    def y(self) -> tuple[int, int, int, int]:
        return self.n, self.c, self.oh, self.ow
