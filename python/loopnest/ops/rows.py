"""What looks along an axis or over sets of numbers: normalisation, softmax, sums, cross entropy."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from loopnest import _core, reference
from loopnest._arguments import flag, integer
from loopnest.ops.ready import Array, Choice, Ready, operator
from loopnest.reference.reduce import REDUCTIONS

# ---- normalisation ----


@operator
def norm(
    input,
    weight=None,
    bias=None,
    mean=None,
    var=None,
    groups=1,
    eps=1e-5,
    over_n=False,
    centre=True,
    *,
    residual=None,
    activation=None,
    **choice: Unpack[Choice],
) -> Ready[tuple[Array, Array, Array]]:
    """Batch, instance, group, layer and RMS normalisation of (N, S, C): N images, S places, C channels.

    Every set of numbers gets mean 0 and variance 1 (and then weight and bias of its channel, each (C,)): over
    n and s for each channel (batch: over_n, groups = C), over s for each image and group of channels
    (instance: groups = C; group; layer: groups = 1, S = 1). Not `centre`: divided by the root mean square.
    mean, var: (N, groups), or (1, C) if over_n; taken from the input unless given. Returns y, mean and var.

    residual: added to y, of y's shape and strides; activation: None, or "relu" of the sum.

    >>> y, mean, var = norm(np.array([[[1.0, 3.0]]], "f"), eps=0.0)
    >>> y.tolist(), mean.tolist(), var.tolist()
    ([[[-1.0, 1.0]]], [[2.0]], [[1.0]])
    """
    if (mean is None) != (var is None):
        raise ValueError("norm: expected mean and var, or neither")
    numbers = (integer("norm", "groups", groups), float(eps))
    how = (*numbers, flag("norm", "over_n", over_n), flag("norm", "centre", centre))
    args, after = (input, weight, bias, mean, var, *how), {"residual": residual, "activation": activation}
    return _core.norm(*args, **after, **choice), lambda: reference.norm(*args, **after)


@operator
def norm_backward(
    grad_output,
    input,
    weight,
    mean,
    var,
    groups=1,
    eps=1e-5,
    over_n=False,
    centre=True,
    given=False,
    *,
    bias=None,
    activation=None,
    **choice: Unpack[Choice],
) -> Ready[tuple[Array, Array, Array]]:
    """dL/d of norm's input, weight and bias, from what norm returned; `given`: mean and var were given to it.

    activation: "relu" if grad_output is the gradient of ReLU of the result; then `bias` is needed as well.

    >>> x, one = np.array([[[1.0, 3.0]]], "f"), np.ones((1, 1), "f")
    >>> norm_backward(np.array([[[1.0, 0.0]]], "f"), x, None, 2 * one, one, eps=0.0)[1].tolist()
    [-1.0, 0.0]
    """
    op = "norm_backward"
    numbers = (integer(op, "groups", groups), float(eps))
    how = (*numbers, flag(op, "over_n", over_n), flag(op, "centre", centre), flag(op, "given", given))
    args, after = (grad_output, input, weight, mean, var, *how), {"bias": bias, "activation": activation}
    return _core.norm_backward(*args, **after, **choice), lambda: reference.norm_backward(*args, **after)


# ---- along axes ----


def _axis(op: str, x: Any, dim: Any) -> int:
    """The axis of x that `dim` names, from 0 on."""
    if not isinstance(x, np.ndarray):
        raise TypeError(f"{op}: expected a NumPy array, got {type(x).__name__}")
    axis = integer(op, "dim", dim)
    if not -x.ndim <= axis < x.ndim:
        raise IndexError(f"{op}: expected dim in [{-x.ndim}, {x.ndim - 1}], got {axis}")
    return axis % x.ndim


def _around(op: str, x: Any, dim: Any) -> Array:
    """x as (outer, d, inner), in the order of its axes."""
    axis = _axis(op, x, dim)
    outer, inner = (int(np.prod(s, dtype=np.int64)) for s in (x.shape[:axis], x.shape[axis + 1 :]))
    return x.reshape(outer, x.shape[axis], inner)


@operator
def softmax(input, dim=-1, log=False, **choice: Unpack[Choice]) -> Ready[Array]:
    """exp(x) / sum of exp(x) along dim, or its logarithm; any shape. IndexError if there is no such axis.

    >>> softmax(np.zeros((1, 4), "f")).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    x = _around("softmax", input, dim)
    call = _core.softmax(x, flag("softmax", "log", log), **choice)
    return call, lambda: reference.softmax(x, 1, log), lambda y: y.reshape(input.shape)


@operator
def softmax_backward(grad_output, output, dim=-1, log=False, **choice: Unpack[Choice]) -> Ready[Array]:
    """dL/dx of softmax from its result: y * (dy - sum of dy * y); dy - exp(y) * sum of dy for the logarithm.

    >>> softmax_backward(np.array([1.0, 0.0], "f"), np.array([0.5, 0.5], "f")).tolist()
    [0.25, -0.25]
    """
    op = "softmax_backward"
    dy, y = _around(op, grad_output, dim), _around(op, output, dim)
    call = _core.softmax_backward(dy, y, flag(op, "log", log), **choice)
    return call, lambda: reference.softmax_backward(dy, y, 1, log), lambda dx: dx.reshape(output.shape)


