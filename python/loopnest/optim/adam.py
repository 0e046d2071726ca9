"""Adam and AdamW."""

from typing import Any

import numpy as np

from loopnest.nn._check import flag, number
from loopnest.optim.optimizer import Optimizer


class Adam(Optimizer):
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

    def _check_options(self, group: dict[str, Any]) -> None:
        who = type(self).__name__
        super()._check_options(group)
        self._number(group, "eps")
        if not isinstance(group["betas"], (tuple, list)) or len(group["betas"]) != 2:
            raise TypeError(f"{who}: expected betas to be 2 numbers, got {group['betas']!r}")
        for i, beta in enumerate(group["betas"]):
            number(who, f"betas[{i}]", beta, lambda v: 0.0 <= v < 1.0, "of at least 0 and less than 1")
        for name in ("amsgrad", "decoupled_weight_decay"):
            flag(who, name, group[name])

    def _update(
        self, group: dict[str, Any], state: dict[str, Any], value: np.ndarray, grad: np.ndarray
    ) -> None:
        lr, (beta1, beta2), eps, decay = group["lr"], group["betas"], group["eps"], group["weight_decay"]
        if not state:
            state["step"] = 0
            for name in ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if group["amsgrad"] else ())):
                state[name] = np.zeros(value.shape, value.dtype)
        state["step"] += 1
        step_size = lr / (1 - beta1 ** state["step"])
        root = (1 - beta2 ** state["step"]) ** 0.5
        arrays = [value, grad, state["exp_avg"], state["exp_avg_sq"]]
        if group["amsgrad"]:
            arrays.append(state["max_exp_avg_sq"])
        for p, g, m, v, *largest, a, b in self._blocks(*arrays):
            if group["maximize"]:
                g = np.negative(g, out=a)
            if decay != 0 and group["decoupled_weight_decay"]:
                p *= 1 - lr * decay
            elif decay != 0:
                np.multiply(p, decay, out=b)
                g = np.add(g, b, out=a)
            np.subtract(g, m, out=b)
            b *= 1 - beta1
            m += b  # m + (1 - beta1) (g - m), one rounding less than beta1 m + (1 - beta1) g
            np.multiply(g, g, out=b)
            b *= 1 - beta2
            v *= beta2
            v += b
            np.sqrt(np.maximum(largest[0], v, out=largest[0]) if largest else v, out=b)
            b /= root
            b += eps
            np.divide(m, b, out=b)
            b *= step_size
            p -= b


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
