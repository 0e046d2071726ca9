"""Learning rates that change with time: torch.optim.lr_scheduler's names, arguments and formulas.

A schedule sets `group["lr"]` of every parameter group: once when it is made, then at every step(), which
follows the optimizer's. state_dict() holds numbers only; functions (LambdaLR) are not kept.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from loopnest.nn._check import integer, number
from loopnest.optim.optimizer import Optimizer


class LRScheduler:
    """Base of the schedules. A subclass defines get_lr(): the rate of every group at `last_epoch`, from the
    present one.

    Args:
      optimizer: its groups get "initial_lr", the rate that they have now.
      last_epoch: the step to go on from; -1 starts anew.

    Attributes:
      last_epoch: how many steps were taken. base_lrs: the rates of the beginning.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        who = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{who}: expected an Optimizer, got {type(optimizer).__name__}")
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(f"{who}: param_groups[{i}] has no initial_lr to go on from")
        self.optimizer = optimizer
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0  # calls of step, the one here included: schedules written for PyTorch look at it
        self._last_lr = [group["lr"] for group in optimizer.param_groups]
        self._begin()

    def _begin(self) -> None:
        self.step()

    def get_lr(self) -> list[float]:
        raise NotImplementedError(f"{type(self).__name__} defines no get_lr")

    def _at(self, base: float, t: int) -> float:
        """The rate at step t from that of the beginning, for schedules that have such a formula."""
        raise NotImplementedError

    def get_last_lr(self) -> list[float]:
        """The rates that were set last."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Go on by one step, or jump to step `epoch`."""
        self._step_count += 1
        if epoch is None:
            self.last_epoch += 1
            rates = self.get_lr()
        else:
            self.last_epoch = epoch
            try:
                rates = [self._at(base, epoch) for base in self.base_lrs]
            except NotImplementedError:
                rates = self.get_lr()
        self._set(rates)

    def _set(self, rates: Sequence[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def _rates(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions."""
        return {k: v for k, v in vars(self).items() if k != "optimizer" and not callable(v)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from state_dict() of a schedule made with the same arguments; the optimizer has its own."""
        vars(self).update(state_dict)


_LRScheduler = LRScheduler  # PyTorch's older name of the base


def _per_group(who: str, name: str, value: float | Sequence[float], count: int) -> list[float]:
    """One number for all groups, or one for each."""
    values = [value] * count if np.ndim(value) == 0 else list(value)  # type: ignore[arg-type]
    if len(values) != count:
        raise ValueError(f"{who}: expected {count} values for {name}, got {len(values)}")
    return [float(v) for v in values]  # type: ignore[arg-type]


def _functions(
    who: str, optimizer: Optimizer, given: Callable[[int], float] | Sequence[Callable[[int], float]]
) -> list[Callable[[int], float]]:
    """One function for all groups, or one for each."""
    count = len(optimizer.param_groups)
    functions = [given] * count if callable(given) else list(given)
    if len(functions) != count:
        raise ValueError(f"{who}: expected {count} functions, got {len(functions)}")
    return functions


def _set_momentum(group: dict[str, Any], momentum: float) -> None:
    """Of Adam and its like it is beta1."""
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum


# Schedules made of others


def _need_same_optimizer(who: str, optimizer: Optimizer, schedulers: Sequence[LRScheduler]) -> None:
    for schedule in schedulers:
        if isinstance(schedule, ReduceLROnPlateau):
            raise ValueError(f"{who}: ReduceLROnPlateau needs a figure for its step; step it by itself")
        if schedule.optimizer is not optimizer:
            raise ValueError(f"{who}: expected every schedule to belong to this optimizer")


def _undo_step(schedule: LRScheduler) -> None:
    """Takes back the step that a schedule, and those it is made of, took when they were made."""
    for part in getattr(schedule, "_schedulers", ()):
        _undo_step(part)
    schedule.last_epoch -= 1


def _state_of_parts(schedule: Any) -> dict[str, Any]:
    parts = [part.state_dict() for part in schedule._schedulers]
    return {"last_epoch": schedule.last_epoch, "_last_lr": schedule._last_lr, "_schedulers": parts}


def _load_parts(schedule: Any, state_dict: dict[str, Any]) -> None:
    schedule.last_epoch, schedule._last_lr = state_dict["last_epoch"], state_dict["_last_lr"]
    for part, state in zip(schedule._schedulers, state_dict["_schedulers"], strict=True):
        part.load_state_dict(state)


class LambdaLR(LRScheduler):
    """lr = initial lr * lr_lambda(step); one function, or one per group.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> sgd = optim.SGD([nn.Parameter(np.ones(1))], lr=1.0)
      >>> schedule = optim.lr_scheduler.LambdaLR(sgd, lambda t: 1 / (1 + t))
      >>> schedule.step()
      >>> sgd.param_groups[0]["lr"]
      0.5
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.lr_lambdas = _functions("LambdaLR", optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        return {k: v for k, v in super().state_dict().items() if k != "lr_lambdas"}


class MultiplicativeLR(LRScheduler):
    """lr times lr_lambda(step) at every step; one function, or one per group.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> sgd = optim.SGD([nn.Parameter(np.ones(1))], lr=1.0)
      >>> schedule = optim.lr_scheduler.MultiplicativeLR(sgd, lambda t: 0.5)
      >>> for _ in range(2):
      ...     schedule.step()
      >>> sgd.param_groups[0]["lr"]
      0.25
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.lr_lambdas = _functions("MultiplicativeLR", optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return self._rates()
        return [lr * f(self.last_epoch) for lr, f in zip(self._rates(), self.lr_lambdas, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        return {k: v for k, v in super().state_dict().items() if k != "lr_lambdas"}


class StepLR(LRScheduler):
    """lr times gamma after every step_size steps.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> sgd = optim.SGD([nn.Parameter(np.ones(1))], lr=1.0)
      >>> schedule = optim.lr_scheduler.StepLR(sgd, step_size=2, gamma=0.5)
      >>> for _ in range(4):
      ...     schedule.step()
      >>> sgd.param_groups[0]["lr"]
      0.25
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size, self.gamma = integer("StepLR", "step_size", step_size), gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0 or self.last_epoch % self.step_size:
            return self._rates()
        return [lr * self.gamma for lr in self._rates()]

    def _at(self, base: float, t: int) -> float:
        return base * self.gamma ** (t // self.step_size)


class MultiStepLR(LRScheduler):
    """lr times gamma at each of the milestones.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> sgd = optim.SGD([nn.Parameter(np.ones(1))], lr=1.0)
      >>> schedule = optim.lr_scheduler.MultiStepLR(sgd, milestones=[1, 3], gamma=0.5)
      >>> for _ in range(4):
      ...     schedule.step()
      >>> sgd.param_groups[0]["lr"]
      0.25
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        times = self.milestones.count(self.last_epoch)
        return [lr * self.gamma**times for lr in self._rates()] if times else self._rates()

    def _at(self, base: float, t: int) -> float:
        return base * self.gamma ** bisect_right(self.milestones, t)


class ConstantLR(LRScheduler):
    """lr times factor until total_iters, then the initial one.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> sgd = optim.SGD([nn.Parameter(np.ones(1))], lr=1.0)
      >>> schedule = optim.lr_scheduler.ConstantLR(sgd, factor=0.5, total_iters=2)
      >>> sgd.param_groups[0]["lr"]
      0.5
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        self.factor = number("ConstantLR", "factor", factor, lambda v: 0.0 <= v <= 1.0, "between 0 and 1")
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return [lr * self.factor for lr in self._rates()]
        if self.last_epoch != self.total_iters:
            return self._rates()
        return [lr / self.factor for lr in self._rates()]

    def _at(self, base: float, t: int) -> float:
        return base * (self.factor if t < self.total_iters else 1.0)


class LinearLR(LRScheduler):
    """lr times a factor that goes from start_factor to end_factor in total_iters steps, in a straight line.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> sgd = optim.SGD([nn.Parameter(np.ones(1))], lr=1.0)
      >>> schedule = optim.lr_scheduler.LinearLR(sgd, start_factor=0.5, total_iters=2)
      >>> schedule.step()
      >>> sgd.param_groups[0]["lr"]
      0.75
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        who = "LinearLR"
        self.start_factor = number(who, "start_factor", start_factor, lambda v: 0.0 < v <= 1.0, "in (0, 1]")
        self.end_factor = number(who, "end_factor", end_factor, lambda v: 0.0 <= v <= 1.0, "in [0, 1]")
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in self._rates()]
        if self.last_epoch > self.total_iters:
            return self._rates()
        rise = self.end_factor - self.start_factor
        ratio = 1 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)
        return [lr * ratio for lr in self._rates()]

    def _at(self, base: float, t: int) -> float:
        share = min(self.total_iters, t) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * share)


class ExponentialLR(LRScheduler):
    """lr times gamma at every step.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> sgd = optim.SGD([nn.Parameter(np.ones(1))], lr=1.0)
      >>> schedule = optim.lr_scheduler.ExponentialLR(sgd, gamma=0.5)
      >>> schedule.step()
      >>> sgd.param_groups[0]["lr"]
      0.5
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._rates() if self.last_epoch == 0 else [lr * self.gamma for lr in self._rates()]

    def _at(self, base: float, t: int) -> float:
        return base * self.gamma**t


class PolynomialLR(LRScheduler):
    """From the initial lr to 0 in total_iters steps, as (1 - step / total_iters) ** power.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> sgd = optim.SGD([nn.Parameter(np.ones(1))], lr=1.0)
      >>> schedule = optim.lr_scheduler.PolynomialLR(sgd, total_iters=2, power=2.0)
      >>> schedule.step()
      >>> sgd.param_groups[0]["lr"]
      0.25
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters, self.power = integer("PolynomialLR", "total_iters", total_iters), power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        t, last = self.last_epoch, self.total_iters
        if t == 0 or t > last:
            return self._rates()
        ratio = ((1 - t / last) / (1 - (t - 1) / last)) ** self.power
        return [lr * ratio for lr in self._rates()]

    def _at(self, base: float, t: int) -> float:
        return base * (1 - min(t, self.total_iters) / self.total_iters) ** self.power


class CosineAnnealingLR(LRScheduler):
    """From the initial lr to eta_min in T_max steps, along half a cosine (Loshchilov and Hutter 2017).

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> sgd = optim.SGD([nn.Parameter(np.ones(1))], lr=1.0)
      >>> schedule = optim.lr_scheduler.CosineAnnealingLR(sgd, T_max=2)
      >>> schedule.step()
      >>> round(sgd.param_groups[0]["lr"], 6)
      0.5
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max, self.eta_min = integer("CosineAnnealingLR", "T_max", T_max), eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        t, period, low = self.last_epoch, self.T_max, self.eta_min
        if t == 0:
            return self._rates()
        if (t - 1 - period) % (2 * period) == 0:  # the step out of the lowest point, where the ratio is 0 / 0
            rise = (1 - math.cos(math.pi / period)) / 2
            return [lr + (base - low) * rise for lr, base in zip(self._rates(), self.base_lrs, strict=True)]
        ratio = (1 + math.cos(math.pi * t / period)) / (1 + math.cos(math.pi * (t - 1) / period))
        return [ratio * (lr - low) + low for lr in self._rates()]

    def _at(self, base: float, t: int) -> float:
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2


class SequentialLR(LRScheduler):
    """One schedule after the other: the next takes over at each milestone and begins with its own step 0.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> from loopnest.optim.lr_scheduler import ExponentialLR, LinearLR, SequentialLR
      >>> sgd = optim.SGD([nn.Parameter(np.ones(1))], lr=1.0)
      >>> warm, then = LinearLR(sgd, 0.5, total_iters=2), ExponentialLR(sgd, 0.5)
      >>> schedule = SequentialLR(sgd, [warm, then], milestones=[2])
      >>> rates = []
      >>> for _ in range(4):
      ...     rates.append(sgd.param_groups[0]["lr"])
      ...     schedule.step()
      >>> rates
      [0.5, 0.75, 1.0, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: expected one milestone fewer than schedules, got {len(milestones)} and "
                f"{len(schedulers)}"
            )
        _need_same_optimizer("SequentialLR", optimizer, schedulers)
        self.optimizer, self._schedulers, self._milestones = optimizer, list(schedulers), list(milestones)
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        for schedule in self._schedulers:  # all of them took a step when they were made
            _undo_step(schedule)
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first.step()
        self._last_lr = first.get_last_lr()

    def step(self, epoch: int | None = None) -> None:
        """Go on by one step."""
        self.last_epoch += 1
        which = bisect_right(self._milestones, self.last_epoch)
        schedule = self._schedulers[which]
        if which > 0 and self._milestones[which - 1] == self.last_epoch:
            schedule.step(0)
        else:
            schedule.step()
        self._last_lr = schedule.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        return _state_of_parts(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        _load_parts(self, state_dict)


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from the initial lr to eta_min in T_0 steps, and again from the start, each time T_mult
    times as long (Loshchilov and Hutter 2017). step() takes parts of epochs too: step(epoch + i / batches).

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> sgd = optim.SGD([nn.Parameter(np.ones(1))], lr=1.0)
      >>> schedule = optim.lr_scheduler.CosineAnnealingWarmRestarts(sgd, T_0=2)
      >>> rates = []
      >>> for _ in range(4):
      ...     rates.append(round(sgd.param_groups[0]["lr"], 6))
      ...     schedule.step()
      >>> rates
      [1.0, 0.5, 1.0, 0.5]
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        who = "CosineAnnealingWarmRestarts"
        self.T_0, self.T_mult = integer(who, "T_0", T_0), integer(who, "T_mult", T_mult)
        self.T_i, self.T_cur, self.eta_min = self.T_0, float(last_epoch), eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        share = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on by one step, or jump to step `epoch`, which may be a fraction."""
        if epoch is None and self.last_epoch >= 0:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur, self.T_i = self.T_cur % self.T_i, self.T_i * self.T_mult
        else:
            epoch = 0 if epoch is None else epoch
            if not epoch >= 0:
                raise ValueError(f"CosineAnnealingWarmRestarts: expected epoch of at least 0, got {epoch}")
            self.T_cur, self.T_i = epoch, self.T_0
            while self.T_cur >= self.T_i:
                self.T_cur, self.T_i = self.T_cur - self.T_i, self.T_i * self.T_mult
        self.last_epoch = math.floor(epoch)
        self._set(self.get_lr())


class CyclicLR(LRScheduler):
    """Up from base_lr to max_lr and down again, over and over, in straight lines (Smith 2017); momentum the
    other way round.

    Args:
      base_lr, max_lr: one rate, or one per group.
      step_size_up, step_size_down: steps of the way up and down; None: down as up.
      mode: "triangular", all cycles alike; "triangular2", each half as high as the last; "exp_range", times
        gamma ** step.
      scale_fn, scale_mode: a height of one's own instead of mode: a function of the number of the cycle
        ("cycle", from 1) or of the step ("iterations").
      cycle_momentum: move momentum (SGD, RMSprop) or beta1 (Adam) between max_momentum and base_momentum.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> sgd = optim.SGD([nn.Parameter(np.ones(1))], momentum=0.9)
      >>> schedule = optim.lr_scheduler.CyclicLR(sgd, base_lr=0.5, max_lr=1.0, step_size_up=2)
      >>> rates = []
      >>> for _ in range(6):
      ...     rates.append(sgd.param_groups[0]["lr"])
      ...     schedule.step()
      >>> rates
      [0.5, 0.75, 1.0, 0.75, 0.5, 0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        who = "CyclicLR"
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{who}: expected an Optimizer, got {type(optimizer).__name__}")
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(f"{who}: expected mode triangular, triangular2 or exp_range, got {mode!r}")
        groups = optimizer.param_groups
        base, self.max_lrs, self.base_momentums, self.max_momentums = (
            _per_group(who, name, value, len(groups))
            for name, value in (
                ("base_lr", base_lr),
                ("max_lr", max_lr),
                ("base_momentum", base_momentum),
                ("max_momentum", max_momentum),
            )
        )
        up = integer(who, "step_size_up", step_size_up)
        down = up if step_size_down is None else integer(who, "step_size_down", step_size_down)
        self.total_size, self.step_ratio = up + down, up / (up + down)
        self.mode, self.gamma, self.scale_fn = mode, gamma, scale_fn
        self.scale_mode = scale_mode if scale_fn else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum and not ("momentum" in optimizer.defaults or "betas" in optimizer.defaults):
            raise ValueError(f"{who}: the optimizer has no momentum; pass cycle_momentum=False")
        if last_epoch == -1:
            for i, group in enumerate(groups):
                group["lr"] = base[i]
                if cycle_momentum:
                    group["base_momentum"], group["max_momentum"] = (
                        self.base_momentums[i],
                        self.max_momentums[i],
                    )
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base

    def _height(self, x: float) -> float:
        if self.scale_fn is not None:
            return self.scale_fn(x)
        return {"triangular": 1.0, "triangular2": 0.5 ** (x - 1)}.get(self.mode, self.gamma**x)

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        way = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        way *= self._height(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            groups = self.optimizer.param_groups
            for group, low, high in zip(groups, self.base_momentums, self.max_momentums, strict=True):
                _set_momentum(group, high - (high - low) * way)
        return [low + (high - low) * way for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]


class ChainedScheduler(LRScheduler):
    """Several schedules at once: each step is a step of all of them, one after the other.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> from loopnest.optim.lr_scheduler import ChainedScheduler, ConstantLR, ExponentialLR
      >>> sgd = optim.SGD([nn.Parameter(np.ones(1))], lr=1.0)
      >>> schedule = ChainedScheduler([ConstantLR(sgd, 0.5, total_iters=2), ExponentialLR(sgd, 0.5)])
      >>> rates = []
      >>> for _ in range(4):
      ...     rates.append(sgd.param_groups[0]["lr"])
      ...     schedule.step()
      >>> rates
      [0.5, 0.25, 0.25, 0.125]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        if not schedulers:
            raise ValueError("ChainedScheduler: expected at least one schedule")
        self.optimizer = optimizer or schedulers[0].optimizer
        _need_same_optimizer("ChainedScheduler", self.optimizer, schedulers)
        self._schedulers, self.last_epoch = list(schedulers), 0
        self._last_lr = self._rates()

    def step(self, epoch: None = None) -> None:  # type: ignore[override]
        """Go on by one step."""
        if epoch is not None:
            raise NotImplementedError("ChainedScheduler: cannot jump; let it come first in a SequentialLR")
        self.last_epoch += 1
        for schedule in self._schedulers:
            schedule.step()
        self._last_lr = self._rates()

    def state_dict(self) -> dict[str, Any]:
        return _state_of_parts(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        _load_parts(self, state_dict)


class OneCycleLR(LRScheduler):
    """Up to max_lr and down to almost nothing, momentum the other way round (Smith and Topin 2018).

    Args:
      max_lr: the highest rate, or one per group.
      total_steps: the length of the cycle; or epochs and steps_per_epoch.
      pct_start: the share of the cycle that goes up. anneal_strategy: "cos" or "linear".
      cycle_momentum: move momentum (SGD, RMSprop) or beta1 (Adam) between max_momentum and base_momentum.
      div_factor, final_div_factor: initial lr = max_lr / div_factor, last lr = initial / final_div_factor.
      three_phase: down to the initial lr first, then on to the last one.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> adam = optim.Adam([nn.Parameter(np.ones(1))])
      >>> schedule = optim.lr_scheduler.OneCycleLR(adam, max_lr=0.1, total_steps=10)
      >>> round(adam.param_groups[0]["lr"], 6)
      0.004
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        who = "OneCycleLR"
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError(f"{who}: expected total_steps, or epochs and steps_per_epoch")
            total_steps = integer(who, "epochs", epochs) * integer(who, "steps_per_epoch", steps_per_epoch)
        self.total_steps = integer(who, "total_steps", total_steps)
        share = number(who, "pct_start", pct_start, lambda v: 0.0 <= v <= 1.0, "between 0 and 1")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"{who}: expected anneal_strategy 'cos' or 'linear', got {anneal_strategy!r}")
        self.anneal_strategy = anneal_strategy
        # (last step, from, to) of lr and of momentum in each phase
        up = share * self.total_steps - 1
        if three_phase:
            self.phases = [
                (up, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
                (2 * up, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
                (self.total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
            ]
        else:
            self.phases = [
                (up, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
                (self.total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"),
            ]
        groups = optimizer.param_groups
        top, low, high = (
            _per_group(who, n, v, len(groups))
            for n, v in (("max_lr", max_lr), ("base_momentum", base_momentum), ("max_momentum", max_momentum))
        )
        self.cycle_momentum = cycle_momentum
        if cycle_momentum and not ("momentum" in optimizer.defaults or "betas" in optimizer.defaults):
            raise ValueError(f"{who}: the optimizer has no momentum; pass cycle_momentum=False")
        if last_epoch == -1:
            for i, group in enumerate(groups):
                group["initial_lr"] = group["lr"] = top[i] / div_factor
                group["max_lr"], group["min_lr"] = top[i], top[i] / div_factor / final_div_factor
                if cycle_momentum:
                    group["base_momentum"], group["max_momentum"] = low[i], high[i]
        super().__init__(optimizer, last_epoch)

    def _between(self, start: float, end: float, share: float) -> float:
        if self.anneal_strategy == "linear":
            return (end - start) * share + start
        return end + (start - end) / 2 * (math.cos(math.pi * share) + 1)

    def get_lr(self) -> list[float]:
        t = self.last_epoch
        if t > self.total_steps:
            raise ValueError(f"OneCycleLR: step {t} of a cycle of {self.total_steps} steps")
        rates = []
        for group in self.optimizer.param_groups:
            begin = 0.0
            for i, phase in enumerate(self.phases):
                end = phase[0]
                if t <= end or i == len(self.phases) - 1:
                    share = (t - begin) / (end - begin) if end != begin else 1.0
                    break
                begin = end
            rates.append(self._between(group[phase[1]], group[phase[2]], share))
            if self.cycle_momentum:
                momentum = self._between(group[phase[3]], group[phase[4]], share)
                _set_momentum(group, momentum)
        return rates


class ReduceLROnPlateau(LRScheduler):
    """lr times factor when a figure has not improved for more than `patience` steps; step(figure).

    Args:
      mode: "min", the figure shall fall, or "max".
      threshold, threshold_mode: better means better by the share ("rel") or the amount ("abs") threshold.
      cooldown: steps after a reduction that do not count. min_lr: not below this, or one per group.
      eps: smaller reductions are left out.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn, optim
      >>> sgd = optim.SGD([nn.Parameter(np.ones(1))], lr=1.0)
      >>> schedule = optim.lr_scheduler.ReduceLROnPlateau(sgd, patience=1)
      >>> for loss in (1.0, 0.5, 0.5, 0.5):
      ...     schedule.step(loss)
      >>> sgd.param_groups[0]["lr"]
      0.1
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        who = "ReduceLROnPlateau"
        self.factor = number(who, "factor", factor, lambda v: v < 1.0, "less than 1")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(
                f"{who}: expected mode 'min' or 'max' and threshold_mode 'rel' or 'abs', got {mode!r} and "
                f"{threshold_mode!r}"
            )
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{who}: expected an Optimizer, got {type(optimizer).__name__}")
        self.min_lrs = _per_group(who, "min_lr", min_lr, len(optimizer.param_groups))
        self.optimizer, self.mode, self.patience, self.threshold = optimizer, mode, patience, threshold
        self.threshold_mode, self.cooldown, self.eps = threshold_mode, cooldown, eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0
        self._last_lr = self._rates()

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Look at the figure of this step (a number or a Tensor of one)."""
        figure = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._better(figure):
            self.best, self.num_bad_epochs = figure, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                lr = max(group["lr"] * self.factor, least)
                if group["lr"] - lr > self.eps:
                    group["lr"] = lr
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._rates()

    def _better(self, figure: float) -> bool:
        """NaN is never better."""
        down = self.mode == "min"
        if self.threshold_mode == "rel":
            edge = self.best * (1 - self.threshold if down else 1 + self.threshold)
        else:
            edge = self.best - self.threshold if down else self.best + self.threshold
        return figure < edge if down else figure > edge
