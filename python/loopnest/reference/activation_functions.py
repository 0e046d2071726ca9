"""The activations of `activation`: f(x) and f'(x), in the order of csrc/ops/map/map.h.

Sources: Maas et al. 2013 (leaky ReLU), Clevert et al. 2016 (ELU), Klambauer et al. 2017 (SELU), Hendrycks and
Gimpel 2016 (GELU, SiLU), Dugas et al. 2001 (softplus), Howard et al. 2019 (hardswish), Misra 2019 (mish),
Huber 1964 and Girshick 2015 (huber).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ._args import Array, as_float64
from .activation import sigmoid

_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _phi(x: Array) -> Array:
    """The normal distribution's cumulative function."""
    return 0.5 * _erfc(-x / math.sqrt(2.0)) if x.size else x


def _log1p_exp(x: Array) -> Array:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def _leaky_relu(x: Array, slope: float) -> tuple[Array, Array]:
    return np.where(x > 0, x, x * slope), np.where(x > 0, 1.0, slope)


def _elu(x: Array, alpha: float, scale: float, rate: float) -> tuple[Array, Array]:
    e = np.exp(np.minimum(x * rate, 0.0))
    low = alpha * scale * np.expm1(np.minimum(x * rate, 0.0))
    return np.where(x > 0, scale * x, low), np.where(x > 0, scale, alpha * scale * rate * e)


def _silu(x: Array) -> tuple[Array, Array]:
    s = sigmoid(x)
    return x * s, s * (1 + x * (1 - s))


def _gelu(x: Array) -> tuple[Array, Array]:
    phi = _phi(x)
    return x * phi, phi + x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def _gelu_tanh(x: Array) -> tuple[Array, Array]:
    k = 2 * math.sqrt(2 / math.pi)
    s = sigmoid(k * (x + 0.044715 * x**3))
    return x * s, s + x * s * (1 - s) * k * (1 + 3 * 0.044715 * x * x)


def _softplus(x: Array, beta: float, threshold: float) -> tuple[Array, Array]:
    z = x * beta
    return np.where(z > threshold, x, _log1p_exp(z) / beta), np.where(z > threshold, 1.0, sigmoid(z))


def _hardtanh(x: Array, low: float, high: float) -> tuple[Array, Array]:
    return np.clip(x, low, high), np.where((x <= low) | (x >= high), 0.0, 1.0)


def _hardsigmoid(x: Array) -> tuple[Array, Array]:
    return np.clip(x + 3, 0, 6) / 6, np.where((x > -3) & (x < 3), 1 / 6, 0.0)


def _hardswish(x: Array) -> tuple[Array, Array]:
    return x * np.clip(x + 3, 0, 6) / 6, np.where(x <= -3, 0.0, np.where(x >= 3, 1.0, x / 3 + 0.5))


def _mish(x: Array) -> tuple[Array, Array]:
    t = np.tanh(_log1p_exp(x))
    return x * t, t + x * (1 - t * t) * sigmoid(x)


def _logsigmoid(x: Array) -> tuple[Array, Array]:
    return -_log1p_exp(-x), sigmoid(-x)


def _threshold(x: Array, threshold: float, value: float) -> tuple[Array, Array]:
    return np.where(x <= threshold, value, x), np.where(x <= threshold, 0.0, 1.0)


def _hardshrink(x: Array, lambd: float) -> tuple[Array, Array]:
    within = np.abs(x) <= lambd
    return np.where(within, 0.0, x), np.where(within, 0.0, 1.0)


def _softshrink(x: Array, lambd: float) -> tuple[Array, Array]:
    within = np.abs(x) <= lambd
    return np.where(within, x * 0.0, x - np.sign(x) * lambd), np.where(within, 0.0, 1.0)


def _softsign(x: Array) -> tuple[Array, Array]:
    return x / (1 + np.abs(x)), 1 / (1 + np.abs(x)) ** 2


def _tanhshrink(x: Array) -> tuple[Array, Array]:
    return x - np.tanh(x), np.tanh(x) ** 2


def _nonpositive(x: Array) -> tuple[Array, Array]:
    return np.where(x > 0, 0.0, x), np.where(x > 0, 0.0, 1.0)


def _huber(x: Array, width: float, slope: float) -> tuple[Array, Array]:
    size = np.abs(x)
    inside = size * size / (2 * width)
    return slope * np.where(size < width, inside, size - width / 2), slope * np.clip(x / width, -1, 1)


def _square(x: Array) -> tuple[Array, Array]:
    return x * x, 2 * x


def _absolute(x: Array) -> tuple[Array, Array]:
    return np.abs(x), np.sign(x)


# name -> (f and f', the default parameters); the order is that of the numbers in csrc/ops/map/map.h
FUNCTIONS: dict[str, tuple[Callable[..., tuple[Array, Array]], tuple[float, ...]]] = {
    "leaky_relu": (_leaky_relu, (0.01,)),
    "elu": (_elu, (1.0, 1.0, 1.0)),
    "silu": (_silu, ()),
    "gelu": (_gelu, ()),
    "gelu_tanh": (_gelu_tanh, ()),
    "softplus": (_softplus, (1.0, 20.0)),
    "hardtanh": (_hardtanh, (-1.0, 1.0)),
    "hardsigmoid": (_hardsigmoid, ()),
    "hardswish": (_hardswish, ()),
    "mish": (_mish, ()),
    "logsigmoid": (_logsigmoid, ()),
    "threshold": (_threshold, (0.0, 0.0)),
    "hardshrink": (_hardshrink, (0.5,)),
    "softshrink": (_softshrink, (0.5,)),
    "softsign": (_softsign, ()),
    "tanhshrink": (_tanhshrink, ()),
    "nonpositive": (_nonpositive, ()),
    "huber": (_huber, (1.0, 1.0)),
    "square": (_square, ()),
    "absolute": (_absolute, ()),
}


def activation(input: ArrayLike, function: str, parameters: tuple[float, ...] = ()) -> Array:
    """The function of that name (a key of FUNCTIONS) of every element.

    >>> activation([-1.0, 2.0], "leaky_relu", (0.25,))
    array([-0.25,  2.  ])
    """
    return FUNCTIONS[function][0](as_float64(input), *parameters)[0]


def activation_backward(
    grad_output: ArrayLike, input: ArrayLike, function: str, parameters: tuple[float, ...] = ()
) -> Array:
    """dy times the function's derivative at `input`.

    >>> activation_backward([3.0, 3.0], [-1.0, 2.0], "leaky_relu", (0.25,))
    array([0.75, 3.  ])
    """
    return as_float64(grad_output) * FUNCTIONS[function][0](as_float64(input), *parameters)[1]
