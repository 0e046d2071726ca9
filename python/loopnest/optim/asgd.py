"""Averaged SGD."""

from typing import Any

import numpy as np

from loopnest.nn._check import number
from loopnest.optim.optimizer import Optimizer


class ASGD(Optimizer):
    """SGD whose state holds the mean of the parameters since step t0 (Polyak and Juditsky 1992); arguments,
    defaults and formula as torch.optim.ASGD.

      g = grad + weight_decay * p                     (-grad if maximize)
      p = p - eta_t * (lambd * p + g)                 eta_t = lr / (1 + lambd * lr * (t - 1))^alpha
      ax = ax + mu_t * (p - ax)                       mu_t = 1 / max(1, t - 1 - t0)

    ax, the average, is in `state[p]["ax"]`; the language models of Merity and others (2018) go over to it
    when the validation error no longer falls. It has no kernel: NumPy's operations, one parameter after the
    other.

    Args:
      params: Tensors, or dicts with options of their own. lr, lambd, weight_decay: >= 0.
      alpha: the power with which eta falls. t0: the step from which on parameters are averaged.
      foreach, capturable, differentiable: PyTorch's choices of implementation, taken and ignored.

    Raises ValueError or TypeError that says what was expected.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> p = nn.Parameter(np.array([1.0]))
      >>> asgd = optim.ASGD([p], lr=0.25, lambd=0.0, t0=0)
      >>> for _ in range(3):
      ...     asgd.zero_grad()
      ...     (p * p).sum().backward()
      ...     asgd.step()
      >>> p.item(), asgd.state[p]["ax"].tolist()  # 1/2, 1/4, 1/8; the mean is of the last two
      (0.125, [0.1875])
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_options(self, group: dict[str, Any]) -> None:
        super()._check_options(group)
        self._number(group, "lambd")
        for name in ("alpha", "t0"):
            number("ASGD", name, group[name], lambda v: v == v, "to be a number")

    def _update(
        self, group: dict[str, Any], state: dict[str, Any], value: np.ndarray, grad: np.ndarray
    ) -> None:
        lr, lambd = float(group["lr"]), float(group["lambd"])
        if not state:
            state |= {"step": 0, "eta": lr, "mu": 1.0, "ax": np.zeros_like(value)}
        state["step"] += 1
        grad = -grad if group["maximize"] else grad
        if group["weight_decay"]:
            grad = grad + float(group["weight_decay"]) * value
        value *= 1 - lambd * state["eta"]
        value -= state["eta"] * grad
        if state["mu"] == 1:
            state["ax"][...] = value
        else:
            state["ax"] += state["mu"] * (value - state["ax"])
        state["eta"] = lr / (1 + lambd * lr * state["step"]) ** float(group["alpha"])
        state["mu"] = 1 / max(1, state["step"] - float(group["t0"]))
