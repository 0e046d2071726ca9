"""Optimizers without a kernel of their own: NAdam, RAdam, Adamax and Rprop.

Their formulas are NumPy's operations on one parameter after the other. Each is a walk over memory, where the
kernels of SGD or Adam take all parameters in one: a step costs several times as much.
"""

from typing import Any

import numpy as np

from loopnest.nn._check import flag
from loopnest.optim.adam import Betas
from loopnest.optim.optimizer import Optimizer

Options = dict[str, Any]  # of a group
State = dict[str, Any]  # what the formula remembers of a parameter
Array = np.ndarray


class _Plain(Optimizer):
    """Counts the steps. A subclass says what its state begins as, and how a step changes a parameter."""

    def _update(self, group: Options, state: State, value: Array, grad: Array) -> None:
        if not state:
            state |= {"step": 0, **self._start(group, value)}
        state["step"] += 1
        self._change(group, state, value, self._gradient(group, value, grad))

    def _gradient(self, group: Options, value: Array, grad: Array) -> Array:
        """The gradient as the formula takes it: with its sign."""
        return -grad if group["maximize"] else grad

    def _start(self, group: Options, value: Array) -> State:
        raise NotImplementedError

    def _change(self, group: Options, state: State, value: Array, grad: Array) -> None:
        raise NotImplementedError


class _Averaging(_Plain, Betas):
    """The relatives of Adam: averages of the gradient and of its square, and a decay."""

    def _gradient(self, group: Options, value: Array, grad: Array) -> Array:
        """With its decay, too; a decoupled one goes to the parameter."""
        grad, decay = super()._gradient(group, value, grad), float(group["weight_decay"])
        if decay == 0:
            return grad
        if group.get("decoupled_weight_decay"):
            value *= 1 - float(group["lr"]) * decay
            return grad
        return grad + decay * value

    def _start(self, group: Options, value: Array) -> State:
        return {"exp_avg": np.zeros_like(value), "exp_avg_sq": np.zeros_like(value)}


def _floats(group: Options) -> tuple[float, float, float, float]:
    """lr, both betas and eps: Python's numbers, so that arrays keep their dtype."""
    beta1, beta2 = group["betas"]
    return float(group["lr"]), float(beta1), float(beta2), float(group["eps"])


def _move(average: Array, towards: Array, share: float) -> None:
    """average = (1 - share) * average + share * towards, in place."""
    average += share * (towards - average)


class NAdam(_Averaging):
    """Adam with Nesterov's momentum (Dozat 2016); arguments, defaults and formula as torch.optim.NAdam.

      g = grad + weight_decay * p                     (-grad if maximize)
      m = beta1 * m + (1 - beta1) * g,  v = beta2 * v + (1 - beta2) * g^2
      mu_t = beta1 * (1 - 0.96^(t * momentum_decay) / 2),  M_t = mu_1 * ... * mu_t
      d = mu_(t+1) / (1 - M_(t+1)) * m + (1 - mu_t) / (1 - M_t) * g
      p = p - lr * d / (sqrt(v / (1 - beta2^t)) + eps)

    It has no kernel: NumPy's operations, one parameter after the other.

    Args:
      params: Tensors, or dicts with options of their own. lr, eps, weight_decay, momentum_decay: >= 0.
      betas: two numbers, 0 <= beta < 1.
      decoupled_weight_decay: p = p - lr * weight_decay * p, in place of the term in g.
      foreach, capturable, differentiable: PyTorch's choices of implementation, taken and ignored.

    Raises ValueError or TypeError that says what was expected.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> p = nn.Parameter(np.array([1.0]))
      >>> nadam = optim.NAdam([p], lr=0.1)
      >>> (p * p).sum().backward()
      >>> nadam.step()
      >>> p.detach().numpy().round(4).tolist()
      [0.8944]
    """

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_options(self, group: Options) -> None:
        super()._check_options(group)
        self._number(group, "momentum_decay")

    def _start(self, group: Options, value: Array) -> State:
        return {"mu_product": 1.0, **super()._start(group, value)}

    def _change(self, group: Options, state: State, value: Array, grad: Array) -> None:
        (lr, beta1, beta2, eps), decay, t = _floats(group), float(group["momentum_decay"]), state["step"]
        now, then = (beta1 * (1 - 0.5 * 0.96 ** (k * decay)) for k in (t, t + 1))
        state["mu_product"] *= now
        _move(state["exp_avg"], grad, 1 - beta1)
        _move(state["exp_avg_sq"], grad * grad, 1 - beta2)
        root = np.sqrt(state["exp_avg_sq"] / (1 - beta2**t)) + eps
        value -= lr * (1 - now) / (1 - state["mu_product"]) * grad / root
        value -= lr * then / (1 - state["mu_product"] * then) * state["exp_avg"] / root


