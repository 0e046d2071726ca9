"""L-BFGS: steps from the curvature that the last gradients show."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopnest.engine.tape import Tensor, enable_grad, from_numpy
from loopnest.nn._check import integer, number
from loopnest.nn.parameter import memory
from loopnest.optim.optimizer import Optimizer

Array = NDArray[Any]
Objective = Callable[[float], tuple[float, Array]]  # of a step's length: the loss and the gradient there


class Point(NamedTuple):
    """A place on the line that is searched."""

    t: float
    loss: float
    grad: Array
    slope: float  # of the loss along the line


class LBFGS(Optimizer):
    """The limited-memory method of Broyden, Fletcher, Goldfarb and Shanno; arguments, defaults and formula as
    torch.optim.LBFGS. For small problems whose gradient is exact: all samples at once, an image that is to
    be found.

      direction = -H g, H from the last history_size pairs of steps and changes of the gradient
      (Nocedal and Wright, "Numerical optimization", algorithm 7.4)

    One call of step makes up to max_iter such steps, and needs a closure that clears the gradients, computes
    the loss, calls backward() and returns the loss. All parameters together are one vector: they must be in
    one group, of one dtype.

    Args:
      lr: the length of a step; the first one is no longer than lr / the sum of |g|.
      max_eval: how often the closure may be called in one step; None: 1.25 max_iter.
      tolerance_grad: stop when no |g| is larger. tolerance_change: or when step and loss change by less.
      line_search_fn: None, or "strong_wolfe": lengths that satisfy Wolfe's conditions (the same book,
        algorithms 3.5 and 3.6).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn, optim
      >>> p = nn.Parameter(np.array([-1.0, 2.0]))  # towards Rosenbrock's minimum at (1, 1)
      >>> lbfgs = optim.LBFGS([p], max_iter=100, line_search_fn="strong_wolfe")
      >>> def closure():
      ...     lbfgs.zero_grad()
      ...     loss = (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2
      ...     loss.backward()
      ...     return loss
      >>> _ = lbfgs.step(closure)
      >>> p.detach().numpy().round(4).tolist()
      [1.0, 1.0]
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError(f"LBFGS: expected one group of parameters, got {len(self.param_groups)}")
        if len({p.dtype for p in self._params}) > 1:
            raise TypeError("LBFGS: expected parameters of one dtype")

    def _check_options(self, group: dict[str, Any]) -> None:
        number("LBFGS", "lr", group["lr"], lambda v: v > 0, "> 0")
        for name in ("max_iter", "max_eval", "history_size"):
            integer("LBFGS", name, group[name])
        self._number(group, "tolerance_grad")
        self._number(group, "tolerance_change")
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(
                f"LBFGS: expected line_search_fn None or 'strong_wolfe', got {group['line_search_fn']!r}"
            )

    @property
    def _params(self) -> list[Tensor]:
        found: list[Tensor] = self.param_groups[0]["params"]
        return found

    # The parameters as one vector

    def _gradient(self) -> Array:
        parts = [
            np.zeros(p.numel(), p.dtype) if p.grad is None else memory(p.grad).reshape(-1)
            for p in self._params
        ]
        return np.concatenate(parts)

    def _values(self) -> Array:
        return np.concatenate([memory(p).reshape(-1) for p in self._params])

    def _put(self, values: Array) -> None:
        at = 0
        for p in self._params:
            memory(p)[...] = values[at : at + p.numel()].reshape(p.shape)
            p.bump_version()
            at += p.numel()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to max_iter steps; returns the loss before the first one. TypeError without a closure."""
        if closure is None:
            raise TypeError("LBFGS.step: expected a closure that computes the loss and calls backward()")
        evaluate = enable_grad()(closure)
        group, state = self.param_groups[0], self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = evaluate()
        loss, grad = float(first), self._gradient()
        state["func_evals"] += 1
        if _largest(grad) <= group["tolerance_grad"]:
            return first
        evals = 1
        for n in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction = self._direction(group, state, grad)
            before = loss
            state["prev_flat_grad"], state["prev_loss"] = grad.copy(), loss
            t = float(group["lr"])
            if state["n_iter"] == 1:
                t *= min(1.0, 1.0 / float(np.abs(grad).sum()))
            slope = float(grad @ direction)
            state["d"], state["t"] = direction, t
            if slope > -group["tolerance_change"]:
                break
            start, more = self._values(), 0
            if group["line_search_fn"] is not None:
                at = partial(self._there, evaluate, start, direction)
                origin, tries = Point(0.0, loss, grad, slope), max(group["max_eval"] - evals, 0)
                found, more = strong_wolfe(at, t, direction, origin, tries)
                loss, grad, t = found.loss, found.grad, found.t
                self._put(start + start.dtype.type(t) * direction)
            else:
                self._put(start + start.dtype.type(t) * direction)
                if n != group["max_iter"]:
                    loss, grad, more = float(evaluate()), self._gradient(), 1
            state["t"] = t
            evals += more
            state["func_evals"] += more
            if (
                evals >= group["max_eval"]
                or _largest(grad) <= group["tolerance_grad"]
                or _largest(direction) * abs(t) <= group["tolerance_change"]
                or abs(loss - before) < group["tolerance_change"]
            ):
                break
        return first

    def _there(
        self, evaluate: Callable[[], Any], start: Array, direction: Array, t: float
    ) -> tuple[float, Array]:
        """The loss and the gradient at start + t direction."""
        self._put(start + start.dtype.type(t) * direction)
        return float(evaluate()), self._gradient()

    def _direction(self, group: dict[str, Any], state: dict[str, Any], grad: Array) -> Array:
        """-H grad, after the last step has gone into the history."""
        if state["n_iter"] == 1:
            state |= {"old_dirs": [], "old_stps": [], "ro": [], "H_diag": 1.0}
            return -grad
        change, step = grad - state["prev_flat_grad"], state["d"] * state["d"].dtype.type(state["t"])
        curvature = float(change @ step)
        if curvature > 1e-10:
            for name, value in (("old_dirs", change), ("old_stps", step), ("ro", 1.0 / curvature)):
                state[name] = [*state[name], value][-group["history_size"] :]
            state["H_diag"] = curvature / float(change @ change)
        pairs = list(zip(state["old_dirs"], state["old_stps"], state["ro"], strict=True))
        found, shares = -grad, []
        for y, s, ro in reversed(pairs):
            shares.append(float(s @ found) * ro)
            found = found - found.dtype.type(shares[-1]) * y
        found = found * found.dtype.type(state["H_diag"])
        for (y, s, ro), share in zip(pairs, reversed(shares), strict=True):
            found = found + found.dtype.type(share - float(y @ found) * ro) * s
        return found

    # State: vectors of all parameters together, kept with the first one, as in PyTorch

    def _state(self) -> dict[str, Any]:
        def shown(value: Any) -> Any:
            if isinstance(value, list):
                return [shown(v) for v in value]
            return from_numpy(value) if isinstance(value, np.ndarray) else value

        kept = self.state.get(self._params[0], {})
        group = {**self.param_groups[0], "params": list(range(len(self._params)))}
        state = {0: {name: shown(value) for name, value in kept.items()}} if kept else {}
        return {"state": state, "param_groups": [group]}

    def _load(self, state_dict: Mapping[str, Any]) -> None:
        super()._load({"state": {}, "param_groups": state_dict["param_groups"]})
        size, dtype = sum(p.numel() for p in self._params), self._params[0].dtype

        def taken(name: str, value: Any) -> Any:
            if name in ("func_evals", "n_iter", "prev_loss") or value is None:
                return deepcopy(value)
            if isinstance(value, list):
                return [taken(name, v) for v in value]
            array = np.asarray(value).astype(dtype)
            if array.ndim == 0:
                return float(array)
            if array.shape != (size,):
                raise ValueError(f"LBFGS: expected {name} of shape {(size,)}, got {array.shape}")
            return array

        for kept in state_dict["state"].values():
            self.state[self._params[0]] = {name: taken(name, value) for name, value in kept.items()}


def _largest(a: Array) -> float:
    return float(np.abs(a).max(initial=0))


def strong_wolfe(at: Objective, t: float, direction: Array, start: Point, tries: int) -> tuple[Point, int]:
    """A point along the line where the loss has fallen by 1e-4 of what the slope promised, and the slope to
    0.9 of what it was; and how often the objective was asked, tries + 1 times at most."""
    first, second, done, evals = _bracketed(at, t, direction, start, tries)
    low, high = (first, second) if first.loss <= second.loss else (second, first)
    stuck, reach = False, _largest(direction)
    while not done and evals <= tries:
        left, right = sorted((low.t, high.t))
        if (right - left) * reach < 1e-9:
            break
        t = _cubic(low, high, left, right)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:  # too near to an end to make progress, once too often
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        new, evals = _point(at, t, direction), evals + 1
        if new.loss > start.loss + 1e-4 * t * start.slope or new.loss >= low.loss:
            low, high = (low, new) if low.loss <= new.loss else (new, low)
            continue
        done = abs(new.slope) <= -0.9 * start.slope
        if not done and new.slope * (high.t - low.t) >= 0:
            high = low
        low = new
    return low, evals


def _bracketed(
    at: Objective, t: float, direction: Array, start: Point, tries: int
) -> tuple[Point, Point, bool, int]:
    """Two points with one in between that satisfies the conditions, whether it is the first itself, and how
    often the objective was asked."""
    before, new = start, _point(at, t, direction)
    for n in range(tries):
        if new.loss > start.loss + 1e-4 * new.t * start.slope or (n > 1 and new.loss >= before.loss):
            return before, new, False, n + 1
        if abs(new.slope) <= -0.9 * start.slope:
            return new, new, True, n + 1
        if new.slope >= 0:
            return before, new, False, n + 1
        further = _cubic(before, new, new.t + 0.01 * (new.t - before.t), new.t * 10)
        before, new = new, _point(at, further, direction)
    return start, new, False, tries + 1


def _point(at: Objective, t: float, direction: Array) -> Point:
    loss, grad = at(t)
    return Point(t, loss, grad, float(grad @ direction))


def _cubic(one: Point, other: Point, low: float, high: float) -> float:
    """Where the cubic through two points, with their slopes, is lowest, held between low and high (Nocedal
    and Wright, equation 3.59)."""
    a, b = sorted((one, other), key=lambda point: point.t)
    if a.t == b.t:
        return (low + high) / 2
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    below = b.slope - a.slope + 2 * d2
    if below == 0:
        return (low + high) / 2
    return min(max(b.t - (b.t - a.t) * ((b.slope + d2 - d1) / below), low), high)
