"""Checks of constructor arguments: a mistake is told where it was written, not at the first forward pass."""

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from loopnest import _arguments
from loopnest._arguments import LARGEST
from loopnest._arguments import flag as flag


def integer(who: str, name: str, value: Any, at_least: int = 1, at_most: int = LARGEST) -> int:
    """`value` as a Python int (NumPy's integers are welcome), or an error that says what was expected."""
    number = _arguments.integer(who, name, value)
    if not at_least <= number <= at_most:
        bound = f"at least {at_least}" if number < at_least else f"at most {at_most}"
        raise ValueError(f"{who}: expected {name} of {bound}, got {number}")
    return number


def pair(who: str, name: str, value: Any, at_least: int = 1) -> tuple[int, int]:
    """(height, width) from one int or two."""
    height, width = _arguments.pair(who, name, value)
    return integer(who, name, height, at_least), integer(who, name, width, at_least)


def number(who: str, name: str, value: Any, fits: Callable[[float], bool], expected: str) -> float:
    """`value` as a float for which `fits` holds; `expected` says so in words. NaN never fits."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (Real, np.generic)):
        raise TypeError(f"{who}: expected {name} to be a number, got {value!r}")
    real = float(value)
    if not fits(real):
        raise ValueError(f"{who}: expected {name} {expected}, got {value}")
    return real


def probability(who: str, p: Any) -> float:
    return number(who, "p", p, lambda v: 0.0 <= v <= 1.0, "to be a probability between 0 and 1")


def check_device(who: str, device: Any) -> None:
    """loopnest runs on the CPU; `device` is there so that PyTorch code need not change."""
    if device is not None and str(device) != "cpu":
        raise ValueError(
            f"{who}: expected device to be None or 'cpu', got {device!r}; loopnest runs on the CPU"
        )


def float_dtype(who: str, dtype: Any) -> np.dtype:
    """float32 (also for None) or float64."""
    try:
        found = np.dtype(np.float32 if dtype is None else dtype)
    except TypeError:
        raise TypeError(f"{who}: expected dtype to be float32 or float64, got {dtype!r}") from None
    if found not in (np.float32, np.float64):
        raise TypeError(f"{who}: expected dtype to be float32 or float64, got {found}")
    return found