class RAdam(_Averaging):
    """Rectified Adam (Liu and others 2020); arguments, defaults and formula as torch.optim.RAdam.

      g = grad + weight_decay * p                     (-grad if maximize)
      m = beta1 * m + (1 - beta1) * g,  v = beta2 * v + (1 - beta2) * g^2
      R = 2 / (1 - beta2) - 1,  r = R - 2 t beta2^t / (1 - beta2^t)
      p = p - lr * m / (1 - beta1^t) * s
      s = sqrt((r - 4) (r - 2) R / ((R - 4) (R - 2) r)) * sqrt(1 - beta2^t) / (sqrt(v) + eps) if r > 5, else 1

    It has no kernel: NumPy's operations, one parameter after the other.

    Args:
      params: Tensors, or dicts with options of their own. lr, eps, weight_decay: >= 0.
      betas: two numbers, 0 <= beta < 1.
      decoupled_weight_decay: p = p - lr * weight_decay * p, in place of the term in g.
      foreach, capturable, differentiable: PyTorch's choices of implementation, taken and ignored.

    Raises ValueError or TypeError that says what was expected.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> p = nn.Parameter(np.array([1.0]))
      >>> radam = optim.RAdam([p], lr=0.1)
      >>> (p * p).sum().backward()
      >>> radam.step()
      >>> p.detach().numpy().round(6).tolist()
      [0.8]
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _change(self, group: Options, state: State, value: Array, grad: Array) -> None:
        (lr, beta1, beta2, eps), t = _floats(group), state["step"]
        _move(state["exp_avg"], grad, 1 - beta1)
        _move(state["exp_avg_sq"], grad * grad, 1 - beta2)
        step = lr / (1 - beta1**t) * state["exp_avg"]
        most = 2 / (1 - beta2) - 1
        length = most - 2 * t * beta2**t / (1 - beta2**t)
        if length > 5:
            rect = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
            step *= (rect * (1 - beta2**t)) ** 0.5 / (np.sqrt(state["exp_avg_sq"]) + eps)
        value -= step


class Adamax(_Averaging):
    """Adam with the largest gradient so far (Kingma and Ba 2015); arguments, defaults and formula as
    torch.optim.Adamax.

      g = grad + weight_decay * p                     (-grad if maximize)
      m = beta1 * m + (1 - beta1) * g,  u = max(beta2 * u, |g| + eps)
      p = p - lr / (1 - beta1^t) * m / u

    It has no kernel: NumPy's operations, one parameter after the other.

    Args:
      params: Tensors, or dicts with options of their own. lr, eps, weight_decay: >= 0.
      betas: two numbers, 0 <= beta < 1.
      foreach, capturable, differentiable: PyTorch's choices of implementation, taken and ignored.

    Raises ValueError or TypeError that says what was expected.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> p = nn.Parameter(np.array([1.0]))
      >>> adamax = optim.Adamax([p], lr=0.1)
      >>> (p * p).sum().backward()
      >>> adamax.step()
      >>> p.detach().numpy().round(6).tolist()
      [0.9]
    """

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults)

    def _start(self, group: Options, value: Array) -> State:
        return {"exp_avg": np.zeros_like(value), "exp_inf": np.zeros_like(value)}

    def _change(self, group: Options, state: State, value: Array, grad: Array) -> None:
        lr, beta1, beta2, eps = _floats(group)
        _move(state["exp_avg"], grad, 1 - beta1)
        largest = state["exp_inf"]
        np.maximum(beta2 * largest, np.abs(grad) + eps, out=largest)
        value -= lr / (1 - beta1 ** state["step"]) * state["exp_avg"] / largest


class Rprop(_Plain):
    """Resilient backpropagation (Riedmiller and Braun 1993), for gradients of the whole data set; arguments,
    defaults and formula as torch.optim.Rprop.

    Every number has a step size of its own, which begins as lr. Where the gradient has the sign it had
    before, the size is multiplied by etas[1]; where the sign has changed, by etas[0], and the gradient counts
    as 0 in this step and as the one before in the next. Then p = p - size * sign(g).

    It has no kernel: NumPy's operations, one parameter after the other.

    Args:
      params: Tensors, or dicts with options of their own. lr: >= 0.
      etas: two numbers, 0 < etas[0] < 1 < etas[1]. step_sizes: the smallest and the largest.
      foreach, capturable, differentiable: PyTorch's choices of implementation, taken and ignored.

    Raises ValueError or TypeError that says what was expected.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> p = nn.Parameter(np.array([1.0]))
      >>> rprop = optim.Rprop([p], lr=0.25)
      >>> (p * p).sum().backward()
      >>> rprop.step()
      >>> p.tolist()
      [0.75]
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize})

    def _check_options(self, group: Options) -> None:
        self._number(group, "lr")
        flag("Rprop", "maximize", group["maximize"])
        for name in ("etas", "step_sizes"):
            self._pair(group, name)
        less, more = group["etas"]
        if not 0.0 < less < 1.0 < more:
            raise ValueError(f"Rprop: expected 0 < etas[0] < 1 < etas[1], got {less} and {more}")

    def _start(self, group: Options, value: Array) -> State:
        return {"prev": np.zeros_like(value), "step_size": np.full_like(value, float(group["lr"]))}

    def _change(self, group: Options, state: State, value: Array, grad: Array) -> None:
        kind, sizes = value.dtype.type, state["step_size"]
        less, more = (kind(eta) for eta in group["etas"])
        turn = grad * state["prev"]
        sizes *= np.where(turn > 0, more, np.where(turn < 0, less, kind(1)))
        np.clip(sizes, *(kind(size) for size in group["step_sizes"]), out=sizes)
        grad = np.where(turn < 0, kind(0), grad)
        value -= np.sign(grad) * sizes
        state["prev"][...] = grad
