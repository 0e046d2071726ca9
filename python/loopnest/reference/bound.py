"""How far a correct kernel may be from the reference: bounds that are derived, not guessed.

One rounding changes a result x by at most u |x|, u = 2^-24 in float32. A sum of K products, computed in any
order, with or without FMA, passes each product through at most K roundings, so

    |computed - exact| <= gamma(K) * sum |x| |w|,      gamma(K) = K u / (1 - K u)

(Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed. 2002, lemma 3.1 and section 3.1). The
bounds hold for each element, and are far smaller than a guessed 1e-5 for small shapes and honest for large
ones. Two additions:

- u is that of the kernel plus that of float64, 2^-53, because the reference rounds as well.
- Workers flush denormals to zero: each operation may also lose up to the smallest normal number.

Winograd's rungs have bounds of their own (`winograd_bound`), because their intermediate sums may be larger
than sum |x| |w|.

Where errors pass through several operations, as in `bound_recurrent`, the textbook formula is run once more
on pairs (value, error), class `Near`: the error of each operation is what the operands bring plus its own
rounding ("running error analysis", Higham section 3.3), written so that the order of the operations does
not matter.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ._args import Array, IntOrPair, Padding, as_float64, pad_pairs
from .activation import sigmoid as exact_sigmoid
from .activation import tanh as exact_tanh
from .conv import conv, conv_backward_input, conv_backward_weight
from .conv2d import conv2d, conv2d_backward_input, conv2d_backward_weight
from .cross_entropy import _parts as cross_entropy_parts
from .norm import _means, _spread, norm
from .pool2d import avg_pool2d, avg_pool2d_backward
from .reduce import reduce
from .softmax import softmax
from .winograd import gradient_magnitude, line_gradient_magnitude, line_magnitude, magnitude

# What we ask of the kernels' exp, log, sigmoid and tanh: at most 8 u of error, relative to the result for exp
# and log, relative to 1 for the others (sigmoid and tanh never exceed it).
FUNCTION_ROUNDINGS = 8


def unit(dtype: DTypeLike = np.float32) -> float:
    """u: the kernel's and the reference's relative error of one operation together.

    >>> unit(np.float32) == 2.0**-24 + 2.0**-53
    True
    """
    return float(np.finfo(dtype).eps) / 2 + 2.0**-53


def gamma(k: int, dtype: DTypeLike = np.float32) -> float:
    """K u / (1 - K u): the relative error of K roundings. ValueError if K u >= 1.

    >>> round(gamma(1000) * 2**24)
    1000
    """
    ku = k * unit(dtype)
    if ku >= 1:
        raise ValueError(f"gamma: {k} roundings of {np.dtype(dtype)} leave no digit")
    return ku / (1 - ku)


def _tiny(k: int, dtype: DTypeLike) -> float:
    """What k multiplications and k additions may lose to flushed denormals."""
    return 2 * k * float(np.finfo(dtype).tiny)


# ---- sums of products: gamma(K) times the same operator on absolute values ----


def conv2d_bound(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    dtype: DTypeLike = np.float32,
) -> Array:
    """Largest |error| of each element of conv2d: gamma(K) conv2d(|x|, |w|, |bias|).

    K = IC / groups * KH * KW + 1: the products and the bias.

    >>> one = np.ones((1, 1, 1, 1))
    >>> float(np.round(conv2d_bound(one, one)[0, 0, 0, 0] * 2**24))
    2.0
    """
    k = int(np.prod(np.shape(weight)[1:])) + 1
    size = conv2d(
        np.abs(input),
        np.abs(weight),
        None if bias is None else np.abs(bias),
        stride,
        padding,
        dilation,
        groups,
    )
    return gamma(k, dtype) * size + _tiny(k, dtype)


def winograd_bound(
    tile: int,
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    padding: Padding = 0,
    groups: int = 1,
    dtype: DTypeLike = np.float32,
) -> Array:
    """Largest |error| of each element of a 3x3 convolution done as Winograd's F(tile x tile, 3 x 3).

    y = A^T [sum over ic of (G g G^T) * (B^T d B)] A is a sum of products of one number of d, one of g and
    constants, so the rule of all sums of products holds: what is computed is that sum with each term
    multiplied by at most K factors (1 + delta), |delta| <= u, where K counts the roundings on the longest way
    of a term. Hence |error| <= gamma(K) A^T [...] A with every number and every matrix taken absolutely
    (`winograd.magnitude`). It holds for the kernel's factored transforms as well, since no coefficient of
    theirs is a difference of larger ones. Roundings on the longest way (csrc/ops/conv2d/winograd.h), two
    passes each, the constants' own rounding included:

        tile 2: input 1, weight 2, output 2 per pass      K = IC / groups + 2 (1 + 2 + 2) + 1 (bias)
        tile 4: input 4, weight 4, output 5 per pass      K = IC / groups + 2 (4 + 4 + 5) + 1

    A flushed denormal in a transform is then multiplied by the other factor: the last term.

    >>> x, w = np.ones((1, 8, 6, 6)), np.ones((1, 8, 3, 3))
    >>> two, four = (winograd_bound(m, x, w).max() for m in (2, 4))
    >>> bool(conv2d_bound(x, w).max() < two < four)
    True
    """
    passes = {2: 1 + 2 + 2, 4: 4 + 4 + 5}[tile]
    k = np.shape(weight)[1] + 2 * passes + 1
    size, tiny = magnitude(tile, input, weight, padding, groups)
    if bias is not None:
        size = size + np.abs(as_float64(bias))[:, None, None]
    return gamma(k, dtype) * size + _tiny(passes, dtype) * tiny + _tiny(k, dtype)


def winograd_backward_input_bound(
    tile: int,
    input_size: tuple[int, int, int, int],
    weight: ArrayLike,
    grad_output: ArrayLike,
    bias: ArrayLike | None = None,
    padding: Padding = 0,
    groups: int = 1,
    dtype: DTypeLike = np.float32,
) -> Array:
    """`winograd_bound` for dx: a convolution of dy with the weights turned round, channels exchanged, and the
    padding that theirs lacks (where that is negative, dy is cut).

    >>> w, dy = np.ones((1, 8, 3, 3)), np.ones((1, 1, 4, 4))
    >>> winograd_backward_input_bound(4, (1, 8, 6, 6), w, dy).shape
    (1, 8, 6, 6)
    """
    w, dy = as_float64(weight), as_float64(grad_output)
    oc, group_ic = w.shape[:2]
    w = w.reshape(groups, oc // groups, group_ic, 3, 3).swapaxes(1, 2)[..., ::-1, ::-1]
    w = w.reshape(groups * group_ic, oc // groups, 3, 3)
    pads = []
    for axis, (before, _) in zip((2, 3), pad_pairs(padding, (3, 3), (1, 1)), strict=True):
        first = 2 - before
        last = input_size[axis] + 2 - dy.shape[axis] - first
        dy = dy[(slice(None),) * axis + (slice(max(-first, 0), dy.shape[axis] - max(-last, 0)),)]
        pads.append((max(first, 0), max(last, 0)))
    return winograd_bound(tile, dy, w, bias, (pads[0], pads[1]), groups, dtype)


def winograd_backward_weight_bound(
    tile: int,
    input: ArrayLike,
    grad_output: ArrayLike,
    padding: Padding = 0,
    groups: int = 1,
    dtype: DTypeLike = np.float32,
) -> Array:
    """As `winograd_bound`, for dw = G^T [sum over tiles of (A e A^T) * (B^T d B)] G, its transpose.

    Roundings on the longest way (csrc/ops/conv2d_backward_weight/winograd.h), two passes each:

        tile 2: input 1, dy 1, weight 2 per pass      K = tiles + 1 + 2 (1 + 1 + 2)
        tile 4: input 4, dy 4, weight 5 per pass      K = tiles + 1 + 2 (4 + 4 + 5)

    Tiles are summed in blocks, blocks in parts, and parts at the end: never more than tiles + 1 additions.

    >>> x, dy = np.ones((1, 8, 6, 6)), np.ones((1, 8, 4, 4))
    >>> two, four = (winograd_backward_weight_bound(m, x, dy).max() for m in (2, 4))
    >>> bool(two < four)
    True
    """
    n, _, oh, ow = np.shape(grad_output)
    passes = {2: 1 + 1 + 2, 4: 4 + 4 + 5}[tile]
    k = n * -(-oh // tile) * -(-ow // tile) + 1 + 2 * passes
    size, tiny = gradient_magnitude(tile, input, grad_output, padding, groups)
    return gamma(k, dtype) * size + _tiny(passes, dtype) * tiny + _tiny(k, dtype)


def line_bound(
    tile: int,
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None,
    out: int,
    before: int = 0,
    dilation: int = 1,
    groups: int = 1,
    dtype: DTypeLike = np.float32,
) -> Array:
    """`winograd_bound` of F(tile, 3) along one axis (`winograd.conv1d_winograd` says what the arguments are):
    one pass of each transform instead of two. The gradient of x is such a convolution too, of dy with the
    weights turned round and `before` 2 dilation - padding.

    >>> x, w = np.ones((1, 8, 6)), np.ones((1, 8, 3))
    >>> two, four = (line_bound(m, x, w, None, 4).max() for m in (2, 4))
    >>> bool(two < four)
    True
    """
    passes = {2: 1 + 2 + 2, 4: 4 + 4 + 5}[tile]
    k = np.shape(weight)[1] + passes + 1
    size, tiny = line_magnitude(tile, input, weight, out, before, dilation, groups)
    if bias is not None:
        size = size + np.abs(as_float64(bias))[:, None]
    return gamma(k, dtype) * size + _tiny(passes, dtype) * tiny + _tiny(k, dtype)


def line_backward_weight_bound(
    tile: int,
    input: ArrayLike,
    grad_output: ArrayLike,
    before: int = 0,
    dilation: int = 1,
    groups: int = 1,
    dtype: DTypeLike = np.float32,
) -> Array:
    """`winograd_backward_weight_bound` of F(tile, 3) along one axis; phases of dilation are added up as well.

    >>> x, dy = np.ones((1, 8, 6)), np.ones((1, 8, 4))
    >>> two, four = (line_backward_weight_bound(m, x, dy).max() for m in (2, 4))
    >>> bool(two < four)
    True
    """
    n, _, out = np.shape(grad_output)
    passes = {2: 1 + 1 + 2, 4: 4 + 4 + 5}[tile]
    tiles = n * sum(-(-len(range(phase, out, dilation)) // tile) for phase in range(dilation))
    k = tiles + dilation + 1 + passes
    size, tiny = line_gradient_magnitude(tile, input, grad_output, before, dilation, groups)
    return gamma(k, dtype) * size + _tiny(passes, dtype) * tiny + _tiny(k, dtype)


def conv2d_backward_input_bound(
    input_size: tuple[int, int, int, int],
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    dtype: DTypeLike = np.float32,
) -> Array:
    """Largest |error| of each element of dx: at most K = OC / groups * KH * KW products meet in one."""
    oc, _, kh, kw = np.shape(weight)
    k = oc // groups * kh * kw
    size = conv2d_backward_input(
        input_size, np.abs(weight), np.abs(grad_output), stride, padding, dilation, groups
    )
    return gamma(k, dtype) * size + _tiny(k, dtype)


def conv2d_backward_weight_bound(
    input: ArrayLike,
    weight_size: tuple[int, int, int, int],
    grad_output: ArrayLike,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    dtype: DTypeLike = np.float32,
) -> tuple[Array, Array]:
    """Largest |error| of each element of (dw, dbias): sums of K = N * OH * OW products."""
    n, _, oh, ow = np.shape(grad_output)
    k = max(n * oh * ow, 1)
    dw, dbias = conv2d_backward_weight(
        np.abs(input), weight_size, np.abs(grad_output), stride, padding, dilation, groups
    )
    return gamma(k, dtype) * dw + _tiny(k, dtype), gamma(k, dtype) * dbias + _tiny(k, dtype)


# The same for any number of axes of space; `how` is what `reference.conv` and its backward passes take behind
# their arrays: stride, padding, dilation, groups.


def conv_bound(
    input: ArrayLike, weight: ArrayLike, bias: ArrayLike | None, *how: Any, dtype: DTypeLike = np.float32
) -> Array:
    """Largest |error| of each element of conv1d and conv3d: see `conv2d_bound`."""
    k = int(np.prod(np.shape(weight)[1:])) + 1
    size = conv(np.abs(input), np.abs(weight), None if bias is None else np.abs(bias), *how)
    return gamma(k, dtype) * size + _tiny(k, dtype)


def conv_backward_input_bound(
    input_size: tuple[int, ...],
    weight: ArrayLike,
    grad_output: ArrayLike,
    *how: Any,
    dtype: DTypeLike = np.float32,
) -> Array:
    """Largest |error| of each element of dx: see `conv2d_backward_input_bound`."""
    k = int(np.prod(np.shape(weight))) // int(np.shape(weight)[1] * how[3])
    size = conv_backward_input(input_size, np.abs(weight), np.abs(grad_output), *how)
    return gamma(k, dtype) * size + _tiny(k, dtype)


def conv_backward_weight_bound(
    input: ArrayLike,
    weight_size: tuple[int, ...],
    grad_output: ArrayLike,
    *how: Any,
    dtype: DTypeLike = np.float32,
) -> tuple[Array, Array]:
    """Largest |error| of each element of (dw, dbias): see `conv2d_backward_weight_bound`."""
    dy = np.asarray(grad_output)
    k = max(dy.size // max(dy.shape[1], 1), 1)
    dw, dbias = conv_backward_weight(np.abs(input), weight_size, np.abs(dy), *how)
    return gamma(k, dtype) * dw + _tiny(k, dtype), gamma(k, dtype) * dbias + _tiny(k, dtype)


def gemm_bound(
    a: ArrayLike,
    b: ArrayLike,
    bias: ArrayLike | None = None,
    c: ArrayLike | None = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    """Largest |error| of each element of a b + bias + c: gamma(K + 2) (|a| |b| + |bias| + |c|).

    >>> bool(gemm_bound([[1.0, -1.0]], [[1.0], [1.0]])[0, 0] > 2 * 2.0**-24)
    True
    """
    k = np.shape(a)[1] + 2
    size = np.abs(as_float64(a)) @ np.abs(as_float64(b))
    for term in (bias, c):
        if term is not None:
            size = size + np.abs(as_float64(term))
    return gamma(k, dtype) * size + _tiny(k, dtype)


def avg_pool2d_bound(
    input: ArrayLike, kernel_size: IntOrPair, *args: object, dtype: DTypeLike = np.float32
) -> Array:
    """Largest |error| of avg_pool2d: KH * KW - 1 additions, one division or reciprocal and product."""
    k = int(np.prod(kernel_size if isinstance(kernel_size, tuple) else (kernel_size, kernel_size))) + 2
    return gamma(k, dtype) * avg_pool2d(np.abs(input), kernel_size, *args) + _tiny(k, dtype)  # type: ignore[arg-type]


def avg_pool2d_backward_bound(
    grad_output: ArrayLike,
    input_size: tuple[int, int, int, int],
    kernel_size: IntOrPair,
    *args: object,
    dtype: DTypeLike = np.float32,
) -> Array:
    """Largest |error| of each element of avg_pool2d's dx: at most KH * KW shares meet in one."""
    k = int(np.prod(kernel_size if isinstance(kernel_size, tuple) else (kernel_size, kernel_size))) + 2
    size = avg_pool2d_backward(np.abs(grad_output), input_size, kernel_size, *args)  # type: ignore[arg-type]
    return gamma(k, dtype) * size + _tiny(k, dtype)


