"""The laboratory: one function per operator on plain NumPy arrays, on any rung of its ladder.

    y = ops.conv2d(x, w)                                   # the rung that the chooser takes
    y = ops.conv2d(x, w, rung="tile", isa="avx2")          # this one, or an error that says why not
    y = ops.conv2d(x, w, rung="numpy")                     # the float64 reference, rounded to x's dtype
    c = ops.call("conv2d", x, w); c.run(); c.time(10)      # the call made ready: what runs, how fast, why

Three keyword arguments are everybody's: `rung` (a name of `loopnest.ladder.ladder(op)`, "numpy", or None for
the best), `isa` (one of `loopnest.machine.isas()`, or None for the best) and `threads` (0: as many as the
work is worth). A rung or ISA asked for by name that cannot do the shape raises ValueError; nothing falls back
silently. Arrays are float32 or float64, of any strides, and are read in place; results are new arrays, images
channels-last in memory (their shape is (N, C, H, W) all the same). Errors: TypeError for dtypes and for
things that are not arrays, ValueError for shapes and values, IndexError for classes and indices out of range,
MemoryError.

    ready.py                                     how an operator is written, and its call
    convolution.py  products.py  pooling.py      the operators, by family
    elementwise.py  rows.py  tables.py
    recurrent.py    optimisers.py
"""

from loopnest.ops.convolution import (
    conv1d,
    conv1d_backward_input,
    conv1d_backward_weight,
    conv2d,
    conv2d_backward_input,
    conv2d_backward_weight,
    conv3d,
    conv3d_backward_input,
    conv3d_backward_weight,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from loopnest.ops.elementwise import (
    activation,
    activation_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    tanh,
    tanh_backward,
)
from loopnest.ops.optimisers import adadelta_step, adagrad_step, adam_step, rmsprop_step, sgd_step
from loopnest.ops.pooling import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward
from loopnest.ops.products import gemm, linear
from loopnest.ops.ready import WRITTEN, NumpyCall, call
from loopnest.ops.recurrent import (
    gru,
    gru_backward,
    lstm,
    lstm_backward,
    lstm_cell,
    lstm_cell_backward,
    rnn,
    rnn_backward,
)
from loopnest.ops.rows import (
    cross_entropy,
    cross_entropy_backward,
    norm,
    norm_backward,
    reduce,
    softmax,
    softmax_backward,
)
from loopnest.ops.tables import embedding, embedding_backward, resample

OPERATORS = tuple(sorted(WRITTEN))

__all__ = [
    "OPERATORS",
    "NumpyCall",
    "activation",
    "activation_backward",
    "adadelta_step",
    "adagrad_step",
    "adam_step",
    "avg_pool2d",
    "avg_pool2d_backward",
    "call",
    "conv1d",
    "conv1d_backward_input",
    "conv1d_backward_weight",
    "conv2d",
    "conv2d_backward_input",
    "conv2d_backward_weight",
    "conv3d",
    "conv3d_backward_input",
    "conv3d_backward_weight",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cross_entropy",
    "cross_entropy_backward",
    "embedding",
    "embedding_backward",
    "gemm",
    "gru",
    "gru_backward",
    "linear",
    "lstm",
    "lstm_backward",
    "lstm_cell",
    "lstm_cell_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "norm",
    "norm_backward",
    "reduce",
    "relu",
    "relu_backward",
    "resample",
    "rmsprop_step",
    "rnn",
    "rnn_backward",
    "sgd_step",
    "sigmoid",
    "sigmoid_backward",
    "softmax",
    "softmax_backward",
    "tanh",
    "tanh_backward",
]
