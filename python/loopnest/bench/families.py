"""Which family of the tables a shape belongs to."""

from __future__ import annotations

from loopnest import shapes

FORWARD = (
    *("3x3 stride 1", "1x1", "other dense 2-D", "first layers", "depthwise", "grouped", "1-D", "3-D"),
    "transposed",
)
TRAINING = (
    *("big 3x3/5x5", "1x1", "depthwise", "grouped", "small nets", "first layers", "1-D", "3-D"),
    "transposed",
)
RECURRENT = tuple(
    f"{cell}, {batch}"
    for batch in ("one step", "batch 1 to 8", "batch 16 and more")
    for cell in ("LSTM", "GRU", "Elman")
)
CELLS = {"lstm": "LSTM", "gru": "GRU", "rnn": "Elman"}


def of_convolution(shape: shapes.ConvShape, heading: str = "", train: bool = False) -> str:
    """The family by the shape alone; only small nets are known by their heading in the suite.

    >>> of_convolution(shapes.Conv2dShape.parse("n1 ic64 ih9 iw9 oc64 kh3 kw3 d2"))
    'other dense 2-D'
    """
    if isinstance(shape, shapes.ConvTransposeShape):
        return "transposed"
    if len(shape.size) != 2:
        return f"{len(shape.size)}-D"
    if shape.g > 1:
        return "depthwise" if shape.g == shape.ic else "grouped"
    if shape.ic <= 4:
        return "first layers"
    if train and heading == "small nets":
        return heading
    if shape.kernel == (1, 1):
        return "1x1"
    if train:
        return "big 3x3/5x5"
    plain = shape.stride == shape.dilation == (1, 1)
    return "3x3 stride 1" if shape.kernel == (3, 3) and plain else "other dense 2-D"


def of_recurrent(shape: shapes.RecurrentShape) -> str:
    """The family by cell, steps and batch.

    >>> of_recurrent(shapes.GruShape.parse("t1 n1 i64 h64"))
    'GRU, one step'
    """
    where = "one step" if shape.t == 1 else "batch 1 to 8" if shape.n <= 8 else "batch 16 and more"
    return f"{CELLS[shape.op]}, {where}"
