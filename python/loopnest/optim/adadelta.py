"""Adadelta."""

from typing import Any

import numpy as np

from loopnest.engine.tape import Tensor
from loopnest.nn._check import number
from loopnest.optim.optimizer import Optimizer, zeros


class Adadelta(Optimizer):
    """Adadelta (Zeiler 2012); arguments, defaults and formula as torch.optim.Adadelta.

      g = grad + weight_decay * p                     (-grad if maximize)
      v = rho * v + (1 - rho) * g^2
      d = sqrt(a + eps) / sqrt(v + eps) * g,  a = rho * a + (1 - rho) * d^2
      p = p - lr * d

    Args:
      params: Tensors, or dicts with options of their own. lr, eps, weight_decay: >= 0. rho: 0 to 1.
      foreach, capturable, differentiable: PyTorch's choices of implementation, taken and ignored.

    Raises ValueError or TypeError that says what was expected.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn, optim
      >>> p = nn.Parameter(np.array([1.0]))
      >>> adadelta = optim.Adadelta([p], rho=0.75, eps=1.0)
      >>> (p * p).sum().backward()
      >>> adadelta.step()
      >>> p.detach().numpy().round(4).tolist()
      [-0.4142]
    """

    _kernel = "adadelta_step"

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults)

    def _check_options(self, group: dict[str, Any]) -> None:
        super()._check_options(group)
        self._number(group, "eps")
        number("Adadelta", "rho", group["rho"], lambda v: 0.0 <= v <= 1.0, "between 0 and 1")

    def _begin(
        self, group: dict[str, Any], state: dict[str, Any], param: Tensor
    ) -> tuple[None, tuple[np.ndarray | None, ...]]:
        if not state:
            state |= {"step": 0, "square_avg": zeros(param), "acc_delta": zeros(param)}
        state["step"] += 1
        return None, (state["square_avg"], state["acc_delta"])

    def _numbers(self, group: dict[str, Any], point: None) -> dict[str, Any]:
        names = ("lr", "eps", "weight_decay", "maximize")
        return {name: group[name] for name in names} | {"beta2": group["rho"]}
