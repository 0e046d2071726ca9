"""Shapes as text: one per line in the .txt files of this folder, used by tests, benches and documents alike.

Grammar: words separated by spaces, each a name and a number, in any order; `#` starts a comment.

    conv2d   n1 ic64 ih56 iw56 oc64 kh3 kw3 s1 p1 d1 g1    (s p d g may be left out: 1 0 1 1)
    pool2d   n1 c64 ih56 iw56 kh3 kw3 s2 p1 d1 ceil0       (s p d ceil may be left out: kh kw, 0 1 0)
    gemm     m64 n64 k64
    lstm     t50 n32 i256 h256

s, p and d (stride, padding, dilation) hold for both directions; where these differ write s_h2 s_w1. The
letters are those of the whole project: n ic ih iw oc oh ow kh kw for images, t n i h for sequences.

    >>> shape = Conv2dShape.parse("n1 ic3 ih9 iw8 oc4 kh3 kw2 s2 p_h1 p_w0")
    >>> shape.stride, shape.padding, (shape.oh, shape.ow)
    ((2, 2), (1, 0), (5, 4))
    >>> str(shape)
    'n1 ic3 ih9 iw8 oc4 kh3 kw2 s2 p_h1 p_w0'
    >>> Conv2dShape.parse(str(shape)) == shape
    True
"""

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar, Self

__all__ = ["Conv2dShape", "GemmShape", "LstmShape", "Pool2dShape", "Shape", "load", "parse"]


@dataclass(frozen=True)
class Shape:
    """Reading and writing, for all shapes. Each field is a word; x_h and x_w may be written as one word x."""

    op: ClassVar[str]
    defaults: ClassVar[dict[str, int]] = {}

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads one shape. ValueError for a word that is unknown, repeated, missing or malformed."""
        names = [field.name for field in fields(cls)]
        values: dict[str, int] = {}
        for word in text.split("#")[0].split():
            match = re.fullmatch(r"([a-z_]+)(\d+)", word)
            if match is None:
                raise ValueError(f'{cls.op} shape "{text}": "{word}" is not a name and a number')
            name, number = match[1], int(match[2])
            targets = [name] if name in names else [n for n in (f"{name}_h", f"{name}_w") if n in names]
            if not targets:
                raise ValueError(f'{cls.op} shape "{text}": unknown word "{word}"; known: {" ".join(names)}')
            for target in targets:
                if target in values:
                    raise ValueError(f'{cls.op} shape "{text}": "{word}" repeats {target}')
                values[target] = number
        values = cls._defaults(values) | values
        missing = [name for name in names if name not in values]
        if missing:
            raise ValueError(f'{cls.op} shape "{text}": missing {" ".join(missing)}')
        shape = cls(**values)
        shape._check()
        return shape

    @classmethod
    def _defaults(cls, given: dict[str, int]) -> dict[str, int]:
        return cls.defaults

    def _check(self) -> None:
        """Raises ValueError for a shape that cannot be."""

    def __str__(self) -> str:
        """A text that parses to this shape; what is at its default is left out."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        defaults = self._defaults(values)
        words = []
        for name, value in values.items():
            stem, twin = name[:-2], values.get(name[:-2] + "_w")
            if name.endswith("_h") and twin == value:
                if (defaults.get(name), defaults.get(stem + "_w")) != (value, value):
                    words.append(f"{stem}{value}")
            elif name.endswith("_w") and values[stem + "_h"] == value:
                continue
            elif name.endswith(("_h", "_w")) or defaults.get(name) != value:
                words.append(f"{name}{value}")
        return " ".join(words)


@dataclass(frozen=True)
class _Image(Shape):
    def _axis(self, size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
        room = size + 2 * padding - dilation * (kernel - 1) - 1
        if room < 0 or stride < 1 or dilation < 1 or kernel < 1:
            raise ValueError(
                f"{self.op} shape: dilated kernel {dilation * (kernel - 1) + 1}, "
                f"padded input {size + 2 * padding}, stride {stride} give no output"
            )
        return room // stride + 1


@dataclass(frozen=True)
class Conv2dShape(_Image):
    """x [n, ic, ih, iw], w [oc, ic / g, kh, kw], y [n, oc, oh, ow]."""

    op: ClassVar[str] = "conv2d"
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

    def _check(self) -> None:
        if self.g < 1 or self.ic % self.g or self.oc % self.g:
            raise ValueError(
                f'conv2d shape "{self}": {self.g} groups do not divide {self.ic} and {self.oc} channels'
            )
        _ = self.oh, self.ow

    @property
    def oh(self) -> int:
        return self._axis(self.ih, self.kh, self.s_h, self.p_h, self.d_h)

    @property
    def ow(self) -> int:
        return self._axis(self.iw, self.kw, self.s_w, self.p_w, self.d_w)

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
        return self.n, self.ic, self.ih, self.iw

    @property
    def w(self) -> tuple[int, int, int, int]:
        return self.oc, self.ic // self.g, self.kh, self.kw

    @property
    def y(self) -> tuple[int, int, int, int]:
        return self.n, self.oc, self.oh, self.ow

    @property
    def flop(self) -> int:
        """2 per multiply-add of the direct algorithm; taps that fall on padding are not counted.

        >>> Conv2dShape.parse("n1 ic1 ih3 iw3 oc1 kh3 kw3 p1").flop  # 7 * 7 of 9 * 9 taps lie inside
        98
        """

        def inside(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
            starts = (o * stride - padding for o in range(out))
            return sum(0 <= start + k * dilation < size for start in starts for k in range(kernel))

        rows = inside(self.ih, self.oh, self.kh, self.s_h, self.p_h, self.d_h)
        columns = inside(self.iw, self.ow, self.kw, self.s_w, self.p_w, self.d_w)
        return 2 * self.n * self.oc * (self.ic // self.g) * rows * columns


@dataclass(frozen=True)
class Pool2dShape(_Image):
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
        floor = self._axis(size, kernel, stride, padding, dilation)
        room = size + 2 * padding - dilation * (kernel - 1) - 1
        if (
            self.ceil and room % stride and floor * stride < size + padding
        ):  # PyTorch's rule for the last window
            return floor + 1
        return floor

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


@dataclass(frozen=True)
class LstmShape(Shape):
    """x [t, n, i], w_ih [4h, i], w_hh [4h, h], y [t, n, h]."""

    op: ClassVar[str] = "lstm"

    t: int
    n: int
    i: int
    h: int

    @property
    def flop(self) -> int:
        """2 per multiply-add of the two matrix products; the gates' functions are not counted."""
        return 2 * self.t * self.n * 4 * self.h * (self.i + self.h)


_CLASSES: dict[str, type[Shape]] = {cls.op: cls for cls in (Conv2dShape, Pool2dShape, GemmShape, LstmShape)}


def parse(op: str, text: str) -> Shape:
    """One shape of "conv2d", "pool2d", "gemm" or "lstm".

    >>> parse("gemm", "m2 n3 k4  # tiny").flop
    48
    """
    if op not in _CLASSES:
        raise ValueError(f'no shapes for "{op}"; there are {", ".join(_CLASSES)}')
    return _CLASSES[op].parse(text)


def load(name: str) -> list[Shape]:
    """All shapes of <name>.txt in this folder, in its order. The operator is what follows "bench_", if that
    is there.

    >>> load("bench_conv2d")[0].op
    'conv2d'
    """
    lines = (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [parse(name.removeprefix("bench_"), line) for line in lines if line.split("#")[0].strip()]
