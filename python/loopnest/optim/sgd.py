"""SGD."""

from typing import Any

import numpy as np

from loopnest.engine.tape import Tensor
from loopnest.nn._check import flag, number
from loopnest.optim.optimizer import Optimizer, zeros


class SGD(Optimizer):
    """Stochastic gradient descent with momentum; arguments, defaults and formula as torch.optim.SGD.

      g = grad + weight_decay * p                     (-grad if maximize)
      b = g at the first step, then momentum * b + (1 - dampening) * g
      p = p - lr * (g + momentum * b if nesterov, else b)

    Args:
      params: Tensors, or dicts with options of their own. lr, weight_decay, momentum: >= 0.
      nesterov: needs momentum > 0 and dampening 0.
      foreach, fused, differentiable: PyTorch's choices of implementation, taken and ignored.

    Raises ValueError or TypeError that says what was expected.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn, optim
      >>> p = nn.Parameter(np.array([1.0]))
      >>> sgd = optim.SGD([p], lr=0.1)
      >>> (p * p).sum().backward()
      >>> sgd.step()
      >>> p.detach().numpy().round(6).tolist()
      [0.8]
    """

    _kernel = "sgd_step"

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_options(self, group: dict[str, Any]) -> None:
        super()._check_options(group)
        self._number(group, "momentum")
        number("SGD", "dampening", group["dampening"], lambda v: v == v, "to be a number")
        flag("SGD", "nesterov", group["nesterov"])
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                "SGD: nesterov expects momentum > 0 and dampening 0, "
                f"got momentum = {group['momentum']}, dampening = {group['dampening']}"
            )

    def _begin(
        self, group: dict[str, Any], state: dict[str, Any], param: Tensor
    ) -> tuple[bool, tuple[np.ndarray | None, ...]]:
        if group["momentum"] == 0:
            return False, ()
        first = state.get("momentum_buffer") is None
        if first:
            state["momentum_buffer"] = zeros(param)
        return first, (state["momentum_buffer"],)

    def _numbers(self, group: dict[str, Any], point: bool) -> dict[str, Any]:
        names = ("lr", "weight_decay", "momentum", "dampening", "nesterov", "maximize")
        return {name: group[name] for name in names} | {"first": point}