def _axes(op: str, x: Any, dim: Any) -> tuple[int, ...]:
    """The axes that `dim` (None: all, a number, several) names, from 0 on."""
    if dim is None and isinstance(x, np.ndarray):
        return tuple(range(x.ndim))
    axes = tuple(_axis(op, x, d) for d in (dim if isinstance(dim, (tuple, list)) else (dim,)))
    if len(set(axes)) != len(axes):
        raise ValueError(f"{op}: an axis appears twice in dim={dim}")
    return axes


@operator
def reduce(
    input, dim=None, function="sum", divisor=1.0, keepdim=False, **choice: Unpack[Choice]
) -> Ready[Array]:
    """Sums, maxima or minima along the axes `dim` (None: all), which go away unless keepdim; any shape.

    function: "sum" (divided by `divisor`: for a mean, how many there are), "amax", "amin"; NaN wins. Of no
    elements: 0, -inf, inf. IndexError if there is no such axis, ValueError if one appears twice.

    >>> reduce(np.array([[1.0, 2.0], [3.0, 5.0]], "f"), 0).tolist()
    [4.0, 7.0]
    """
    axes = _axes("reduce", input, dim)
    if function not in REDUCTIONS:
        raise ValueError(f"reduce: expected function to be one of {', '.join(REDUCTIONS)}, got {function!r}")
    kept = [axis not in axes for axis in range(input.ndim)]
    call = _core.reduce(input, kept, REDUCTIONS.index(function), float(divisor), **choice)
    return (
        call,
        lambda: reference.reduce(input, axes, function, float(divisor), keepdim=True),
        lambda y: y if keepdim else y.squeeze(axes),
    )


# ---- cross entropy ----


def _classes(input: Array, target: Array) -> tuple[Array, Array]:
    """(N, C, d1, ...) and (N, d1, ...) as (N, C, S) and (N, S); (C,) and () as one row."""
    if not isinstance(input, np.ndarray) or not isinstance(target, np.ndarray):
        raise TypeError("cross_entropy: expected input and target to be NumPy arrays")
    if input.ndim == 0 or target.shape != input.shape[:1] * (input.ndim > 1) + input.shape[2:]:
        raise ValueError(
            "cross_entropy: expected input (N, C, d1, ...) and target (N, d1, ...), or (C,) and (), "
            f"got {input.shape} and {target.shape}"
        )
    n = input.shape[0] if input.ndim > 1 else 1
    c = input.shape[1] if input.ndim > 1 else input.shape[0]
    s = int(np.prod(input.shape[2:], dtype=np.int64))
    return input.reshape(n, c, s), target.reshape(n, s)


@operator
def cross_entropy(
    input, target, weight=None, ignore_index=-100, label_smoothing=0.0, **choice: Unpack[Choice]
) -> Ready[tuple[Array, Array, Array]]:
    """Softmax cross-entropy of each row; loss.sum() / row_weight.sum() is PyTorch's reduction="mean".

    input (N, C, d1, ...) of scores, target (N, d1, ...) int64 classes, weight (C,) or None. Returns loss,
    log-sum-exp and weight of each row, each (N, S) with S the product of d1, ... IndexError for a target that
    is no class.

    >>> loss, _, _ = cross_entropy(np.zeros((1, 2), "f"), np.array([0]))
    >>> loss
    array([[0.6931472]], dtype=float32)
    """
    x, t = _classes(input, target)
    ignore = integer("cross_entropy", "ignore_index", ignore_index)
    call = _core.cross_entropy(x, t, weight, ignore, float(label_smoothing), **choice)

    def formula() -> tuple[Array, Array, Array]:
        loss = reference.cross_entropy(x, t, weight, ignore, "none", label_smoothing)
        top = x.max(axis=1, keepdims=True)
        log_sum_exp = np.log(np.exp(np.asarray(x - top, np.float64)).sum(axis=1)) + top[:, 0]
        kept = t != ignore
        row_weight = np.where(kept, 1.0 if weight is None else weight[np.where(kept, t, 0)], 0.0)
        return loss, log_sum_exp, row_weight

    return call, formula


@operator
def cross_entropy_backward(
    input,
    target,
    log_sum_exp,
    grad_output,
    weight=None,
    ignore_index=-100,
    label_smoothing=0.0,
    **choice: Unpack[Choice],
) -> Ready[Array]:
    """dL/dinput (N, C, S) from dL/dloss (N, S) and the log-sum-exp that cross_entropy returned.

    >>> x, t = np.zeros((1, 2), "f"), np.array([0])
    >>> loss, lse, _ = cross_entropy(x, t)
    >>> cross_entropy_backward(x, t, lse, np.ones((1, 1), "f"))[0, :, 0]
    array([-0.5,  0.5], dtype=float32)
    """
    x, t = _classes(input, target)
    ignore = integer("cross_entropy_backward", "ignore_index", ignore_index)
    call = _core.cross_entropy_backward(
        x, t, log_sum_exp, grad_output, weight, ignore, float(label_smoothing), **choice
    )
    return call, lambda: reference.cross_entropy_backward(
        grad_output, x, t, weight, ignore, "none", label_smoothing
    )