# ---- running error analysis ----


class Near(NamedTuple):
    """A computed value is within `error` of `value`, element by element."""

    value: Array
    error: Array

    @property
    def size(self) -> Array:
        """The largest magnitude that the computed value may have."""
        return np.abs(self.value) + self.error


def _given(x: ArrayLike) -> Near:
    value = as_float64(x)
    return Near(value, np.zeros_like(value))


class _Arithmetic:
    """The operations on Near, for one dtype."""

    def __init__(self, dtype: DTypeLike):
        self.dtype = dtype

    def sum_of_products(self, products: list[tuple[Near, Near]], terms: list[Near]) -> Near:
        """Sum of a @ b over the pairs, plus the terms, in any order: K roundings for K summands."""
        k = sum(a.value.shape[-1] for a, _ in products) + len(terms)
        value: Array = sum((a.value @ b.value for a, b in products), np.zeros(()))
        brought: Array = sum(
            (np.abs(a.value) @ b.error + a.error @ np.abs(b.value) + a.error @ b.error for a, b in products),
            np.zeros(()),
        )
        size: Array = sum((a.size @ b.size for a, b in products), np.zeros(()))
        for term in terms:
            value, brought, size = value + term.value, brought + term.error, size + term.size
        return Near(value, brought + gamma(k, self.dtype) * size + _tiny(k, self.dtype))

    def add(self, *terms: Near) -> Near:
        return self.sum_of_products([], list(terms))

    def multiply(self, *factors: Near) -> Near:
        """A product of factors in any order: one rounding fewer than factors."""
        value, error = factors[0]
        for x in factors[1:]:
            error = np.abs(value) * x.error + error * x.size
            value = value * x.value
        k = len(factors) - 1
        return Near(value, error + gamma(k, self.dtype) * (np.abs(value) + error) + _tiny(k, self.dtype))

    def one_minus(self, x: Near) -> Near:
        return self.add(Near(np.ones_like(x.value), np.zeros_like(x.error)), Near(-x.value, x.error))

    def sigmoid(self, x: Near) -> Near:
        """The slope is largest where the interval comes closest to 0."""
        nearest = exact_sigmoid(np.maximum(np.abs(x.value) - x.error, 0))
        return self._function(exact_sigmoid(x.value), nearest * (1 - nearest) * x.error)

    def tanh(self, x: Near) -> Near:
        nearest = exact_tanh(np.maximum(np.abs(x.value) - x.error, 0))
        return self._function(exact_tanh(x.value), (1 - nearest * nearest) * x.error)

    def _function(self, value: Array, brought: Array) -> Near:
        return Near(value, np.minimum(brought, 2.0) + FUNCTION_ROUNDINGS * unit(self.dtype))


