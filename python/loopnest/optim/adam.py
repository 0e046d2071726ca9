"""Adam and AdamW, and the options that their relatives have too."""

from typing import Any

import numpy as np

from loopnest.engine.tape import Tensor
from loopnest.nn._check import flag, number
from loopnest.optim.optimizer import Optimizer, zeros


class Betas(Optimizer):
    """What Adam and its relatives share: the options of averages of the gradient and of its square."""

    def _check_options(self, group: dict[str, Any]) -> None:
        who = type(self).__name__
        super()._check_options(group)
        self._number(group, "eps")
        self._pair(group, "betas")
        for i, beta in enumerate(group["betas"]):
            number(who, f"betas[{i}]", beta, lambda v: 0.0 <= v < 1.0, "of at least 0 and less than 1")
        for name in ("amsgrad", "decoupled_weight_decay"):
            if name in group:
                flag(who, name, group[name])


class Adam(Betas):
    """Adam (Kingma and Ba 2015); arguments, defaults and formula as torch.optim.Adam.

      g = grad + weight_decay * p                     (-grad if maximize)
      m = beta1 * m + (1 - beta1) * g,  v = beta2 * v + (1 - beta2) * g^2
      p = p - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)

    Args:
      params: Tensors, or dicts with options of their own. lr, eps, weight_decay: >= 0.
      betas: two numbers, 0 <= beta < 1. amsgrad: the largest v so far in place of v.
      decoupled_weight_decay: AdamW's decay, p = p - lr * weight_decay * p, in place of the term in g.
      foreach, fused, capturable, differentiable: PyTorch's choices of implementation, taken and ignored.

    Raises ValueError or TypeError that says what was expected.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn, optim
      >>> p = nn.Parameter(np.array([1.0]))
      >>> adam = optim.Adam([p], lr=0.1)
      >>> (p * p).sum().backward()
      >>> adam.step()
      >>> p.detach().numpy().round(6).tolist()
      [0.9]
    """

    _kernel = "adam_step"

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _begin(
        self, group: dict[str, Any], state: dict[str, Any], param: Tensor
    ) -> tuple[int, tuple[np.ndarray | None, ...]]:
        if not state:
            state["step"] = 0
            for name in ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if group["amsgrad"] else ())):
                state[name] = zeros(param)
        state["step"] += 1
        largest = state["max_exp_avg_sq"] if group["amsgrad"] else None
        return state["step"], (state["exp_avg"], state["exp_avg_sq"], largest)

    def _numbers(self, group: dict[str, Any], point: int) -> dict[str, Any]:
        lr, (beta1, beta2), decay = group["lr"], group["betas"], group["weight_decay"]
        return {
            "lr": lr / (1 - beta1**point),
            "root": (1 - beta2**point) ** 0.5,
            "shrink" if group["decoupled_weight_decay"] else "weight_decay": (
                lr * decay if group["decoupled_weight_decay"] else decay
            ),
            "beta1": beta1,
            "beta2": beta2,
            "eps": group["eps"],
            "maximize": group["maximize"],
            "option": group["amsgrad"],
        }


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019); as torch.optim.AdamW.

    p = p - lr * weight_decay * p comes first, and the decay does not enter the averages. weight_decay is 0.01
    if not given; the other arguments are Adam's.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn, optim
      >>> p = nn.Parameter(np.array([1.0]))
      >>> adamw = optim.AdamW([p], lr=0.1, weight_decay=0.5)
      >>> (p * p).sum().backward()
      >>> adamw.step()
      >>> p.detach().numpy().round(6).tolist()
      [0.85]
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True
        )
