"""ReLU, sigmoid, tanh and their derivatives.

The backward functions take what PyTorch's take: relu its input, sigmoid and tanh their output, because
sigmoid' = s (1 - s) and tanh' = 1 - t^2 need nothing else. Any shape; the result has the same shape, float64.
"""

import numpy as np
from numpy.typing import ArrayLike

from ._args import Array, as_float64


def relu(input: ArrayLike) -> Array:
    """max(x, 0); NaN stays NaN.

    >>> relu([-1.0, 0.0, 2.0])
    array([0., 0., 2.])
    """
    return np.maximum(as_float64(input), 0.0)


def relu_backward(grad_output: ArrayLike, input: ArrayLike) -> Array:
    """dy where x > 0, otherwise 0: at x = 0 the derivative is taken to be 0; a NaN input lets dy through.

    >>> relu_backward([5.0, 5.0, 5.0], [-1.0, 0.0, 2.0])
    array([0., 0., 5.])
    """
    return np.where(as_float64(input) <= 0.0, 0.0, as_float64(grad_output))


def sigmoid(input: ArrayLike) -> Array:
    """1 / (1 + e^-x), by way of e^-|x| so that nothing overflows.

    >>> sigmoid([-1000.0, 0.0, 1000.0])
    array([0. , 0.5, 1. ])
    """
    x = as_float64(input)
    small = np.exp(-np.abs(x))  # in (0, 1]
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def sigmoid_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    """dy s (1 - s), s = sigmoid(x).

    >>> sigmoid_backward([4.0], [0.5])
    array([1.])
    """
    s = as_float64(output)
    return as_float64(grad_output) * s * (1.0 - s)


def tanh(input: ArrayLike) -> Array:
    """(e^x - e^-x) / (e^x + e^-x).

    >>> tanh([-1000.0, 0.0, 1000.0])
    array([-1.,  0.,  1.])
    """
    return np.tanh(as_float64(input))


def tanh_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    """dy (1 - t^2), t = tanh(x).

    >>> tanh_backward([4.0], [0.5])
    array([3.])
    """
    t = as_float64(output)
    return as_float64(grad_output) * (1.0 - t * t)