# ---- cross-entropy ----


class CrossEntropyBound(NamedTuple):
    """Largest |error| of the loss (its shape as the reduction says) and of dL/dinput for grad_output = 1."""

    loss: Array
    input: Array


def cross_entropy_bound(
    input: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    dtype: DTypeLike = np.float32,
) -> CrossEntropyBound:
    """With s[c] = z[c] - max z (one rounding), S = sum of e^s[c], log p = s - log S:

        relative error of S <= gamma(max |s| + 8 + C)    |s| u from s, 8 u from exp, C u from the sum
        error of log p      <= that + 8 u (1 + log S) + gamma(2) (|s| + log S + max |z|)
        relative error of p <= error of log p + 8 u (and the same again, should p be e^s / S)
        loss = -sum of q log p, then sum over rows and one division
        gradient = (p sum of q - q) / sum of weights

    >>> bool(cross_entropy_bound([[0.0, 1.0]], [1]).loss < 1e-5)
    True
    """
    z = as_float64(input)
    log_p, q, target_weight, kept = cross_entropy_parts(z, target, weight, ignore_index, label_smoothing)
    classes, u = z.shape[1], unit(dtype)
    s = np.abs(z - z.max(axis=1, keepdims=True))
    log_s = np.log(np.exp(-s).sum(axis=1, keepdims=True))
    relative_s = (s.max(axis=1, keepdims=True) + FUNCTION_ROUNDINGS + classes) * u
    relative_s = relative_s / (1 - relative_s)
    stored = np.abs(z).max(axis=1, keepdims=True)  # max z + log S may be rounded, kept, and subtracted from z
    error_log_p = relative_s + FUNCTION_ROUNDINGS * u * (1 + log_s) + gamma(2, dtype) * (s + log_s + stored)
    relative_p = 2 * error_log_p + FUNCTION_ROUNDINGS * u

    k = classes + 6  # q itself is two products and a sum
    loss = (np.abs(q) * (error_log_p + gamma(k, dtype) * np.abs(log_p))).sum(axis=1)
    exact_loss = (np.abs(q) * np.abs(log_p)).sum(axis=1)
    total_q = np.abs(q).sum(axis=1, keepdims=True)
    dz = np.exp(log_p) * total_q * relative_p + gamma(k, dtype) * (np.exp(log_p) * total_q + np.abs(q))
    dz = np.where(kept[:, None], dz + _tiny(k, dtype), 0.0)
    if reduction == "none":
        return CrossEntropyBound(loss, dz)
    rows = max(loss.size, 1) + 2
    total = np.asarray((loss + gamma(rows, dtype) * (exact_loss + loss)).sum())
    if reduction == "sum":
        return CrossEntropyBound(total, dz)
    divisor = max(float(np.abs(target_weight).sum()), float(np.finfo(np.float64).tiny))
    more = gamma(rows, dtype) * (
        np.exp(log_p) * total_q + np.abs(q)
    )  # the divisor is a sum of up to `rows` weights
    dz = np.where(kept[:, None], (dz + more) / divisor, 0.0)
    return CrossEntropyBound(np.asarray(total / divisor), dz)


