"""What the operators share: arguments that may be one number or one per dimension."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
IntOrPair = int | tuple[int, int]
Padding = int | str | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]]


def as_float64(x: ArrayLike) -> Array:
    return np.asarray(x, dtype=np.float64)


def pair(value: IntOrPair) -> tuple[int, int]:
    """One number for both directions, or (height, width).

    >>> pair(2), pair((2, 1))
    ((2, 2), (2, 1))
    """
    if isinstance(value, tuple | list):
        h, w = value
        return int(h), int(w)
    return int(value), int(value)


def pad_pairs(
    padding: Padding, kernel: tuple[int, int], dilation: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)) from PyTorch's padding: a number, (h, w), "valid" or "same"; or these
    pairs.

    "same" keeps the size at stride 1: d * (k - 1) rows in total, the odd one below (as PyTorch).

    >>> pad_pairs("same", (4, 3), (1, 2))
    ((1, 2), (2, 2))
    >>> pad_pairs((0, 1), (3, 3), (1, 1))
    ((0, 0), (1, 1))
    """
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        total_h, total_w = dilation[0] * (kernel[0] - 1), dilation[1] * (kernel[1] - 1)
        return (total_h // 2, total_h - total_h // 2), (total_w // 2, total_w - total_w // 2)
    if isinstance(padding, str):
        raise ValueError(f'padding must be a number, a pair, "valid" or "same", got "{padding}"')
    h, w = padding if isinstance(padding, tuple | list) else (padding, padding)
    return (
        (h[0], h[1]) if isinstance(h, tuple | list) else (int(h), int(h)),
        (w[0], w[1]) if isinstance(w, tuple | list) else (int(w), int(w)),
    )


def taps(k: int, o: int, stride: int, dilation: int) -> slice:
    """Where tap k of the kernel meets a padded axis, for outputs 0 .. o-1.

    >>> taps(2, 4, stride=3, dilation=2)
    slice(4, 14, 3)
    """
    begin = k * dilation
    return slice(begin, begin + (o - 1) * stride + 1 if o > 0 else begin, stride)
