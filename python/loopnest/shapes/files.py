"""The files of shapes in this folder, and the suites of the bench."""

import re
from dataclasses import dataclass
from pathlib import Path

from loopnest.shapes.convolution import (
    Conv1dShape,
    Conv2dShape,
    Conv3dShape,
    ConvTranspose1dShape,
    ConvTranspose2dShape,
    ConvTranspose3dShape,
)
from loopnest.shapes.pooling import Pool2dShape
from loopnest.shapes.products import GemmShape
from loopnest.shapes.recurrent import GruShape, LstmShape, RnnShape
from loopnest.shapes.text import Shape

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