def update_bound(
    formula: Callable[..., tuple[Array, ...]], arrays: Sequence[Array], dtype: np.dtype, **options: Any
) -> tuple[Array, ...]:
    """One optimiser's step: how far (param, *states) may be off.

    The formula again on sizes: |grad| + decay |param| and |states| from param 0 give the size of the move and
    of the states without cancellation. A state goes through at most 4 roundings, the move through at most 16
    (two averages, a square root, two divisions, products), and param - move through 2.

    >>> from loopnest.reference import sgd_step
    >>> [x.shape for x in update_bound(sgd_step, [np.ones(3), np.ones(3)], np.dtype("f"), lr=0.1)]
    [(3,)]
    """
    p, grad, *states = (None if a is None else np.abs(as_float64(a)) for a in arrays)
    decay = options.get("weight_decay", 0.0)
    plain = {
        k: v for k, v in options.items() if k not in ("weight_decay", "maximize", "decoupled_weight_decay")
    }
    move, *sizes = formula(np.zeros_like(p), grad + decay * p, *states, **plain)
    u = unit(dtype)
    tiny = 1e-37  # what is smaller may be flushed to zero
    return 2 * u * (p + np.abs(move)) + 32 * u * np.abs(move) + tiny, *(
        8 * u * np.abs(s) + tiny for s in sizes
    )


