"""Dropout that keeps mean and variance, for networks of SELU: torch.nn.functional's names."""

from __future__ import annotations

import math

import numpy as np

from loopnest.engine import custom, tape
from loopnest.engine.tape import Tensor, tensor
from loopnest.nn._check import probability

ALPHA = 1.7580993408473766  # SELU's lower limit is -ALPHA: its scale times its alpha


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Elements become -1.758 (what SELU gives far below 0) with probability p; then all are scaled and moved
    so that mean 0 and variance 1 stay what they are. As torch.nn.functional.alpha_dropout.

        y = a (x d - 1.758 (1 - d)) + 1.758 a p        a = ((1 - p) (1 + 1.758^2 p))^(-1/2)

    d is 1 with probability 1 - p, otherwise 0; p = 1 gives zeros. Source: Klambauer et al.,
    "Self-normalizing neural networks", 2017. `inplace` is accepted; the result is a new tensor.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor(np.random.default_rng(0).standard_normal(100_000).astype("f"))
      >>> y = F.alpha_dropout(x, 0.3, training=True)
      >>> round(y.mean().item(), 1) + 0.0, round(y.std().item(), 1)
      (0.0, 1.0)
    """
    return _dropped("alpha_dropout", input, p, training, input.shape)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """alpha_dropout of whole channels of (N, C, ...), as torch.nn.functional.feature_alpha_dropout.

    ValueError for an input of fewer than 2 axes.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> y = F.feature_alpha_dropout(loopnest.tensor(np.ones((1, 8, 3))), 0.5, training=True).numpy()
      >>> bool((y == y[:, :, :1]).all())
      True
    """
    if training and 0 < p < 1 and input.ndim < 2:
        raise ValueError(
            f"feature_alpha_dropout: expected input of at least 2 axes (N, C, ...), got {input.shape}"
        )
    shape = tuple(n if axis < 2 else 1 for axis, n in enumerate(input.shape))
    return _dropped("feature_alpha_dropout", input, p, training, shape)


def _dropped(who: str, input: Tensor, p: float, training: bool, shape: tuple[int, ...]) -> Tensor:
    probability(who, p)
    if not training or p == 0 or input.numel() == 0:
        return input
    if input.dtype.kind != "f":
        raise TypeError(f"{who}: expected input of float32 or float64, got {input.dtype}")
    if p == 1:
        return input * 0
    stays = custom.numbers(tape.dropout(tensor(np.ones(shape, input.dtype)), p, True)) > 0
    a = 1 / math.sqrt((1 - p) * (1 + ALPHA * ALPHA * p))
    scale = np.where(stays, a, 0.0).astype(input.dtype)
    shift = np.where(stays, ALPHA * a * p, ALPHA * a * (p - 1)).astype(input.dtype)
    return input * tensor(scale) + tensor(shift)
