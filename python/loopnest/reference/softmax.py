"""softmax, log_softmax and their derivatives, along one axis.

y = exp(x - max) / sum of exp(x - max); taking out the largest x changes nothing and lets nothing overflow.
"""

import numpy as np
from numpy.typing import ArrayLike

from ._args import Array, as_float64


def softmax(input: ArrayLike, dim: int, log: bool = False) -> Array:
    """Any shape; the sums run along axis `dim`. log: the logarithm of the result.

    >>> softmax([0.0, 0.0], 0), softmax([0.0, 0.0], 0, log=True).round(4)
    (array([0.5, 0.5]), array([-0.6931, -0.6931]))
    """
    x = as_float64(input)
    z = x - x.max(axis=dim, keepdims=True, initial=-np.inf)
    total = np.exp(z).sum(axis=dim, keepdims=True)
    return z - np.log(total) if log else np.exp(z) / total


def softmax_backward(grad_output: ArrayLike, output: ArrayLike, dim: int, log: bool = False) -> Array:
    """y (dy - sum of dy y), or dy - exp(y) sum of dy for the logarithm; y is the result of the forward pass.

    >>> softmax_backward([1.0, 0.0], [0.5, 0.5], 0)
    array([ 0.25, -0.25])
    """
    dy, y = as_float64(grad_output), as_float64(output)
    if log:
        return dy - np.exp(y) * dy.sum(axis=dim, keepdims=True)
    return y * (dy - (dy * y).sum(axis=dim, keepdims=True))
