"""Adafactor: a second moment kept as one row and one column."""

from typing import Any

import numpy as np

from loopnest.engine.tape import Tensor
from loopnest.nn._check import number
from loopnest.optim.plain import Array, Options, State, _move, _Plain


class Adafactor(_Plain):
    """Adafactor (Shazeer and Stern 2018): as careful as Adam with a state of n + m numbers for a weight of
    n x m; arguments, defaults and formula as torch.optim.Adafactor.

      g = grad  (-grad if maximize),  b = t^beta2_decay,  a = max(eps[1], rms(p)) * min(lr, 1 / sqrt(t))
      p = p * (1 - lr * weight_decay)
      r = r + b * (mean of g^2 over the last axis - r),  c = c + b * (mean over the last but one - c)
      v = r c / max(mean of r, eps[0])      of vectors and numbers: v = v + b * (g^2 - v)
      u = g / sqrt(max(v, eps[0]^2))
      p = p - a * u / max(1, rms(u) / d)                    rms(x) = sqrt(mean of x^2)

    r and c, `row_var` (..., n, 1) and `col_var` (..., 1, m), have the parameter's dtype, as `variance` has,
    which is of its shape. It has no kernel: NumPy's operations, one parameter after the other.

    Args:
      params: Tensors, or dicts with options of their own. lr, weight_decay: >= 0; lr is the most that a step
        takes of the size of the parameter.
      beta2_decay: <= 0; the averages of g^2 forget the slower, the further it is below 0.
      eps: two numbers >= 0; the first may be None, the machine's epsilon of the parameter's dtype.
      d: >= 1; how large a step is, as rms(u), before it is shortened.
      foreach: PyTorch's choice of implementation, taken and ignored.

    Raises ValueError or TypeError that says what was expected.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> p = nn.Parameter(np.array([[1.0, 1.0], [1.0, 1.0]]))
      >>> adafactor = optim.Adafactor([p], lr=0.1)
      >>> (p * p).sum().backward()
      >>> adafactor.step()
      >>> p.detach().numpy().round(6).tolist()
      [[0.9, 0.9], [0.9, 0.9]]
      >>> {name: np.shape(kept) for name, kept in adafactor.state[p].items()}
      {'step': (), 'row_var': (2, 1), 'col_var': (1, 2)}
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_options(self, group: Options) -> None:
        super()._check_options(group)
        number("Adafactor", "beta2_decay", group["beta2_decay"], lambda v: v <= 0, "<= 0")
        number("Adafactor", "d", group["d"], lambda v: v >= 1, ">= 1")
        self._pair(group, "eps")
        for i, eps in enumerate(group["eps"]):
            if eps is not None or i == 1:
                number("Adafactor", f"eps[{i}]", eps, lambda v: v >= 0, ">= 0")

    def _state_shape(self, name: str, param: Tensor) -> tuple[int, ...]:
        return _factors(param.shape).get(name, param.shape)

    def _start(self, group: Options, value: Array) -> State:
        if value.ndim < 2:
            return {"variance": np.zeros_like(value)}
        return {name: np.zeros(shape, value.dtype) for name, shape in _factors(value.shape).items()}

    def _change(self, group: Options, state: State, value: Array, grad: Array) -> None:
        if not value.size:
            return
        lr, t, (floor, least) = float(group["lr"]), state["step"], group["eps"]
        floor = float(np.finfo(value.dtype).eps if floor is None else floor)
        length = max(float(least), _rms(value)) * min(lr, t**-0.5)
        if group["weight_decay"]:
            value *= 1 - lr * float(group["weight_decay"])
        update = self._variance(state, grad, t ** float(group["beta2_decay"]), floor)
        np.sqrt(np.maximum(update, floor * floor, out=update), out=update)
        np.divide(grad, update, out=update)
        update *= length / max(1.0, _rms(update) / float(group["d"]))
        value -= update

    def _variance(self, state: State, grad: Array, share: float, floor: float) -> Array:
        """The average of grad^2 after this step, as an array that may be written to."""
        square = np.asarray(grad * grad)  # the one array of the parameter's size that a step makes
        if grad.ndim < 2:
            _move(state["variance"], square, share)
            square[...] = state["variance"]
            return square
        row, column = state["row_var"], state["col_var"]
        _move(row, square.mean(axis=-1, keepdims=True), share)
        _move(column, square.mean(axis=-2, keepdims=True), share)
        np.multiply(row, column, out=square)
        square /= np.maximum(row.mean(axis=-2, keepdims=True), floor)
        return square


def _factors(shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """The shapes of what stands for the average of squares; none for vectors, which have it whole."""
    if len(shape) < 2:
        return {}
    return {"row_var": (*shape[:-1], 1), "col_var": (*shape[:-2], 1, shape[-1])}


def _rms(a: Array) -> float:
    return float(np.linalg.norm(a.reshape(-1))) / float(a.size) ** 0.5
