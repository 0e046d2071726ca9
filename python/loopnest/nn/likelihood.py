"""Negative log likelihoods as modules, with torch.nn's names and arguments."""

from typing import Any

from loopnest.engine.tape import Tensor
from loopnest.nn import functional
from loopnest.nn._check import flag, number
from loopnest.nn.functional.reduction import known
from loopnest.nn.module import Module


class PoissonNLLLoss(Module):
    """exp(input) - target input, of counts; arguments as torch.nn.PoissonNLLLoss.

    Args:
      log_input: the input is the logarithm of the expected count; otherwise the count itself.
      full: add Stirling's approximation of log(target!). eps: added to the count before its logarithm.

    Shapes: input and target broadcast; output () or, for "none", theirs.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> nn.PoissonNLLLoss()(loopnest.zeros(2), loopnest.tensor([3.0, 0.0])).item()
      1.0
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: None = None,
        eps: float = 1e-8,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        who = "PoissonNLLLoss"
        self.log_input, self.full = flag(who, "log_input", log_input), flag(who, "full", full)
        self.eps = number(who, "eps", eps, lambda v: v >= 0, ">= 0")
        self.reduction = known(who, reduction, size_average, reduce)

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        return functional.poisson_nll_loss(
            log_input, target, self.log_input, self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(Module):
    """(log v + (input - target)^2 / v) / 2, v = max(var, eps); arguments as torch.nn.GaussianNLLLoss.

    Args: full: add log(2 pi) / 2. eps: the least variance.

    Shapes: input and target (..., D); var the same, (...), or with 1 for one axis; output () or, for "none",
      as input.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> x, y, v = loopnest.tensor([1.0, 2.0]), loopnest.tensor([1.0, 4.0]), loopnest.ones(2)
      >>> nn.GaussianNLLLoss()(x, y, v).item()
      1.0
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__()
        self.full = flag("GaussianNLLLoss", "full", full)
        self.eps = number("GaussianNLLLoss", "eps", eps, lambda v: v > 0, "> 0")
        self.reduction = known("GaussianNLLLoss", reduction)

    def forward(self, input: Tensor, target: Tensor, var: Any) -> Tensor:
        return functional.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)