# ---- normalisation ----


class NormBounds(NamedTuple):
    """Largest |error| of y, mean and var."""

    y: Array
    mean: Array
    var: Array


def norm_bound(
    input: ArrayLike,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    mean: ArrayLike | None = None,
    var: ArrayLike | None = None,
    groups: int = 1,
    eps: float = 1e-5,
    over_n: bool = False,
    centre: bool = True,
    dtype: DTypeLike = np.float32,
) -> NormBounds:
    """Largest |error| of `norm`, for sums of M numbers in any order.

    The mean is within gamma(M + 1) mean|x|. A distance d from it carries that error and a rounding; var is a
    mean of M squares of such, so within gamma(M + 4) var + 2 mean|d| e_mean + e_mean^2. A relative error of
    var + eps counts half in the root, and h is the product of a distance and a root.

    >>> norm_bound(np.ones((1, 1, 4))).mean.item() < 1e-6
    True
    """
    x, u = as_float64(input), unit(dtype)
    given = mean is not None
    y, m, v = norm(x, weight, bias, mean, var, groups, eps, over_n, centre)
    count = x.size // max(1, m.size)
    d = np.abs(x - _spread(m, x.shape))
    e_mean = (
        np.zeros_like(m)
        if given or not centre
        else gamma(count + 1, dtype) * _means(np.abs(x), groups, over_n)
    )
    e_mean = e_mean + (0 if given else _tiny(count, dtype))
    e_var = np.zeros_like(v)
    if not given:
        # e_mean is less than u |x| away from any rounding of d, which counts in gamma
        e_d = _spread(e_mean, x.shape) + u * d
        e_var = (
            gamma(count + 4, dtype) * v + _means(2 * d * e_d + e_d**2, groups, over_n) + _tiny(count, dtype)
        )
    relative = _spread(e_var / np.maximum(v + eps - e_var, np.finfo(dtype).tiny), x.shape) + 6 * u
    rstd = 1 / np.sqrt(_spread(v, x.shape) + eps)
    w = np.ones(x.shape[2]) if weight is None else np.abs(as_float64(weight))
    b = np.zeros(x.shape[2]) if bias is None else np.abs(as_float64(bias))
    e_h = (_spread(e_mean, x.shape) + u * d) * rstd * (1 + relative) + d * rstd * relative
    e_y = w * e_h + 4 * u * (np.abs(y) + w * d * rstd + b) + _tiny(4, dtype)
    return NormBounds(e_y, e_mean, e_var)


