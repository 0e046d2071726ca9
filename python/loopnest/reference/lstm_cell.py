"""What an LSTM does with its sums once they are known, and the gradients back.

    s = sums + more                   the sums of i, f, g, o
    i, f, o = sigmoid of s            g = tanh of s
    c = f * c_0 + i * g               y = o * tanh(c)

Sources: as `lstm`; with sums that come from convolutions: Shi et al., "Convolutional LSTM Network",
arXiv:1506.04214, equation 3 without the peepholes.

Shapes: sums and more (M, 4H), blocks in PyTorch's order i, f, g, o; c_0, c and y (M, H).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ._args import Array, as_float64
from .activation import sigmoid, tanh


class LstmCell(NamedTuple):
    """y: the new hidden state. gates: i f g o after sigmoid and tanh."""

    y: Array  # (M, H)
    c: Array  # (M, H)
    gates: Array  # (M, 4H)


def lstm_cell(sums: ArrayLike, c_0: ArrayLike | None = None, more: ArrayLike | None = None) -> LstmCell:
    """One step from the sums of its gates; c_0 None: zeros; more: added to sums.

    >>> lstm_cell(np.zeros((1, 4)), np.full((1, 1), 8.0)).c  # all gates 1/2, g = 0: the cell halves
    array([[4.]])
    """
    s = as_float64(sums) if more is None else as_float64(sums) + as_float64(more)
    i, f, g, o = np.split(s, 4, axis=1)
    i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
    c = i * g if c_0 is None else f * as_float64(c_0) + i * g
    return LstmCell(o * np.tanh(c), c, np.concatenate((i, f, g, o), axis=1))


def lstm_cell_backward(
    gates: ArrayLike,
    c: ArrayLike,
    c_0: ArrayLike | None = None,
    grad_y: ArrayLike | None = None,
    grad_c: ArrayLike | None = None,
) -> tuple[Array, Array]:
    """dL/dsums (M, 4H), which is dL/dmore as well, and dL/dc_0 (M, H), from what arrives at y and c (None:
    zeros).

    With a = tanh(c) and dc = grad_c + grad_y o (1 - a^2):

        di = dc g i (1 - i),  df = dc c_0 f (1 - f),  dg = dc i (1 - g^2),  do = grad_y a o (1 - o)
        dc_0 = dc f

    >>> lstm_cell_backward(np.array([[0.5, 0.5, 0.0, 0.5]]), np.zeros((1, 1)), grad_c=np.ones((1, 1)))[1]
    array([[0.5]])
    """
    c = as_float64(c)
    i, f, g, o = np.split(as_float64(gates), 4, axis=1)
    nothing, a = np.zeros_like(c), np.tanh(c)
    before, dy, arrived = (nothing if x is None else as_float64(x) for x in (c_0, grad_y, grad_c))
    dc = arrived + dy * o * (1 - a * a)
    parts = (dc * g * i * (1 - i), dc * before * f * (1 - f), dc * i * (1 - g * g), dy * a * o * (1 - o))
    return np.concatenate(parts, axis=1), dc * f
