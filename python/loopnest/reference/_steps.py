"""Which steps of which sequence count, for recurrent operators."""

import numpy as np
from numpy.typing import ArrayLike

from ._args import Array


def order(t_len: int, reverse: bool) -> list[int]:
    """The steps in the order in which they are taken.

    >>> order(3, True)
    [2, 1, 0]
    """
    return list(range(t_len))[:: -1 if reverse else 1]


def valid(t_len: int, n: int, lengths: ArrayLike | None) -> Array:
    """1 for the steps of each sequence that count, otherwise 0: (T, N, 1).

    >>> valid(3, 2, [1, 3])[:, 0, 0]
    array([1., 0., 0.])
    """
    if lengths is None:
        return np.ones((t_len, n, 1))
    return (np.arange(t_len)[:, None] < np.asarray(lengths)).astype(float)[:, :, None]
