"""What tests of layers beside PyTorch's draw; the fixtures `torch` and `seeded` of conftest.py go with it."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

import loopnest


def floats(*shape: int, seed: int = 0, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def tensor(
    *shape: int, seed: int = 0, dtype: DTypeLike = np.float32, requires_grad: bool = False
) -> loopnest.Tensor:
    return loopnest.tensor(floats(*shape, seed=seed, dtype=dtype), requires_grad=requires_grad)
