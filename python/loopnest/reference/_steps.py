"""Which steps of which sequence count, for recurrent operators."""

import numpy as np
from numpy.typing import ArrayLike

from ._args import Array, as_float64


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


def states_before(output: Array, h_0: ArrayLike | None, lengths: ArrayLike | None, reverse: bool) -> Array:
    """The state before every step t, from those after each (T, N, H); at a sequence's first step, h_0.

    >>> states_before(np.array([[[1.0]], [[2.0]]]), [[7.0]], None, False)[:, 0, 0]
    array([7., 1.])
    """
    t_len, n, hidden = output.shape
    start = np.zeros((n, hidden)) if h_0 is None else as_float64(h_0)
    before = np.zeros_like(output)
    steps = order(t_len, reverse)
    counts = valid(t_len, n, lengths)
    for at, t in enumerate(steps):
        if at == 0:
            before[t] = start
        else:
            before[t] = np.where(counts[steps[at - 1]] > 0, output[steps[at - 1]], start)
    return before
