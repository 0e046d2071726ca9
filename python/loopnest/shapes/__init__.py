"""Shapes as text: one per line in the .txt files of this folder, used by tests, benches and documents alike.

Grammar: words separated by spaces, each a name and a number, in any order; `#` starts a comment.

    conv2d   n1 ic64 ih56 iw56 oc64 kh3 kw3 s1 p1 d1 g1    (s p d g may be left out: 1 0 1 1)
    conv1d   n1 ic40 il98 oc128 kl9 s1 p4 q4 d1 g1         (q: padding on the right; left out: as p)
    conv3d   n1 ic64 id16 ih28 iw28 oc128 kd3 kh3 kw3 p1   (and s d g)
    conv_transpose2d   n1 ic64 ih32 iw32 oc3 kh4 kw4 s2 p1 o0 d1 g1   (o: output_padding; 1d and 3d likewise)
    pool2d   n1 c64 ih56 iw56 kh3 kw3 s2 p1 d1 ceil0       (s p d ceil may be left out: kh kw, 0 1 0)
    gemm     m64 n64 k64
    lstm     t50 n32 i256 h256                             (gru and rnn likewise)

Those of other operators (norm, softmax, embedding, ...) are in loopnest.laboratory.more_shapes.

s, p, o and d (stride, padding, output padding, dilation) hold for all directions; where these differ write
s_h2 s_w1. The letters are those of the whole project: n ic ih iw oc oh ow kh kw for images (l for length, d
for depth), t n i h for sequences.

A suite of the bench is a file of such lines behind their operator's name, under headings:

    [family]
    conv2d n1 ic64 ih56 iw56 oc64 kh3 kw3 p1 x3 train       # x3: three of them; train: timed in training

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
from math import prod
from pathlib import Path
from typing import ClassVar, Self

__all__ = [
    "Conv1dShape",
    "Conv2dShape",
    "Conv3dShape",
    "ConvShape",
    "ConvTranspose1dShape",
    "ConvTranspose2dShape",
    "ConvTranspose3dShape",
    "ConvTransposeShape",
    "Entry",
    "GemmShape",
    "GruShape",
    "LstmShape",
    "Pool2dShape",
    "RecurrentShape",
    "RnnShape",
    "Shape",
    "load",
    "load_suite",
    "parse",
    "suites",
]


@dataclass(frozen=True)
class Shape:
    """Reading and writing, for all shapes. Each field is a word; x_h x_w x_d may be written as one, x."""

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
            targets = [name] if name in names else [n for n in names if re.fullmatch(f"{name}_[dhw]", n)]
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
        words: list[str] = []
        for name, value in values.items():
            stem = name[:-2] if name[-2:] in ("_d", "_h", "_w") else name
            twins = [n for n in values if n.startswith(stem + "_")] if stem != name else [name]
            equal = len({values[n] for n in twins}) == 1
            usual = [defaults.get(n) for n in twins] == [values[n] for n in twins]
            if equal and name == twins[0] and not usual:
                words.append(f"{stem}{value}")
            elif not equal:
                words.append(f"{name}{value}")
        return " ".join(words)


class _Image(Shape):
    def _axis(self, size: int, kernel: int, stride: int, pads: int, dilation: int) -> int:
        room = size + pads - dilation * (kernel - 1) - 1
        if room < 0 or stride < 1 or dilation < 1 or kernel < 1:
            raise ValueError(
                f"{self.op} shape: dilated kernel {dilation * (kernel - 1) + 1}, "
                f"padded input {size + pads}, stride {stride} give no output"
            )
        return room // stride + 1


def _inside(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """How many (place, tap) pairs of one axis fall inside the input."""
    starts = (o * stride - padding for o in range(out))
    return sum(0 <= start + k * dilation < size for start in starts for k in range(kernel))


class ConvShape(_Image):
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
        return tuple(self._axis(i, k, s, sum(p), d) for i, k, s, p, d in each)

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
        floor = self._axis(size, kernel, stride, 2 * padding, dilation)
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


_CLASSES: dict[str, type[Shape]] = {
    cls.op: cls
    for cls in (
        *(Conv1dShape, Conv2dShape, Conv3dShape),
        *(ConvTranspose1dShape, ConvTranspose2dShape, ConvTranspose3dShape),
        *(Pool2dShape, GemmShape, LstmShape, GruShape, RnnShape),
    )
}


def parse(op: str, text: str) -> Shape:
    """One shape of an operator: "conv1d" to "conv3d", "conv_transpose1d" to "3d", "pool2d", "gemm", "lstm",
    "gru" or "rnn".

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


@dataclass(frozen=True)
class Entry:
    """One line of a suite."""

    shape: Shape
    family: str  # its heading, "" if there is none
    times: int  # how often the network has it
    train: bool  # timed forward and backward too
    note: str  # its comment: where the shape comes from


_SUITES = Path(__file__).parent / "suites"


def suites() -> list[str]:
    """The names of all suites.

    >>> "conv" in suites()
    True
    """
    return sorted(path.stem for path in _SUITES.glob("*.txt"))


def load_suite(name: str) -> list[Entry]:
    """The lines of suites/<name>.txt, or of a file of your own whose name ends with .txt.

    ValueError for a suite that does not exist or a line that is none, OSError for a file that cannot be read.

    >>> entry = load_suite("resnet50_b1")[0]
    >>> str(entry.shape), entry.shape.op, entry.times
    ('n1 ic3 ih224 iw224 oc64 kh7 kw7 s2 p3', 'conv2d', 1)
    """
    own = name.endswith(".txt")
    if not own and name not in suites():
        raise ValueError(
            f'there is no suite "{name}"; there are {", ".join(suites())}, or a file of your own (.txt)'
        )
    path = Path(name) if own else _SUITES / f"{name}.txt"
    entries, family = [], ""
    for line in path.read_text(encoding="utf-8").splitlines():
        text, _, note = (part.strip() for part in line.partition("#"))
        if heading := re.fullmatch(r"\[(.+)\]", text):
            family = heading[1]
        elif text:
            op, *words = text.split()
            marks = [word for word in words if word == "train" or re.fullmatch(r"x\d+", word)]
            shape = parse(op, " ".join(word for word in words if word not in marks))
            times = [int(word[1:]) for word in marks if word != "train"]
            entries.append(Entry(shape, family, times[0] if times else 1, "train" in marks, note))
    return entries
