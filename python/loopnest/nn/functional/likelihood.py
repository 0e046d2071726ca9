"""Negative log likelihoods of counts and of normal numbers, under torch.nn.functional's names."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from loopnest.engine.tape import Tensor, exp, log, no_grad, where
from loopnest.nn.functional.reduction import floats, known, reduced


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: None = None,
    eps: float = 1e-8,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """exp(input) - target input: -log of a Poisson distribution's probability of the count `target`, without
    what does not depend on the input; as torch.nn.functional.poisson_nll_loss.

    Args:
      input: the logarithm of the expected count; the count itself if not log_input, and the loss is then
        input - target log(input + eps).
      target: counts, of a shape that broadcasts with the input's.
      full: add Stirling's approximation of log(target!), target log target - target + log(2 pi target) / 2,
        where target > 1.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> F.poisson_nll_loss(loopnest.zeros(2), loopnest.tensor([3.0, 0.0])).item()
      1.0
    """
    known("poisson_nll_loss", reduction, size_average, reduce)
    floats("poisson_nll_loss", input=input)
    each = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        many = target > 1
        count = (
            where(many, target, 1).to(input.dtype) if target.dtype.kind != "f" else where(many, target, 1.0)
        )
        stirling = count * log(count) - count + 0.5 * log(2 * math.pi * count)
        each = each + where(many, stirling, 0.0)
    return reduced(each, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log v + (input - target)^2 / v) / 2, v = max(var, eps): -log of a normal distribution's density with
    mean `input` and variance `var`, without a constant; as torch.nn.functional.gaussian_nll_loss.

    The gradient goes to var also where eps took its place. Source: Nix and Weigend, "Estimating the mean and
    variance of the target probability distribution", 1994.

    Args:
      input: (..., D). target: of a shape that broadcasts with it.
      var: >= 0; of input's shape, (...,), or input's shape with 1 for one axis; or one float.
      full: add log(2 pi) / 2.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> x, y, v = loopnest.tensor([1.0, 2.0]), loopnest.tensor([1.0, 4.0]), loopnest.ones(2)
      >>> F.gaussian_nll_loss(x, y, v).item()
      1.0
    """
    who = "gaussian_nll_loss"
    known(who, reduction)
    floats(who, input=input)
    if not isinstance(var, Tensor):
        var = Tensor(np.full(input.shape, var, input.dtype))
    if bool((var < 0).any()):
        raise ValueError(f"{who}: expected var >= 0, got {var.min().item()}")
    if var.shape != input.shape:
        if var.shape == input.shape[:-1]:
            var = var.unsqueeze(-1)
        elif not _one_axis_of_one(var.shape, input.shape):
            raise ValueError(
                f"{who}: expected var of shape {input.shape}, {input.shape[:-1]}, or with 1 for one axis, "
                f"got {var.shape}"
            )
    var = var.clone()
    with no_grad():
        var.clamp_(min=eps)
    each = 0.5 * (log(var) + (input - target) ** 2 / var)
    return reduced(each + 0.5 * math.log(2 * math.pi) if full else each, reduction)


def _one_axis_of_one(shape: tuple[int, ...], like: tuple[int, ...]) -> bool:
    """Is shape that of `like` but for one axis of length 1?"""
    return len(shape) == len(like) and [n for n, m in zip(shape, like, strict=True) if n != m] == [1]
