"""One step of each optimiser: what becomes of a parameter and of what the formula remembers.

Sources: SGD with momentum: Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and
momentum in deep learning", ICML 2013, as PyTorch writes it. Adam: Kingma and Ba, arXiv:1412.6980; AdamW:
Loshchilov and Hutter, arXiv:1711.05101. RMSprop: Hinton, lecture 6e of "Neural networks for machine
learning"; centered: Graves, arXiv:1308.0850. Adagrad: Duchi, Hazan and Singer, JMLR 12, 2011. Adadelta:
Zeiler, arXiv:1212.5701.
"""

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike

from ._args import Array, as_float64


def _gradient(param: Array, grad: ArrayLike, weight_decay: float, maximize: bool) -> Array:
    g = as_float64(grad)
    return (-g if maximize else g) + weight_decay * param


def sgd_step(
    param: ArrayLike,
    grad: ArrayLike,
    momentum_buffer: ArrayLike | None = None,
    lr: float = 1e-3,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
    first: bool = False,
) -> tuple[Array, ...]:
    """(param,) or, with momentum, (param, momentum_buffer). first: the buffer becomes the gradient.

    >>> sgd_step([1.0], [2.0], lr=0.1)
    (array([0.8]),)
    """
    p = as_float64(param)
    g = _gradient(p, grad, weight_decay, maximize)
    if momentum == 0:
        return (p - lr * g,)
    before = 0.0 if momentum_buffer is None else as_float64(momentum_buffer)
    buffer = g.copy() if first else momentum * before + (1 - dampening) * g
    return p - lr * (g + momentum * buffer if nesterov else buffer), buffer


def adam_step(
    param: ArrayLike,
    grad: ArrayLike,
    exp_avg: ArrayLike,
    exp_avg_sq: ArrayLike,
    max_exp_avg_sq: ArrayLike | None = None,
    step: Real | int = 1,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    maximize: bool = False,
    decoupled_weight_decay: bool = False,
) -> tuple[Array, ...]:
    """(param, exp_avg, exp_avg_sq[, max_exp_avg_sq]); step counts from 1, with this one.

    >>> [x.round(4) for x in adam_step([1.0], [2.0], [0.0], [0.0], lr=0.1)]
    [array([0.9]), array([0.2]), array([0.004])]
    """
    p, (beta1, beta2), t = as_float64(param), betas, float(step)
    g = _gradient(p, grad, 0.0 if decoupled_weight_decay else weight_decay, maximize)
    if decoupled_weight_decay:
        p = p * (1 - lr * weight_decay)
    m = beta1 * as_float64(exp_avg) + (1 - beta1) * g
    v = beta2 * as_float64(exp_avg_sq) + (1 - beta2) * g**2
    states = [m, v] if max_exp_avg_sq is None else [m, v, np.maximum(v, as_float64(max_exp_avg_sq))]
    size = np.sqrt(states[-1] / (1 - beta2**t)) + eps
    return p - lr * m / (1 - beta1**t) / size, *states


def rmsprop_step(
    param: ArrayLike,
    grad: ArrayLike,
    square_avg: ArrayLike,
    grad_avg: ArrayLike | None = None,
    momentum_buffer: ArrayLike | None = None,
    lr: float = 1e-2,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    maximize: bool = False,
) -> tuple[Array, ...]:
    """(param, square_avg[, grad_avg][, momentum_buffer]); grad_avg makes it centered.

    >>> rmsprop_step([1.0], [2.0], [0.0], lr=0.1, alpha=0.75)
    (array([0.8]), array([1.]))
    """
    p = as_float64(param)
    g = _gradient(p, grad, weight_decay, maximize)
    states = [alpha * as_float64(square_avg) + (1 - alpha) * g**2]
    spread = states[0]
    if grad_avg is not None:
        states.append(alpha * as_float64(grad_avg) + (1 - alpha) * g)
        spread = spread - states[1] ** 2
    move = g / (np.sqrt(spread) + eps)
    if momentum != 0:
        move = move if momentum_buffer is None else momentum * as_float64(momentum_buffer) + move
        states.append(move)
    return p - lr * move, *states


def adagrad_step(
    param: ArrayLike,
    grad: ArrayLike,
    sum: ArrayLike,
    step: Real | int = 1,
    lr: float = 1e-2,
    lr_decay: float = 0.0,
    eps: float = 1e-10,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> tuple[Array, ...]:
    """(param, sum of squared gradients); step counts from 1, with this one.

    >>> adagrad_step([1.0], [2.0], [0.0], lr=0.1)
    (array([0.9]), array([4.]))
    """
    p = as_float64(param)
    g = _gradient(p, grad, weight_decay, maximize)
    total = as_float64(sum) + g**2
    return p - lr / (1 + (float(step) - 1) * lr_decay) * g / (np.sqrt(total) + eps), total


def adadelta_step(
    param: ArrayLike,
    grad: ArrayLike,
    square_avg: ArrayLike,
    acc_delta: ArrayLike,
    lr: float = 1.0,
    rho: float = 0.9,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> tuple[Array, ...]:
    """(param, square_avg, acc_delta)

    >>> [x.round(3) for x in adadelta_step([2.0], [2.0], [4.0], [1.0])]
    [array([1.]), array([4.]), array([1.])]
    """
    p = as_float64(param)
    g = _gradient(p, grad, weight_decay, maximize)
    square = rho * as_float64(square_avg) + (1 - rho) * g**2
    move = np.sqrt(as_float64(acc_delta) + eps) / np.sqrt(square + eps) * g
    return p - lr * move, square, rho * as_float64(acc_delta) + (1 - rho) * move**2
