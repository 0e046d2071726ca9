"""Losses under PyTorch's names: made of kernels where there are some; else NumPy computes, and one node of
the tape records."""

import warnings

import numpy

cimport cython
cimport numpy as cnp
from libc.stdint cimport int64_t

from .arena cimport make, make_as
from .elementwise cimport dense_sum
from .kernels cimport (F32, Array, CrossEntropy, Error, KernelApi, Ladder, kernel_api, raise_error, read,
                       read_dense, run_kernel)
from .tape cimport (Node, Run, Tensor, array_of, as_float, close, edge_of, fit, keep0, pair_of, record,
                    recording, settled, shape_of, version_of, wants, wrap)

from .activation import FUNCTIONS, activation
from .tape import log_softmax, reshape

ctypedef cnp.ndarray ndarray

cnp.import_array()
cdef KernelApi* api = kernel_api()


cdef int need_reduction(str op, str reduction, bint batchmean) except -1:
    known = ("none", "mean", "sum", "batchmean") if batchmean else ("none", "mean", "sum")
    if reduction not in known:
        raise ValueError(f"{op}: expected reduction {', '.join(map(repr, known))}, got {reduction!r}")
    return 0


cdef int need_floats(str op, Tensor input, Tensor target) except -1:
    for name, t in (("input", input), ("target", target)):
        if t.dtype.kind != "f":
            raise TypeError(f"{op}: expected {name} of float32 or float64, got {t.dtype}")
    if settled(input).dtype != settled(target).dtype:
        raise TypeError(f"{op}: input is {input.dtype} but target is {target.dtype}")
    return 0


cdef int need_same_shape(str op, Tensor input, Tensor target) except -1:
    if input.shape != target.shape:
        raise ValueError(f"{op}: expected target of input's shape {input.shape}, got {target.shape}")
    return 0


cdef int need_fitting_shape(str op, Tensor input, Tensor target) except -1:
    """As PyTorch: other shapes may broadcast, but are probably a mistake."""
    if input.shape == target.shape:
        return 0
    try:
        numpy.broadcast_shapes(input.shape, target.shape)
    except ValueError:
        raise ValueError(f"{op}: the shapes of input {input.shape} and target {target.shape} do not fit each "
                         f"other") from None
    warnings.warn(f"{op}: target {target.shape} and input {input.shape} differ and are broadcast; this is "
                  f"often a mistake, make the shapes equal", stacklevel=3)
    return 0


cdef Tensor finish(str title, ndarray values, Tensor input, Tensor target, object slopes, str reduction,
                   double divisor):
    """The reduced loss. slopes(a, b, which): d(value)/d(input) for 0, d(value)/d(target) for 1; a and b are
    the arrays of input and target. divisor: of "mean" (and "batchmean")."""
    cdef tuple shape0 = shape_of(settled(input)), shape1 = shape_of(settled(target))
    dtype = settled(input).dtype
    need0, need1 = wants(input), wants(target)
    if reduction == "none":
        result = values
    else:
        result = numpy.asarray(values.sum(dtype=values.dtype))
        if reduction != "sum":
            with numpy.errstate(divide="ignore", invalid="ignore"):
                result = numpy.asarray(result / dtype.type(divisor))

    def grads(g, a, b):
        if reduction != "none" and reduction != "sum":
            with numpy.errstate(divide="ignore", invalid="ignore"):
                g = g / dtype.type(divisor)
        return (fit(numpy.asarray(g * slopes(a, b, 0), dtype), shape0, dtype) if need0 else None,
                fit(numpy.asarray(g * slopes(a, b, 1), dtype), shape1, dtype) if need1 else None)

    return close(title, numpy.asarray(result, dtype), (input, target), grads, (input, target))


cdef object reduce_by(Tensor values, str reduction):
    """The losses of all elements, recorded already, as `reduction` wants them."""
    return values if reduction == "none" else values.sum() if reduction == "sum" else values.mean()


