"""What may be done to a result before it leaves the cache: y = activation(y + residual)."""

from math import erfc, sqrt

import numpy as np
from numpy.typing import ArrayLike

from ._args import Array, as_float64
from .activation import relu, sigmoid, tanh

ACTIVATIONS = ("relu", "relu6", "silu", "sigmoid", "tanh", "gelu")


def epilogue(y: ArrayLike, residual: ArrayLike | None = None, activation: str | None = None) -> Array:
    """activation(y + residual) in float64; activation: one of ACTIVATIONS, or None.

    >>> epilogue(np.array([-1.0, 5.0]), np.array([0.0, 2.0]), "relu6")
    array([0., 6.])
    """
    z = as_float64(y)
    z = z if residual is None else z + as_float64(residual)
    if activation is None:
        return z
    if activation == "relu6":
        return np.minimum(relu(z), 6.0)
    if activation == "silu":
        return z * sigmoid(z)
    if activation == "gelu":
        return np.array([v * 0.5 * erfc(-v / sqrt(2)) for v in z.ravel()]).reshape(z.shape)
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"epilogue: there is no activation {activation!r}; there are {', '.join(ACTIVATIONS)}"
        )
    return {"relu": relu, "sigmoid": sigmoid, "tanh": tanh}[activation](z)
