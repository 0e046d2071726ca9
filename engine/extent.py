"""Where an array lies in memory. NumPy has this too, but 1.26 and 2 under names that the other lacks."""

from typing import Any

from numpy.typing import NDArray


def byte_bounds(a: NDArray[Any]) -> tuple[int, int]:
    """The address of the first byte of a's elements, and the one after the last; equal if there are none.

    >>> import numpy as np
    >>> a = np.zeros((4, 3), np.float32)
    >>> low, high = byte_bounds(a)
    >>> high - low, [address - low for address in byte_bounds(a[:0:-2, 1])]
    (48, [16, 44])
    """
    low = high = int(a.__array_interface__["data"][0])
    if a.size == 0:
        return low, high
    for length, stride in zip(a.shape, a.strides, strict=True):
        reach = (length - 1) * stride
        low, high = low + min(reach, 0), high + max(reach, 0)
    return low, high + a.itemsize