cdef object of_difference(str op, str function, Tensor input, Tensor target, str reduction, double width=0,
                          double slope=0):
    """A function of input - target."""
    need_reduction(op, reduction, False)
    need_floats(op, input, target)
    need_fitting_shape(op, input, target)
    return reduce_by(activation(input - target, FUNCTIONS.index(function), width, slope), reduction)


def mse_loss(Tensor input not None, Tensor target not None, str reduction="mean"):
    """(input - target)^2"""
    return of_difference("mse_loss", "square", input, target, reduction)


def l1_loss(Tensor input not None, Tensor target not None, str reduction="mean"):
    """|input - target|"""
    return of_difference("l1_loss", "absolute", input, target, reduction)


def smooth_l1_loss(Tensor input not None, Tensor target not None, str reduction="mean", double beta=1.0):
    """d^2 / (2 beta) where |d| < beta, |d| - beta / 2 elsewhere; d = input - target."""
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss: expected beta >= 0, got {beta}")
    if beta == 0:
        return l1_loss(input, target, reduction)
    return of_difference("smooth_l1_loss", "huber", input, target, reduction, beta, 1)


def huber_loss(Tensor input not None, Tensor target not None, str reduction="mean", double delta=1.0):
    """d^2 / 2 where |d| < delta, delta (|d| - delta / 2) elsewhere; d = input - target."""
    if not delta > 0:
        raise ValueError(f"huber_loss: expected delta > 0, got {delta}")
    return of_difference("huber_loss", "huber", input, target, reduction, delta, delta)


cdef ndarray weights_of(str op, str name, object weight, Tensor input):
    """A weight's array, which must broadcast to the input's shape; None stays None."""
    if weight is None:
        return None
    cdef ndarray w = array_of(weight)
    try:
        fits = numpy.broadcast_shapes(shape_of(w), input.shape) == input.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{op}: a {name} of shape {shape_of(w)} does not fit input of shape {input.shape}")
    return w.astype(settled(input).dtype)  # a copy: its owner may change it before backward


def binary_cross_entropy(Tensor input not None, Tensor target not None, weight=None, str reduction="mean"):
    """-(t log p + (1 - t) log(1 - p)), logarithms no lower than -100 as in PyTorch."""
    need_reduction("binary_cross_entropy", reduction, False)
    need_floats("binary_cross_entropy", input, target)
    need_same_shape("binary_cross_entropy", input, target)
    cdef ndarray p = settled(input), t = settled(target)
    w = weights_of("binary_cross_entropy", "weight", weight, input)
    if not bool(((p >= 0) & (p <= 1)).all()):
        raise ValueError("binary_cross_entropy: expected input between 0 and 1; for scores use "
                         "binary_cross_entropy_with_logits")
    if not bool(((t >= 0) & (t <= 1)).all()):
        raise ValueError("binary_cross_entropy: expected target between 0 and 1")
    kind = p.dtype.type
    with numpy.errstate(divide="ignore"):
        high, low = numpy.maximum(numpy.log(p), kind(-100)), numpy.maximum(numpy.log1p(-p), kind(-100))
    values = numpy.asarray(-(t * high + (1 - t) * low))

    def slopes(a, b, which):
        s = low - high if which else (a - b) / numpy.maximum((1 - a) * a, kind(1e-12))
        return s if w is None else s * w

    if w is not None:
        values = numpy.asarray(values * w)
    return finish("BinaryCrossEntropyBackward", values, input, target, slopes, reduction, values.size)


def binary_cross_entropy_with_logits(Tensor input not None, Tensor target not None, weight=None,
                                     str reduction="mean", pos_weight=None):
    """-(c t log s(x) + (1 - t) log(1 - s(x))), s the sigmoid, c = pos_weight; never overflows."""
    op = "binary_cross_entropy_with_logits"
    need_reduction(op, reduction, False)
    need_floats(op, input, target)
    need_same_shape(op, input, target)
    w = weights_of(op, "weight", weight, input)
    c = weights_of(op, "pos_weight", pos_weight, input)
    positive = activation(input, FUNCTIONS.index("logsigmoid"))
    if c is not None:
        positive = positive * (target * wrap(numpy.asarray(c - 1)) + 1)
    values = (1 - target) * input - positive
    return reduce_by(values if w is None else values * wrap(w), reduction)