def norm_backward_bound(
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
    dtype: DTypeLike = np.float32,
) -> tuple[Array, Array, Array]:
    """Largest |error| of `norm_backward` (dx, dweight, dbias): sums of M products, h within 8 u of itself.

    >>> one = np.ones((1, 1, 1))
    >>> float(np.round(norm_backward_bound(one, one, None, [[0.0]], [[1.0]], dtype=np.float32)[2][0] * 2**24))
    1.0
    """
    x, dy, u = as_float64(input), np.abs(as_float64(grad_output)), unit(dtype)
    n, s, _ = x.shape
    rstd = 1 / np.sqrt(_spread(var, x.shape) + eps)
    h = np.abs(x - _spread(mean, x.shape)) * rstd
    g = dy if weight is None else dy * np.abs(as_float64(weight))
    count = x.size // max(1, np.size(mean))
    size = 8 * g
    if not given:
        mean_g, mean_gh = (_spread(_means(v, groups, over_n), x.shape) for v in (g, g * h))
        size = size + (count + 16) * (mean_g + h * mean_gh)
    rows = max(1, n * s)
    dx = rstd * size * u / (1 - (count + 24) * u) + _tiny(8, dtype)
    dw = gamma(rows + 10, dtype) * (dy * h).sum(axis=(0, 1)) + _tiny(rows, dtype)
    return dx, dw, gamma(rows, dtype) * dy.sum(axis=(0, 1)) + _tiny(rows, dtype)


