"""The steps of the optimisers. Parameters and states are not changed: the results are new arrays."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from loopnest import _core, reference
from loopnest._arguments import integer
from loopnest.ops.ready import Array, Choice, Ready, operator

# All that the kernels of this family read (csrc/ops/update/update.h); what a formula lacks is 0, root 1.
_NUMBERS = {
    **dict.fromkeys(("lr", "weight_decay", "shrink", "momentum", "dampening", "beta1", "beta2", "eps"), 0.0),
    **dict.fromkeys(("maximize", "nesterov", "first", "option"), 0.0),
    "root": 1.0,
}


def _step(op: str, arrays: tuple[Any, ...], choice: Choice, **numbers: Any) -> _core.Call:
    """arrays: param, grad and the state, up to three; numbers by the names above."""
    for name, value in numbers.items():
        if not isinstance(value, (int, float, np.bool_, np.integer, np.floating)):
            raise TypeError(f"{op}: expected {name} to be a number, got {value!r}")
    five = (*arrays, None, None, None)[:5]
    given = {name: float(value) for name, value in numbers.items()}
    return getattr(_core, op)(*five, {**_NUMBERS, **given}, **choice)


def _need_momentum_with_its_buffer(op: str, momentum: Any, buffer: Any) -> None:
    if (momentum != 0) != (buffer is not None):
        raise ValueError(f"{op}: momentum and momentum_buffer belong together")


@operator
def sgd_step(
    param,
    grad,
    momentum_buffer=None,
    lr=1e-3,
    momentum=0.0,
    dampening=0.0,
    weight_decay=0.0,
    nesterov=False,
    maximize=False,
    first=False,
    **choice: Unpack[Choice],
) -> Ready[tuple[Array, ...]]:
    """One step of stochastic gradient descent: (param,) or, with momentum, (param, momentum_buffer).

    Arrays of one shape; first: the buffer has no contents yet and becomes the gradient.

    >>> sgd_step(np.ones(1), np.full(1, 2.0), lr=0.25)
    (array([0.5]),)
    """
    _need_momentum_with_its_buffer("sgd_step", momentum, momentum_buffer)
    arrays = (param, grad, momentum_buffer)
    how = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
    how |= {"nesterov": nesterov, "maximize": maximize, "first": first}
    return _step("sgd_step", arrays, choice, **how), lambda: reference.sgd_step(*arrays, **how)


@operator
def adam_step(
    param,
    grad,
    exp_avg,
    exp_avg_sq,
    max_exp_avg_sq=None,
    step=1,
    lr=1e-3,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0.0,
    maximize=False,
    decoupled_weight_decay=False,
    **choice: Unpack[Choice],
) -> Ready[tuple[Array, ...]]:
    """Step number `step` (from 1) of Adam: (param, exp_avg, exp_avg_sq[, max_exp_avg_sq]).

    >>> zero = np.zeros(1)
    >>> adam_step(np.ones(1), np.full(1, 2.0), zero, zero, lr=0.25)[0].round(6)
    array([0.75])
    """
    t = integer("adam_step", "step", step)
    if t < 1:
        raise ValueError(f"adam_step: expected step of at least 1, got {t}")
    arrays = (param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq)
    decay = {"shrink": lr * weight_decay} if decoupled_weight_decay else {"weight_decay": weight_decay}
    call = _step(
        "adam_step",
        arrays,
        choice,
        lr=lr / (1 - betas[0] ** t),
        root=(1 - betas[1] ** t) ** 0.5,
        beta1=betas[0],
        beta2=betas[1],
        eps=eps,
        maximize=maximize,
        option=max_exp_avg_sq is not None,
        **decay,
    )
    how = {"step": t, "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
    how |= {"maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay}
    return call, lambda: reference.adam_step(*arrays, **how)


@operator
def rmsprop_step(
    param,
    grad,
    square_avg,
    grad_avg=None,
    momentum_buffer=None,
    lr=1e-2,
    alpha=0.99,
    eps=1e-8,
    weight_decay=0.0,
    momentum=0.0,
    maximize=False,
    **choice: Unpack[Choice],
) -> Ready[tuple[Array, ...]]:
    """One step of RMSprop: (param, square_avg[, grad_avg][, momentum_buffer]); grad_avg makes it centered.

    >>> rmsprop_step(np.ones(1), np.full(1, 2.0), np.zeros(1), lr=0.25, alpha=0.75, eps=0.0)
    (array([0.5]), array([1.]))
    """
    _need_momentum_with_its_buffer("rmsprop_step", momentum, momentum_buffer)
    arrays = (param, grad, square_avg, grad_avg, momentum_buffer)
    call = _step(
        "rmsprop_step",
        arrays,
        choice,
        lr=lr,
        beta2=alpha,
        eps=eps,
        weight_decay=weight_decay,
        momentum=momentum,
        maximize=maximize,
        option=grad_avg is not None,
    )
    how = (lr, alpha, eps, weight_decay, momentum, maximize)
    return call, lambda: reference.rmsprop_step(*arrays, *how)


@operator
def adagrad_step(
    param,
    grad,
    sum,
    step=1,
    lr=1e-2,
    lr_decay=0.0,
    eps=1e-10,
    weight_decay=0.0,
    maximize=False,
    **choice: Unpack[Choice],
) -> Ready[tuple[Array, ...]]:
    """Step number `step` (from 1) of Adagrad: (param, sum of squared gradients).

    >>> adagrad_step(np.ones(1), np.full(1, 2.0), np.zeros(1), lr=0.25, eps=0.0)
    (array([0.75]), array([4.]))
    """
    t = integer("adagrad_step", "step", step)
    arrays, now = (param, grad, sum), lr / (1 + (t - 1) * lr_decay)
    call = _step(
        "adagrad_step", arrays, choice, lr=now, eps=eps, weight_decay=weight_decay, maximize=maximize
    )
    how = (t, lr, lr_decay, eps, weight_decay, maximize)
    return call, lambda: reference.adagrad_step(*arrays, *how)


@operator
def adadelta_step(
    param,
    grad,
    square_avg,
    acc_delta,
    lr=1.0,
    rho=0.9,
    eps=1e-6,
    weight_decay=0.0,
    maximize=False,
    **choice: Unpack[Choice],
) -> Ready[tuple[Array, ...]]:
    """One step of Adadelta: (param, square_avg, acc_delta).

    >>> adadelta_step(np.ones(1), np.full(1, 2.0), np.full(1, 4.0), np.ones(1), eps=0.0)[0].round(6)
    array([0.])
    """
    arrays = (param, grad, square_avg, acc_delta)
    how = {"eps": eps, "weight_decay": weight_decay, "maximize": maximize}
    call = _step("adadelta_step", arrays, choice, lr=lr, beta2=rho, **how)
    return call, lambda: reference.adadelta_step(*arrays, lr, rho, **how)
