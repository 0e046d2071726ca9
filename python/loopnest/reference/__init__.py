"""The textbook formula of every operator, in NumPy, to be read and to be compared with.

These functions compute in float64 whatever comes in and return float64 (int64 for indices). They take
PyTorch's argument names and shapes: images (N, C, H, W), sequences (T, N, F). They loop over kernel taps
and time steps and leave the rest to slices and matrix products, so hundreds of test shapes take seconds.
They trust their arguments: `loopnest.ops` is where shapes are checked. Nothing here imports anything but
NumPy.

`loopnest.reference.bound` says how far a float32 (or float64) kernel may be from these results, and why.
"""

from .activation import relu, relu_backward, sigmoid, sigmoid_backward, tanh, tanh_backward
from .activation_functions import activation, activation_backward
from .conv import (
    conv1d,
    conv1d_backward_input,
    conv1d_backward_weight,
    conv3d,
    conv3d_backward_input,
    conv3d_backward_weight,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from .conv2d import conv2d, conv2d_backward_input, conv2d_backward_weight
from .cross_entropy import cross_entropy, cross_entropy_backward
from .embedding import embedding, embedding_backward
from .epilogue import epilogue
from .gemm import gemm, linear, linear_backward
from .gru import GruGradients, GruSteps, gru, gru_backward, gru_steps
from .lstm import LstmGradients, LstmSteps, lstm, lstm_backward, lstm_backward_steps, lstm_stack, lstm_steps
from .lstm_cell import LstmCell, lstm_cell, lstm_cell_backward
from .norm import norm, norm_backward
from .pool2d import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward
from .reduce import reduce
from .resample import resample
from .rnn import RnnGradients, rnn, rnn_backward
from .softmax import softmax, softmax_backward
from .update import adadelta_step, adagrad_step, adam_step, rmsprop_step, sgd_step
from .variants import gru_variant, indrnn, lstm_variant, mgu, qrnn, sru

__all__ = [
    "GruGradients",
    "GruSteps",
    "LstmCell",
    "LstmGradients",
    "LstmSteps",
    "RnnGradients",
    "activation",
    "activation_backward",
    "adadelta_step",
    "adagrad_step",
    "adam_step",
    "avg_pool2d",
    "avg_pool2d_backward",
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
    "epilogue",
    "gemm",
    "gru",
    "gru_backward",
    "gru_steps",
    "gru_variant",
    "indrnn",
    "linear",
    "linear_backward",
    "lstm",
    "lstm_backward",
    "lstm_backward_steps",
    "lstm_cell",
    "lstm_cell_backward",
    "lstm_stack",
    "lstm_steps",
    "lstm_variant",
    "max_pool2d",
    "max_pool2d_backward",
    "mgu",
    "norm",
    "norm_backward",
    "qrnn",
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
    "sru",
    "tanh",
    "tanh_backward",
]
