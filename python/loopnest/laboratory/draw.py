"""The numbers that inputs are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Inputs = tuple[tuple[Any, ...], dict[str, Any]]


class Draw:
    """Standard normal data and weights of PyTorch's initial size, of one dtype and seed."""

    def __init__(self, dtype: str = "float32", seed: int = 0) -> None:
        self.rng, self.dtype = np.random.default_rng(seed), np.dtype(dtype)

    def normal(self, *size: int) -> Array:
        return self.rng.standard_normal(size, np.float32).astype(self.dtype)

    def weights(self, fan: int, *size: int) -> Array:
        """Uniform within 1 / sqrt(fan)."""
        return self.rng.uniform(-1, 1, size).astype(self.dtype) / np.asarray(max(fan, 1), self.dtype) ** 0.5

    def squares(self, *size: int) -> Array:
        """Averages of squares: positive."""
        return np.asarray(1 + self.normal(*size) ** 2, self.dtype)

    def below(self, end: int, *size: int) -> Array:
        """Whole numbers from 0 to end - 1."""
        return self.rng.integers(0, end, size)

    def image(self, *size: int) -> Array:
        """Data (n, c, ...), neighbouring channels side by side in memory, as kernels see them."""
        x = self.normal(*size)
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
