"""RMSprop."""

from typing import Any

import numpy as np

from loopnest.engine.tape import Tensor
from loopnest.nn._check import flag, number
from loopnest.optim.optimizer import Optimizer, zeros


class RMSprop(Optimizer):
    """RMSprop (Hinton, lecture 6e; centered: Graves 2013); arguments and formula as torch.optim.RMSprop.

      g = grad + weight_decay * p                     (-grad if maximize)
      v = alpha * v + (1 - alpha) * g^2               centered: v - (average of g)^2 in its place
      p = p - lr * g / (sqrt(v) + eps)                momentum: b = momentum * b + g / (...), p = p - lr * b

    Args:
      params: Tensors, or dicts with options of their own. lr, eps, weight_decay, momentum: >= 0.
      alpha: 0 to 1. centered: divide by the deviation instead of the root of the mean square.
      foreach, capturable, differentiable: PyTorch's choices of implementation, taken and ignored.

    Raises ValueError or TypeError that says what was expected.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn, optim
      >>> p = nn.Parameter(np.array([1.0]))
      >>> rmsprop = optim.RMSprop([p], lr=0.1, alpha=0.75)
      >>> (p * p).sum().backward()
      >>> rmsprop.step()
      >>> p.detach().numpy().round(6).tolist()
      [0.8]
    """

    _kernel = "rmsprop_step"

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_options(self, group: dict[str, Any]) -> None:
        super()._check_options(group)
        self._number(group, "eps")
        self._number(group, "momentum")
        number("RMSprop", "alpha", group["alpha"], lambda v: 0.0 <= v <= 1.0, "between 0 and 1")
        flag("RMSprop", "centered", group["centered"])

    def _begin(
        self, group: dict[str, Any], state: dict[str, Any], param: Tensor
    ) -> tuple[None, tuple[np.ndarray | None, ...]]:
        wanted = ["square_avg"]
        wanted += ["momentum_buffer"] if group["momentum"] > 0 else []
        wanted += ["grad_avg"] if group["centered"] else []
        state.setdefault("step", 0)
        for name in wanted:
            if state.get(name) is None:
                state[name] = zeros(param)
        state["step"] += 1
        mean = state["grad_avg"] if group["centered"] else None
        return None, (state["square_avg"], mean, state["momentum_buffer"] if group["momentum"] > 0 else None)

    def _numbers(self, group: dict[str, Any], point: None) -> dict[str, Any]:
        names = ("lr", "eps", "weight_decay", "momentum", "maximize")
        return {name: group[name] for name in names} | {"beta2": group["alpha"], "option": group["centered"]}
