"""Shapes of convolutions over one to three axes, and of transposed ones."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from loopnest.shapes.text import Shape


def windows(op: str, size: int, kernel: int, stride: int, pads: int, dilation: int) -> int:
    """How many places along one axis a window has. ValueError if there is none."""
    room = size + pads - dilation * (kernel - 1) - 1
    if room < 0 or stride < 1 or dilation < 1 or kernel < 1:
        raise ValueError(
            f"{op} shape: dilated kernel {dilation * (kernel - 1) + 1}, "
            f"padded input {size + pads}, stride {stride} give no output"
        )
    return room // stride + 1


def _inside(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """How many (place, tap) pairs of one axis fall inside the input."""
    starts = (o * stride - padding for o in range(out))
    return sum(0 <= start + k * dilation < size for start in starts for k in range(kernel))


class ConvShape(Shape):
    """What all convolutions share: x [n, ic, *size], w [oc, ic / g, *kernel], y [n, oc, *out]."""

    axes: ClassVar[str]  # "hw": one letter per direction
    n: int
    ic: int
    oc: int
    g: int

    def _of(self, name: str) -> tuple[int, ...]:
        return tuple(getattr(self, name + axis) for axis in self.axes)

    def _check(self) -> None:
        if self.g < 1 or self.ic % self.g or self.oc % self.g:
            raise ValueError(
                f'{self.op} shape "{self}": {self.g} groups do not divide {self.ic} and {self.oc} channels'
            )
        _ = self.out

    @property
    def size(self) -> tuple[int, ...]:
        return self._of("i")

    @property
    def kernel(self) -> tuple[int, ...]:
        return self._of("k")

    @property
    def stride(self) -> tuple[int, ...]:
        return self._of("s_")

    @property
    def padding(self) -> tuple[int, ...]:
        return self._of("p_")

    @property
    def dilation(self) -> tuple[int, ...]:
        return self._of("d_")

    @property
    def pads(self) -> tuple[tuple[int, int], ...]:
        """(low, high) for each direction."""
        return tuple((p, p) for p in self.padding)

    @property
    def out(self) -> tuple[int, ...]:
        """The output's size in each direction."""
        each = zip(self.size, self.kernel, self.stride, self.pads, self.dilation, strict=True)
        return tuple(windows(self.op, i, k, s, sum(p), d) for i, k, s, p, d in each)

    @property
    def x(self) -> tuple[int, ...]:
        return self.n, self.ic, *self.size

    @property
    def w(self) -> tuple[int, ...]:
        return self.oc, self.ic // self.g, *self.kernel

    @property
    def y(self) -> tuple[int, ...]:
        return self.n, self.oc, *self.out

    @property
    def flop(self) -> int:
        """2 per multiply-add of the direct algorithm; taps that fall on padding are not counted.

        >>> Conv2dShape.parse("n1 ic1 ih3 iw3 oc1 kh3 kw3 p1").flop  # 7 * 7 of 9 * 9 taps lie inside
        98
        """
        each = zip(self.size, self.out, self.kernel, self.stride, self.pads, self.dilation, strict=True)
        taps = prod(_inside(i, o, k, s, p[0], d) for i, o, k, s, p, d in each)
        return 2 * self.n * self.oc * (self.ic // self.g) * taps


@dataclass(frozen=True)
class Conv1dShape(ConvShape):
    """x [n, ic, il], w [oc, ic / g, kl], y [n, oc, ol]; p on the left, q on the right.

    >>> Conv1dShape.parse("n1 ic4 il10 oc8 kl3 p4 q0 d2").out  # causal
    (10,)
    """

    op: ClassVar[str] = "conv1d"
    axes: ClassVar[str] = "l"
    defaults: ClassVar[dict[str, int]] = {"s": 1, "p": 0, "d": 1, "g": 1}

    n: int
    ic: int
    il: int
    oc: int
    kl: int
    s: int
    p: int
    q: int
    d: int
    g: int

    @classmethod
    def _defaults(cls, given: dict[str, int]) -> dict[str, int]:
        return cls.defaults | {"q": given.get("p", 0)}

    @property
    def ol(self) -> int:
        return self.out[0]

    @property
    def pads(self) -> tuple[tuple[int, int], ...]:
        return ((self.p, self.q),)

    def _of(self, name: str) -> tuple[int, ...]:
        return (getattr(self, name[0] if name[-1] == "_" else name + "l"),)


@dataclass(frozen=True)
class Conv2dShape(ConvShape):
    """x [n, ic, ih, iw], w [oc, ic / g, kh, kw], y [n, oc, oh, ow]."""

    op: ClassVar[str] = "conv2d"
    axes: ClassVar[str] = "hw"
    defaults: ClassVar[dict[str, int]] = {"s_h": 1, "s_w": 1, "p_h": 0, "p_w": 0, "d_h": 1, "d_w": 1, "g": 1}

    n: int
    ic: int
    ih: int
    iw: int
    oc: int
    kh: int
    kw: int
    s_h: int = 1
    s_w: int = 1
    p_h: int = 0
    p_w: int = 0
    d_h: int = 1
    d_w: int = 1
    g: int = 1

    @property
    def oh(self) -> int:
        return self.out[0]

    @property
    def ow(self) -> int:
        return self.out[1]


@dataclass(frozen=True)
class Conv3dShape(ConvShape):
    """x [n, ic, id, ih, iw], w [oc, ic / g, kd, kh, kw], y [n, oc, od, oh, ow]."""

    op: ClassVar[str] = "conv3d"
    axes: ClassVar[str] = "dhw"
    defaults: ClassVar[dict[str, int]] = {
        **dict.fromkeys(("s_d", "s_h", "s_w", "d_d", "d_h", "d_w", "g"), 1),
        **dict.fromkeys(("p_d", "p_h", "p_w"), 0),
    }

    n: int
    ic: int
    id: int
    ih: int
    iw: int
    oc: int
    kd: int
    kh: int
    kw: int
    s_d: int
    s_h: int
    s_w: int
    p_d: int
    p_h: int
    p_w: int
    d_d: int
    d_h: int
    d_w: int
    g: int


class ConvTransposeShape(ConvShape):
    """x [n, ic, *size], w [ic, oc / g, *kernel], y [n, oc, *out]."""

    @property
    def output_padding(self) -> tuple[int, ...]:
        return self._of("o_")

    @property
    def out(self) -> tuple[int, ...]:
        each = zip(
            self.size,
            self.kernel,
            self.stride,
            self.padding,
            self.dilation,
            self.output_padding,
            strict=True,
        )
        found = tuple((i - 1) * s - 2 * p + d * (k - 1) + o + 1 for i, k, s, p, d, o in each)
        if min(found) < 1 or min(*self.stride, *self.dilation, *self.kernel) < 1:
            raise ValueError(f'{self.op} shape "{self}": gives no output: {found}')
        return found

    @property
    def w(self) -> tuple[int, ...]:
        return self.ic, self.oc // self.g, *self.kernel

    @property
    def flop(self) -> int:
        """2 per multiply-add; products that would fall outside the output are not counted.

        >>> ConvTranspose2dShape.parse("n1 ic1 ih2 iw2 oc1 kh2 kw2 s2").flop
        32
        """
        each = zip(self.size, self.out, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        taps = prod(_inside(o, i, k, s, p, d) for i, o, k, s, p, d in each)
        return 2 * self.n * self.ic * (self.oc // self.g) * taps


@dataclass(frozen=True)
class ConvTranspose1dShape(ConvTransposeShape):
    """x [n, ic, il], w [ic, oc / g, kl], y [n, oc, ol]."""

    op: ClassVar[str] = "conv_transpose1d"
    axes: ClassVar[str] = "l"
    defaults: ClassVar[dict[str, int]] = {"s": 1, "p": 0, "o": 0, "d": 1, "g": 1}

    n: int
    ic: int
    il: int
    oc: int
    kl: int
    s: int
    p: int
    o: int
    d: int
    g: int

    def _of(self, name: str) -> tuple[int, ...]:
        return (getattr(self, name[0] if name[-1] == "_" else name + "l"),)


@dataclass(frozen=True)
class ConvTranspose2dShape(ConvTransposeShape):
    """x [n, ic, ih, iw], w [ic, oc / g, kh, kw], y [n, oc, oh, ow]."""

    op: ClassVar[str] = "conv_transpose2d"
    axes: ClassVar[str] = "hw"
    defaults: ClassVar[dict[str, int]] = {
        **dict.fromkeys(("s_h", "s_w", "d_h", "d_w", "g"), 1),
        **dict.fromkeys(("p_h", "p_w", "o_h", "o_w"), 0),
    }

    n: int
    ic: int
    ih: int
    iw: int
    oc: int
    kh: int
    kw: int
    s_h: int
    s_w: int
    p_h: int
    p_w: int
    o_h: int
    o_w: int
    d_h: int
    d_w: int
    g: int


@dataclass(frozen=True)
class ConvTranspose3dShape(ConvTransposeShape):
    """x [n, ic, id, ih, iw], w [ic, oc / g, kd, kh, kw], y [n, oc, od, oh, ow]."""

    op: ClassVar[str] = "conv_transpose3d"
    axes: ClassVar[str] = "dhw"
    defaults: ClassVar[dict[str, int]] = {
        **dict.fromkeys(("s_d", "s_h", "s_w", "d_d", "d_h", "d_w", "g"), 1),
        **dict.fromkeys(("p_d", "p_h", "p_w", "o_d", "o_h", "o_w"), 0),
    }

    n: int
    ic: int
    id: int
    ih: int
    iw: int
    oc: int
    kd: int
    kh: int
    kw: int
    s_d: int
    s_h: int
    s_w: int
    p_d: int
    p_h: int
    p_w: int
    o_d: int
    o_h: int
    o_w: int
    d_d: int
    d_h: int
    d_w: int
    g: int
