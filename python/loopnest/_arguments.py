"""PyTorch's arguments that may be one number or one per direction, checked once for all that take them.

Every function names the operator and the argument in its errors: TypeError for what is not a whole number,
ValueError for what is one but cannot be meant.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

LARGEST = 2**63 - 1


def integer(op: str, name: str, value: Any) -> int:
    """A whole number that fits 64 bits: int or NumPy integer, not bool, not float."""
    if isinstance(value, bool):
        raise TypeError(f"{op}: expected {name} to be a whole number, got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{op}: expected {name} to be a whole number, got {value!r}") from None
    if not -LARGEST <= number <= LARGEST:
        raise ValueError(f"{op}: expected {name} to fit 64 bits, got {number}")
    return number


def pair(op: str, name: str, value: Any) -> tuple[int, int]:
    """One number for both directions, or (height, width).

    >>> pair("conv2d", "stride", 2)
    (2, 2)
    """
    if isinstance(value, (list, tuple)):
        if len(value) != 2:
            raise ValueError(f"{op}: expected {name} to be one number or two (height, width), got {value!r}")
        return integer(op, name, value[0]), integer(op, name, value[1])
    number = integer(op, name, value)
    return number, number


def shape(op: str, name: str, value: Any, axes: int) -> tuple[int, ...]:
    """A shape of this many axes."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError(f"{op}: expected {name} to be a shape of {axes} axes, got {value!r}")
    if len(value) != axes:
        raise ValueError(f"{op}: expected {name} to be a shape of {axes} axes, got {tuple(value)}")
    return tuple(integer(op, name, v) for v in value)


def four(op: str, name: str, value: Any) -> tuple[int, int, int, int]:
    """`shape` of 4 axes, for who wants them counted in the type."""
    a, b, c, d = shape(op, name, value, 4)
    return a, b, c, d


def flag(op: str, name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{op}: expected {name} to be True or False, got {value!r}")
    return value
