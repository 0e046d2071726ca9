"""Weighted sums of inputs, axis by axis: padding, interpolation, averages, and their backward passes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ._args import Array, as_float64

Tables = tuple[ArrayLike, ArrayLike, ArrayLike]


def resample(input: ArrayLike, axes: Sequence[Tables], fill: float = 0.0) -> Array:
    """input (N, C, D, H, W); for each of D, H, W the tables (begin, index, weight) of its outputs.

    Taps begin[o] to begin[o + 1] - 1 make output o: the sum of weight times input at index. An output without
    taps along some axis is `fill`.

    >>> one = ([0, 1], [0], [1.0])
    >>> resample([[[[[3.0, 5.0]]]]], [one, one, ([0, 0, 2, 3], [0, 1, 1], [0.5, 0.5, 1.0])], fill=9.0)
    array([[[[[9., 4., 5.]]]]])
    """
    y = as_float64(input)
    empty = np.zeros((1, 1, 1), bool)
    for axis, (begin, index, weight) in enumerate(axes):
        begin, index = np.asarray(begin), np.asarray(index)
        matrix = np.zeros((len(begin) - 1, y.shape[2 + axis]))
        np.add.at(matrix, (np.repeat(np.arange(len(begin) - 1), np.diff(begin)), index), as_float64(weight))
        y = np.moveaxis(np.tensordot(matrix, y, axes=(1, 2 + axis)), 0, 2 + axis)
        shape = [1, 1, 1]
        shape[axis] = -1
        empty = empty | (np.diff(begin) == 0).reshape(shape)
    return np.where(empty, fill, y)
