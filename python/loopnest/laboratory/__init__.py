"""The laboratory's stock: for every operator an example, and how to make its inputs for any shape.

    draw.py        the numbers that inputs are made of
    convolution.py products.py pooling.py elementwise.py rows.py tables.py recurrent.py optimisers.py
                   inputs, by kind of operator: the same files as in loopnest.ops

An operator is climbable when it has a line in EXAMPLES: its function takes (draw, shape, op) and returns
(args, kwargs) of `ops.<op>`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from loopnest import shapes
from loopnest.laboratory import (
    convolution,
    elementwise,
    optimisers,
    pooling,
    products,
    recurrent,
    rows,
    tables,
)
from loopnest.laboratory.draw import Draw, Inputs

__all__ = ["EXAMPLES", "Draw", "Example", "Inputs"]


@dataclass(frozen=True)
class Example:
    """A layer that an operator is shown on, what reads its shape, and what makes inputs of any."""

    kind: type[shapes.Shape]
    text: str
    title: str
    make: Callable[[Draw, Any, str], Inputs]
    updates: bool = False  # the kernel adds to its result: a second run of the same call gives another


Layer = tuple[type[shapes.Shape], str, str]

_RESNET: Layer = (
    shapes.Conv2dShape,
    "n1 ic64 ih56 iw56 oc64 kh3 kw3 p1",
    "a ResNet layer, 56x56x64 -> 64, 3x3",
)
_TCN: Layer = (
    shapes.Conv1dShape,
    "n16 ic450 il400 oc450 kl3 p2 q0",
    "a TCN layer: causal, 450 channels, 400 steps",
)
_VOLUME: Layer = (
    shapes.Conv3dShape,
    "n1 ic64 id16 ih28 iw28 oc128 kd3 kh3 kw3 p1",
    "a C3D layer, 16x28x28x64 -> 128, 3x3x3",
)
_SEQUENCE = ("t50 n32 i256 h256", "hidden 256, 32 sequences, 50 steps")
_POOL: Layer = (
    shapes.Pool2dShape,
    "n1 c64 ih112 iw112 kh3 kw3 s2 p1",
    "ResNet's first pooling, 112x112x64, 3x3, stride 2",
)
_PRODUCT: Layer = (shapes.GemmShape, "m512 n512 k512", "512 x 512 x 512")
_NUMBERS: Layer = (shapes.CountShape, "n802816", "the numbers of a ResNet layer, 112x112x64")
_HIDDEN: Layer = (shapes.CountShape, "n1572864", "GELU of a transformer's hidden layer, 512 x 3072")
_BATCH: Layer = (
    shapes.NormShape,
    "n8 s784 c128 g128 batch1",
    "batch norm of a ResNet layer, 8 images of 28x28x128",
)
_ROWS: Layer = (shapes.AxisShape, "o4096 d512 i1", "4096 rows of attention over 512 places")
_AVERAGE: Layer = (shapes.AxisShape, "o8 d3136 i64", "the sums of a global average, 8 images of 56x56x64")
_CLASSES: Layer = (shapes.ClassesShape, "n256 c1000", "256 images, 1000 classes")
_WORDS: Layer = (shapes.LookupShape, "v10000 d256 m4096", "4096 words of 10000, 256 numbers each")
_CELL: Layer = (shapes.CellShape, "m1024 h64", "a ConvLSTM's cell, 32x32 places of 64 channels")
_RESIZE: Layer = (shapes.ResizeShape, "n1 c64 ih56 iw56 oh112 ow112", "twice as large, bilinear, 56x56x64")
_PARAMETERS: Layer = (shapes.CountShape, "n1000000", "a million parameters")

EXAMPLES = {
    **{
        f"{op}{end}": Example(*layer, make)
        for op, layer in (("conv1d", _TCN), ("conv2d", _RESNET), ("conv3d", _VOLUME))
        for end, make in (
            ("", convolution.forward),
            ("_backward_input", convolution.backward_input),
            ("_backward_weight", convolution.backward_weight),
        )
    },
    "max_pool2d": Example(*_POOL, pooling.forward),
    "max_pool2d_backward": Example(*_POOL, pooling.max_backward),
    "avg_pool2d": Example(*_POOL, pooling.forward),
    "avg_pool2d_backward": Example(*_POOL, pooling.avg_backward),
    "gemm": Example(*_PRODUCT, products.gemm),
    "linear": Example(*_PRODUCT, products.linear),
    "lstm": Example(shapes.LstmShape, *_SEQUENCE, recurrent.forward),
    "lstm_backward": Example(shapes.LstmShape, *_SEQUENCE, recurrent.lstm_backward),
    "gru": Example(shapes.GruShape, *_SEQUENCE, recurrent.forward),
    "gru_backward": Example(shapes.GruShape, *_SEQUENCE, recurrent.gru_backward),
    "rnn": Example(shapes.RnnShape, *_SEQUENCE, recurrent.forward),
    "rnn_backward": Example(shapes.RnnShape, *_SEQUENCE, recurrent.rnn_backward),
    "lstm_cell": Example(*_CELL, recurrent.lstm_cell),
    "lstm_cell_backward": Example(*_CELL, recurrent.lstm_cell_backward),
    **{
        f"{op}{end}": Example(*_NUMBERS, make)
        for op in ("relu", "sigmoid", "tanh")
        for end, make in (("", elementwise.forward), ("_backward", elementwise.backward))
    },
    "activation": Example(*_HIDDEN, elementwise.gelu),
    "activation_backward": Example(*_HIDDEN, elementwise.gelu_backward),
    "norm": Example(*_BATCH, rows.norm),
    "norm_backward": Example(*_BATCH, rows.norm_backward),
    "softmax": Example(*_ROWS, rows.softmax),
    "softmax_backward": Example(*_ROWS, rows.softmax_backward),
    "reduce": Example(*_AVERAGE, rows.reduce),
    "cross_entropy": Example(*_CLASSES, rows.cross_entropy),
    "cross_entropy_backward": Example(*_CLASSES, rows.cross_entropy_backward),
    "embedding": Example(*_WORDS, tables.embedding),
    "embedding_backward": Example(*_WORDS, tables.embedding_backward, updates=True),
    "resample": Example(*_RESIZE, tables.resample),
    **{
        f"{op}_step": Example(*_PARAMETERS, optimisers.step, updates=True)
        for op in ("sgd", "adam", "rmsprop", "adagrad", "adadelta")
    },
}
