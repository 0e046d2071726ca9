"""Sums, means, maxima and minima over any axes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ._args import Array, as_float64

# In the order of csrc/ops/reduce/reduce.h.
REDUCTIONS = ("sum", "amax", "amin")


def reduce(
    input: ArrayLike, dim: Sequence[int], function: str = "sum", divisor: float = 1.0, keepdim: bool = False
) -> Array:
    """Any shape; the axes `dim` go away, or stay with length 1 (keepdim). NaN wins over every number.

    function: "sum" (divided by `divisor`: their number for a mean; the sum of nothing is 0), "amax", "amin"
    (of nothing: -inf, inf).

    >>> reduce([[1.0, 2.0], [3.0, 5.0]], (0,)), reduce([[1.0, 2.0], [3.0, 5.0]], (0, 1), "amax")
    (array([4., 7.]), array(5.))
    """
    x = as_float64(input)
    if function == "sum":
        total = np.sum(x, axis=tuple(dim), keepdims=keepdim)
        return np.asarray(total if divisor == 1 else total / divisor)
    if function == "amax":
        return np.asarray(np.max(x, axis=tuple(dim), keepdims=keepdim, initial=-np.inf))
    return np.asarray(np.min(x, axis=tuple(dim), keepdims=keepdim, initial=np.inf))