def reduce_bound(
    input: ArrayLike, dim: Sequence[int], divisor: float = 1.0, dtype: DTypeLike = np.float32
) -> Array:
    """Largest |error| of reduce's sums over the axes `dim`: |x| summed, times gamma of the roundings.

    Sums of n numbers go through at most n additions one after the other, and through no more than 64 + 64 +
    n / 8192 of the three levels; joining chains and lanes and dividing adds 12.

    >>> float(reduce_bound(np.ones(1000), (0,))) < 0.01
    True
    """
    x = np.abs(as_float64(input))
    count = int(np.prod([x.shape[d] for d in dim]))
    total = reduce(x, dim) / (divisor if divisor else 1)
    return gamma(min(count, 128 + count // 8192) + 12, dtype) * total + _tiny(count, dtype)


def softmax_bound(input: ArrayLike, dim: int, log: bool = False, dtype: DTypeLike = np.float32) -> Array:
    """Largest |error| of softmax and log_softmax.

    x - max is rounded (u |x - max|), exp adds FUNCTION_ROUNDINGS u, and the sum of D such terms gamma(D);
    their relative errors are the logarithm's absolute one. What float32 cannot hold may be flushed to 0.

    >>> float(softmax_bound([0.0, 0.0], 0)[0]) < 1e-5
    True
    """
    x, u = as_float64(input), unit(dtype)
    z = np.abs(x - x.max(axis=dim, keepdims=True, initial=-np.inf))
    count = x.shape[dim]
    p = softmax(x, dim)
    each = z + FUNCTION_ROUNDINGS
    total = (p * each).sum(axis=dim, keepdims=True) + count
    relative = 1.1 * u * (each + total + 4)
    if log:
        y = np.abs(softmax(x, dim, log=True))
        return 1.1 * u * (total + z + FUNCTION_ROUNDINGS * (y + 1) + 2 * y)
    return relative * p + _tiny(count, dtype)
