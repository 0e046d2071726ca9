"""Batch, instance, group, layer and RMS normalisation: one formula over different sets of numbers.

    y = h * weight[c] + bias[c],    h = (x - mean) / sqrt(var + eps)

x is (N, S, C): N images or sequences of S places and C channels. mean and var (divided by the number of
elements) belong to sets: batch norm has one for each channel (over_n, groups = C), instance norm one for each
image and channel (groups = C), group norm one for each image and group of neighbouring channels, layer norm
(groups = 1, S = 1) one for each row; RMS norm is layer norm without `centre`: mean is 0.

Sources: Ioffe and Szegedy 2015, Ulyanov et al. 2016, Wu and He 2018, Ba et al. 2016, Zhang and Sennrich 2019.
"""

import numpy as np
from numpy.typing import ArrayLike

from ._args import Array, as_float64


def _sets(x: Array, groups: int, over_n: bool) -> Array:
    """x as (N or 1, N * S or S, groups, C / groups): the second and the last axis are one set's."""
    n, s, c = x.shape
    return x.reshape(1 if over_n else n, n * s if over_n else s, groups, c // groups)


def _means(x: Array, groups: int, over_n: bool) -> Array:
    return _sets(x, groups, over_n).mean(axis=(1, 3))


def _spread(stats: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Statistics (N or 1, groups) as (N, 1, C)."""
    n, _, c = shape
    s = as_float64(stats)
    return np.broadcast_to(np.repeat(s, c // s.shape[1], axis=1)[:, None], (n, 1, c))


def norm(
    input: ArrayLike,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    mean: ArrayLike | None = None,
    var: ArrayLike | None = None,
    groups: int = 1,
    eps: float = 1e-5,
    over_n: bool = False,
    centre: bool = True,
    residual: ArrayLike | None = None,
    activation: str | None = None,
) -> tuple[Array, Array, Array]:
    """input (N, S, C), weight and bias (C,); mean and var (N or 1, groups): given, or taken from the input.

    Returns y (N, S, C), plus `residual` and then ReLU if `activation` is "relu"; and mean and var.

    >>> y, mean, var = norm([[[1.0, 2.0, 3.0]]], eps=0.0)
    >>> y.round(4), mean, var.round(4)
    (array([[[-1.2247,  0.    ,  1.2247]]]), array([[2.]]), array([[0.6667]]))
    """
    x = as_float64(input)
    if mean is None or var is None:
        mean = _means(x, groups, over_n)
        if not centre:
            mean = np.zeros_like(mean)
        var = _means((x - _spread(mean, x.shape)) ** 2, groups, over_n)
    h = (x - _spread(mean, x.shape)) / np.sqrt(_spread(var, x.shape) + eps)
    y = h * (1.0 if weight is None else as_float64(weight)) + (0.0 if bias is None else as_float64(bias))
    if residual is not None:
        y = y + as_float64(residual)
    if activation == "relu":
        y = np.where(y <= 0, 0, y)
    return y, as_float64(mean), as_float64(var)


def norm_backward(
    grad_output: ArrayLike,
    input: ArrayLike,
    weight: ArrayLike | None,
    mean: ArrayLike,
    var: ArrayLike,
    groups: int = 1,
    eps: float = 1e-5,
    over_n: bool = False,
    centre: bool = True,
    given: bool = False,
    bias: ArrayLike | None = None,
    activation: str | None = None,
) -> tuple[Array, Array, Array]:
    """dL/d of input, weight and bias of `norm`; `given`: mean and var did not come from the input.

    With activation "relu" grad_output is the gradient of ReLU of the result: it does not count where that
    is 0.

    With g = dy * weight and means over the sets,

        dx = (g - mean(g) - h * mean(g h)) / sqrt(var + eps)        (`given`: without the two means)

    >>> dx, dw, db = norm_backward([[[1.0, 0.0]]], [[[1.0, 3.0]]], None, [[2.0]], [[1.0]], eps=0.0)
    >>> dx, dw, db
    (array([[[0., 0.]]]), array([-1.,  0.]), array([1., 0.]))
    """
    x, dy = as_float64(input), as_float64(grad_output)
    rstd = 1 / np.sqrt(_spread(var, x.shape) + eps)
    h = (x - _spread(mean, x.shape)) * rstd
    if activation == "relu":
        y = h * (1.0 if weight is None else as_float64(weight)) + (0.0 if bias is None else as_float64(bias))
        dy = np.where(y <= 0, 0, dy)
    g = dy if weight is None else dy * as_float64(weight)
    dx = g
    if not given:
        dx = g - h * _spread(_means(g * h, groups, over_n), x.shape)
        if centre:
            dx = dx - _spread(_means(g, groups, over_n), x.shape)
    return dx * rstd, (dy * h).sum(axis=(0, 1)), dy.sum(axis=(0, 1))
