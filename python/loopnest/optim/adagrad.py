"""Adagrad."""

from typing import Any

import numpy as np

from loopnest.engine.tape import Tensor
from loopnest.optim.optimizer import Optimizer


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer 2011); arguments, defaults and formula as torch.optim.Adagrad.

      g = grad + weight_decay * p                     (-grad if maximize)
      s = s + g^2
      p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Args:
      params: Tensors, or dicts with options of their own. lr, lr_decay, eps, weight_decay: >= 0.
      initial_accumulator_value: what s begins with, >= 0.
      foreach, fused, differentiable: PyTorch's choices of implementation, taken and ignored.

    Raises ValueError or TypeError that says what was expected.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn, optim
      >>> p = nn.Parameter(np.array([1.0]))
      >>> adagrad = optim.Adagrad([p], lr=0.1)
      >>> (p * p).sum().backward()
      >>> adagrad.step()
      >>> p.detach().numpy().round(6).tolist()
      [0.9]
    """

    _kernel = "adagrad_step"

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        for param in group["params"]:
            begin = np.full(param.shape, group["initial_accumulator_value"], param.dtype)
            self.state[param] = {"step": 0, "sum": begin}

    def _check_options(self, group: dict[str, Any]) -> None:
        super()._check_options(group)
        for name in ("lr_decay", "eps", "initial_accumulator_value"):
            self._number(group, name)

    def _begin(
        self, group: dict[str, Any], state: dict[str, Any], param: Tensor
    ) -> tuple[int, tuple[np.ndarray | None, ...]]:
        state["step"] += 1
        return state["step"], (state["sum"],)

    def _numbers(self, group: dict[str, Any], point: int) -> dict[str, Any]:
        names = ("eps", "weight_decay", "maximize")
        return {name: group[name] for name in names} | {
            "lr": group["lr"] / (1 + (point - 1) * group["lr_decay"])
        }