def kl_div(Tensor input not None, Tensor target not None, str reduction="mean", bint log_target=False):
    """t (log t - input), input the logarithms; with log_target exp(t) (t - input)."""
    need_reduction("kl_div", reduction, True)
    need_floats("kl_div", input, target)
    need_fitting_shape("kl_div", input, target)
    cdef ndarray x = settled(input), t = settled(target)
    if log_target:
        values = numpy.asarray(numpy.exp(t) * (t - x))
    else:
        logs = numpy.log(numpy.where(t > 0, t, 1))
        values = numpy.asarray(t * (logs - x))

    def slopes(a, b, which):
        if log_target:
            return numpy.exp(b) * (1 + b - a) if which else -numpy.exp(b)
        return (numpy.log(numpy.where(b > 0, b, 1)) + 1 - a) if which else -b

    count = input.shape[0] if reduction == "batchmean" and input.ndim else values.size
    return finish("KlDivBackward", values, input, target, slopes, reduction, count)


def nll_loss(Tensor input not None, Tensor target not None, weight=None, ignore_index=-100,
             str reduction="mean"):
    """-input[target], input the logarithms of probabilities: (N, C, ...), (C); target (N, ...), ()."""
    need_reduction("nll_loss", reduction, False)
    cdef ndarray x = as_float(input), t = settled(target)
    cdef int axis = 1 if x.ndim > 1 else 0
    cdef tuple shape = shape_of(x)
    if x.ndim == 0:
        raise ValueError("nll_loss: expected input of shape (N, C, ...) or (C), got ()")
    if t.dtype.kind not in "iu":
        raise TypeError(f"nll_loss: expected target of dtype int64, got {t.dtype}")
    if shape_of(t) != shape[:axis] + shape[axis + 1:]:
        raise ValueError(f"nll_loss: expected target of shape {shape[:axis] + shape[axis + 1:]} for input "
                         f"{shape}, got {shape_of(t)}")
    classes = shape[axis]
    keep = t != ignore_index
    if bool(((t < 0) | (t >= classes))[keep].any()) if t.ndim else bool(keep) and not 0 <= int(t) < classes:
        raise IndexError(f"nll_loss: expected classes in 0 ... {classes - 1}, got {t[keep].min()} to "
                         f"{t[keep].max()}")
    at = numpy.expand_dims(numpy.where(keep, t, 0).astype(numpy.int64), axis)
    factors = keep.astype(x.dtype)
    if weight is not None:
        w = array_of(weight).astype(x.dtype)
        if shape_of(w) != (classes,):
            raise ValueError(f"nll_loss: expected weight of shape {(classes,)}, got {shape_of(w)}")
        factors = factors * w[at.squeeze(axis)]
    # 0 for what is ignored, although -inf may stand there
    chosen = numpy.where(factors != 0, numpy.take_along_axis(x, at, axis).squeeze(axis), x.dtype.type(0))
    values = numpy.asarray(-chosen * factors)
    total = float(factors.sum(dtype=numpy.float64))
    with numpy.errstate(divide="ignore", invalid="ignore"):
        result = values if reduction == "none" else numpy.asarray(
            values.sum() if reduction == "sum" else values.sum() / x.dtype.type(total), x.dtype)

    def grad(g):
        dx = numpy.zeros(shape, x.dtype)
        with numpy.errstate(divide="ignore", invalid="ignore"):
            g = g / x.dtype.type(total) if reduction == "mean" else g
            each = numpy.where(factors == 0, 0, -factors * g)
        numpy.put_along_axis(dx, at, numpy.expand_dims(numpy.asarray(each, x.dtype), axis), axis)
        return (dx,)

    return close("NllLossBackward", result, (input,), grad, ())


include "cross_entropy.pxi"
