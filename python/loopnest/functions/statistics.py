"""Sums, order and spread: torch's names, made of operations of the engine or computed by NumPy.

Most are methods of Tensor as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopnest.engine import custom, tensor_ops
from loopnest.engine.tape import Extreme, Tensor, cat, tensor, where
from loopnest.functions.compositions import median, shared_value
from loopnest.functions.pointwise import quiet

Array = NDArray[Any]
Dims = Any  # None, an axis, or several


class MinMax(NamedTuple):
    """What aminmax gives."""

    min: Tensor
    max: Tensor


def nansum(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The sum along dim, or of all elements, NaN left out.

    Example:
      >>> import loopnest
      >>> loopnest.nansum(loopnest.tensor([1.0, float("nan"), 2.0])).item()
      3.0
    """
    return _without_nan(input).sum(dim, keepdim)


def nanmean(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The mean along dim, or of all elements, NaN left out; NaN of nothing else.

    Example:
      >>> import loopnest
      >>> loopnest.nanmean(loopnest.tensor([1.0, float("nan"), 2.0])).item()
      1.5
    """
    if input.dtype.kind != "f":
        raise TypeError(f"nanmean: expected input of float32 or float64, got {input.dtype}")
    there = (~tensor_ops.isnan(input)).to(input.dtype)
    return _without_nan(input).sum(dim, keepdim) / there.sum(dim, keepdim)


def _without_nan(input: Tensor) -> Tensor:
    return input.masked_fill(tensor_ops.isnan(input), 0) if input.dtype.kind == "f" else input


def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median (the lower one of two), NaN left out; along dim: (values, indices).

    Example:
      >>> import loopnest
      >>> loopnest.nanmedian(loopnest.tensor([3.0, float("nan"), 1.0])).item()
      1.0
    """
    if input.dtype.kind != "f":
        return median(input, dim, keepdim)
    if dim is None:
        flat = input.reshape(-1)
        if flat.numel() == 0:
            raise ValueError(f"nanmedian of no elements (input {input.shape})")
        return shared_value("NanmedianBackward", input, nanmedian(flat.detach(), 0)[0])
    if input.ndim == 0:
        return median(input, dim, keepdim)
    there = (~tensor_ops.isnan(input)).sum(dim, keepdim=True)
    values, indices = tensor_ops.sort(input, dim)
    return _at(values, indices, (there - 1).clamp(min=0) // 2, dim, keepdim)


def _at(values: Tensor, indices: Tensor, place: Tensor, dim: int, keepdim: bool) -> Extreme:
    """What stands at a place along dim, of values and of indices."""
    found = tensor_ops.gather(values, dim, place), tensor_ops.gather(indices, dim, place)
    return Extreme(found if keepdim else tuple(t.squeeze(dim) for t in found))


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The k-th smallest element along dim, k from 1: (values, indices).

    Example:
      >>> import loopnest
      >>> loopnest.kthvalue(loopnest.tensor([5.0, 1.0, 3.0]), 2)[0].item()
      3.0
    """
    length = input.shape[dim] if input.ndim else 1
    if not 1 <= k <= length:
        raise ValueError(f"kthvalue: expected k of 1 to {length}, the length of dim {dim}, got {k}")
    values, indices = tensor_ops.sort(input, dim)
    if input.ndim == 0:
        return Extreme((values, indices))
    found = (tensor_ops.narrow(t, dim, k - 1, 1) for t in (values, indices))
    return Extreme(tuple(t if keepdim else t.squeeze(dim) for t in found))


def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The most frequent element along dim (the smallest of several), and the last place where it stands:
    (values, indices).

    Example:
      >>> import loopnest
      >>> values, indices = loopnest.mode(loopnest.tensor([2, 7, 7, 2, 9]))
      >>> values.item(), indices.item()
      (2, 3)
    """
    if input.ndim == 0:
        return Extreme((input.clone(), tensor(0)))
    length = input.shape[dim]
    if length == 0:
        raise IndexError(f"mode along dim {dim} of no elements (input {input.shape})")
    a = np.moveaxis(custom.numbers(input), dim, -1)
    order = np.argsort(a, axis=-1, kind="stable")
    ordered = np.take_along_axis(a, order, -1)
    begins = np.ones(a.shape, bool)
    begins[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    places = np.arange(length)
    first = np.maximum.accumulate(np.where(begins, places, 0), axis=-1)
    last = np.argmax(places - first, axis=-1)[..., None]  # the first of the longest runs
    index = np.moveaxis(np.take_along_axis(order, last, -1), -1, dim)
    place = tensor(index)
    found = tensor_ops.gather(input, dim, place), place
    return Extreme(found if keepdim else tuple(t.squeeze(dim) for t in found))


def msort(input: Tensor) -> Tensor:
    """Sorted along the first axis.

    Example:
      >>> import loopnest
      >>> loopnest.msort(loopnest.tensor([3.0, 1.0, 2.0])).tolist()
      [1.0, 2.0, 3.0]
    """
    found: Tensor = tensor_ops.sort(input, 0)[0]
    return found


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
    """(the smallest, the largest) along dim, or of all elements; equal ones share the gradient.

    Example:
      >>> import loopnest
      >>> loopnest.aminmax(loopnest.tensor([3.0, 1.0, 2.0])).max.item()
      3.0
    """
    return MinMax(tensor_ops.amin(input, dim, keepdim), tensor_ops.amax(input, dim, keepdim))


def _running(input: Tensor, dim: int, best: Any) -> Extreme:
    if input.ndim == 0:
        return Extreme((input.clone(), tensor(0)))
    a = custom.numbers(input)
    if a.shape[dim] == 0:
        return Extreme((input.clone(), tensor(np.zeros(a.shape, np.int64))))
    top = best.accumulate(a, axis=dim)
    is_top = a == top
    if a.dtype.kind == "f":
        is_top |= np.isnan(a)
    shape = [1] * a.ndim
    shape[dim] = -1
    places = np.where(is_top, np.arange(a.shape[dim]).reshape(shape), 0)
    index = tensor(np.maximum.accumulate(places, axis=dim))
    return Extreme((tensor_ops.gather(input, dim, index), index))


def cummax(input: Tensor, dim: int) -> Any:
    """The largest element up to each along dim, and where it stands (the last of equal ones): (values,
    indices). NaN stays.

    Example:
      >>> import loopnest
      >>> loopnest.cummax(loopnest.tensor([1.0, 3.0, 2.0]), 0)[0].tolist()
      [1.0, 3.0, 3.0]
    """
    return _running(input, dim, np.maximum)


def cummin(input: Tensor, dim: int) -> Any:
    """The smallest element up to each along dim, and where it stands (the last of equal ones): (values,
    indices). NaN stays.

    Example:
      >>> import loopnest
      >>> loopnest.cummin(loopnest.tensor([3.0, 1.0, 2.0]), 0)[0].tolist()
      [3.0, 1.0, 1.0]
    """
    return _running(input, dim, np.minimum)


def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """log of the sums of exp(x) up to each element along dim, without overflow.

    Example:
      >>> import loopnest
      >>> loopnest.logcumsumexp(loopnest.tensor([0.0, 0.0]), 0)
      tensor([0.0000, 0.6931])
    """
    a = custom.numbers(input)
    a = a if a.dtype.kind == "f" else a.astype(np.float32)
    if a.ndim == 0:
        return input.to(a.dtype).clone()
    with quiet():
        y = np.logaddexp.accumulate(a, axis=dim)

    def grad(g: Array, x: Array) -> tuple[Array]:
        # dx_i = exp(x_i) times the sum of g_j exp(-y_j) from i on: in logarithms, for g > 0 and g < 0.
        with quiet():
            parts = []
            for sign in (1, -1):
                logs = np.flip(np.log(np.maximum(sign * g, 0)) - y, dim)
                parts.append(sign * np.exp(np.flip(np.logaddexp.accumulate(logs, axis=dim), dim) + x))
        return (np.asarray(parts[0] + parts[1], x.dtype),)

    return custom.recorded("LogcumsumexpBackward", y, (input,), grad, (input,))


def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The q-quantiles along dim, or of all elements: what stands at q (n - 1) among n sorted ones.

    Args:
      q: a number in 0 ... 1, or a Tensor of them, (Q,), whose axis comes first in the result.
      interpolation: between two places "linear", "lower", "higher", "nearest" or "midpoint".

    A NaN among the elements gives NaN.

    Example:
      >>> import loopnest
      >>> loopnest.quantile(loopnest.tensor([1.0, 2.0, 3.0, 4.0]), 0.5).item()
      2.5
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """quantile of what is not NaN; NaN of nothing else.

    Example:
      >>> import loopnest
      >>> loopnest.nanquantile(loopnest.tensor([1.0, float("nan"), 3.0]), 0.5).item()
      2.0
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)


def _quantile(
    who: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str, skip_nan: bool
) -> Tensor:
    modes = ("linear", "lower", "higher", "nearest", "midpoint")
    if interpolation not in modes:
        raise ValueError(f"{who}: expected interpolation to be one of {modes}, got {interpolation!r}")
    if input.dtype.kind != "f":
        raise TypeError(f"{who}: expected input of float32 or float64, got {input.dtype}")
    parts = np.asarray(custom.numbers(q) if isinstance(q, Tensor) else q, input.dtype)
    if parts.ndim > 1 or not ((parts >= 0) & (parts <= 1)).all():
        raise ValueError(f"{who}: expected q of numbers between 0 and 1, (Q,) or (), got {parts.tolist()}")
    x, shape = input, input.shape
    if dim is None:
        x = input.reshape(-1)
        kept = (1,) * input.ndim
    else:
        x = input.movedim(dim, -1) if input.ndim else input.reshape(1)
        kept = tuple(1 if axis == dim % max(input.ndim, 1) else n for axis, n in enumerate(shape))
    if x.shape[-1] == 0:
        raise ValueError(f"{who} of no elements (input {input.shape})")
    values = tensor_ops.sort(x, -1)[0]
    missing = np.isnan(custom.numbers(values))
    count = (~missing).sum(-1) if skip_nan else np.where(missing[..., -1], 0, x.shape[-1])
    places = [_interpolated(values, count, float(p), interpolation) for p in parts.reshape(-1)]
    rows = [row.reshape(kept) if keepdim else row for row in places]
    if parts.ndim == 0:
        return rows[0]
    return cat([row.unsqueeze(0) for row in rows], 0) if rows else input.new_zeros((0, *values.shape[:-1]))


def _interpolated(values: Tensor, count: Array, part: float, interpolation: str) -> Tensor:
    """At part (count - 1) along the last axis; NaN where count is 0."""
    place = part * np.maximum(count - 1, 0)
    low, high = np.floor(place).astype(np.int64), np.ceil(place).astype(np.int64)
    if interpolation in ("lower", "higher", "nearest"):
        low = {"lower": low, "higher": high, "nearest": np.round(place).astype(np.int64)}[interpolation]
        high = low
    weight = np.full(place.shape, 0.5) if interpolation == "midpoint" else place - low
    first, second = (tensor_ops.gather(values, -1, tensor(at[..., None])).squeeze(-1) for at in (low, high))
    mixed = first + (second - first) * tensor(np.asarray(weight, values.dtype))
    found = where(tensor(low == high), first, mixed)
    return where(tensor(np.asarray(count == 0)), tensor(np.asarray(np.nan, values.dtype)), found)


def var_mean(
    input: Tensor, dim: Dims = None, unbiased: bool = True, keepdim: bool = False, *, correction: Any = None
) -> tuple[Tensor, Tensor]:
    """(variance, mean) along dim, or of all elements; the sum of squares is divided by n - correction, 1 if
    unbiased.

    Example:
      >>> import loopnest
      >>> v, m = loopnest.var_mean(loopnest.tensor([1.0, 3.0]))
      >>> v.item(), m.item()
      (2.0, 2.0)
    """
    correction = int(unbiased) if correction is None else correction
    return input.var(dim, keepdim=keepdim, correction=correction), input.mean(dim, keepdim)


def std_mean(
    input: Tensor, dim: Dims = None, unbiased: bool = True, keepdim: bool = False, *, correction: Any = None
) -> tuple[Tensor, Tensor]:
    """(standard deviation, mean), with the arguments of var_mean.

    Example:
      >>> import loopnest
      >>> s, m = loopnest.std_mean(loopnest.tensor([1.0, 3.0]), unbiased=False)
      >>> s.item(), m.item()
      (1.0, 2.0)
    """
    correction = int(unbiased) if correction is None else correction
    return input.std(dim, keepdim=keepdim, correction=correction), input.mean(dim, keepdim)


def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal.

    Example:
      >>> import loopnest
      >>> loopnest.trace(loopnest.tensor([[1.0, 2.0], [3.0, 4.0]])).item()
      5.0
    """
    if input.ndim != 2:
        raise ValueError(f"trace: expected a matrix, got shape {input.shape}")
    return tensor_ops.diagonal(input).sum()


def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Differences of neighbours along dim, n times; prepend and append are put before and behind first.

    Example:
      >>> import loopnest
      >>> loopnest.diff(loopnest.tensor([1, 4, 9])).tolist()
      [3, 5]
    """
    if input.ndim == 0:
        raise ValueError("diff: expected input of at least one axis, got shape ()")
    if n < 0:
        raise ValueError(f"diff: expected n of at least 0, got {n}")
    parts = [part for part in (prepend, input, append) if part is not None]
    found = cat(parts, dim) if len(parts) > 1 else input
    for _ in range(n):
        length = found.shape[dim]
        if length == 0:
            break
        above, below = (tensor_ops.narrow(found, dim, at, length - 1) for at in (1, 0))
        found = tensor_ops.logical_xor(above, below) if input.dtype.kind == "b" else above - below
    return found.clone() if found is input else found


def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """Covariances of the rows of (variables, observations), or the variance, (), of a single one.

    Args: fweights: how often each observation counts, whole numbers. aweights: how much it counts.

    Example:
      >>> import loopnest
      >>> loopnest.cov(loopnest.tensor([[1.0, 3.0], [2.0, 0.0]])).tolist()
      [[2.0, -2.0], [-2.0, 2.0]]
    """
    if input.ndim > 2:
        raise ValueError(f"cov: expected input of at most 2 axes, got {input.shape}")
    x = input.reshape(1, -1) if input.ndim < 2 else input
    x = x if x.dtype.kind == "f" else x.to(np.float32)
    counts, weights = (None if w is None else custom.numbers(w).astype(x.dtype) for w in (fweights, aweights))
    both = [w for w in (counts, weights) if w is not None]
    weight = np.prod(both, axis=0) if both else np.ones(x.shape[1], x.dtype)
    total = float(weight.sum())
    share = 1.0 if weights is None else float((weight * weights).sum()) / total if total else np.nan
    norm = max(total - correction * share, 0.0)
    each = tensor(np.asarray(weight, x.dtype))
    with quiet():
        apart = x - (x * each).sum(1, keepdim=True) / total
        found = (apart * each) @ apart.t() * float(np.divide(1.0, norm))
    return found.reshape(()) if x.shape[0] == 1 else found


def corrcoef(input: Tensor) -> Tensor:
    """Correlations of the rows of (variables, observations), -1 to 1.

    Example:
      >>> import loopnest
      >>> loopnest.corrcoef(loopnest.tensor([[1.0, 3.0], [2.0, 0.0]])).tolist()
      [[1.0, -1.0], [-1.0, 1.0]]
    """
    found = cov(input)
    if found.ndim == 0:
        return found / found
    spread = tensor_ops.diagonal(found).sqrt()
    return (found / spread.unsqueeze(1) / spread.unsqueeze(0)).clamp(-1, 1)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input - other, both broadcast.

    Example:
      >>> import loopnest
      >>> loopnest.dist(loopnest.tensor([3.0, 0.0]), loopnest.tensor([0.0, 4.0])).item()
      5.0
    """
    return (input - other).norm(p)


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements lie in each of `bins` equal parts of min ... max; the input's range if both are 0.
    What lies outside is not counted.

    Example:
      >>> import loopnest
      >>> loopnest.histc(loopnest.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3).tolist()
      [0.0, 2.0, 1.0, 0.0]
    """
    if bins <= 0:
        raise ValueError(f"histc: expected at least one bin, got {bins}")
    a = custom.numbers(input).reshape(-1)
    low, high = float(min), float(max)
    if low == high and a.size:
        low, high = float(a.min()), float(a.max())
    if low == high:
        low, high = low - 1, high + 1
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"histc: expected a range min < max of finite numbers, got {low} ... {high}")
    inside = a[(a >= low) & (a <= high)].astype(np.float64)
    places = np.minimum(((inside - low) * (bins / (high - low))).astype(np.int64), bins - 1)
    return Tensor(np.bincount(places, minlength=bins).astype(a.dtype))


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """The integral along dim by the trapezoidal rule, of points x, or dx apart.

    Example:
      >>> import loopnest
      >>> loopnest.trapezoid(loopnest.tensor([1.0, 5.0, 10.0])).item()
      10.5
    """
    return _areas("trapezoid", y, x, dx, dim).sum(dim)


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """trapezoid up to each point but the first.

    Example:
      >>> import loopnest
      >>> loopnest.cumulative_trapezoid(loopnest.tensor([1.0, 5.0, 10.0])).tolist()
      [3.0, 10.5]
    """
    return tensor_ops.cumsum(_areas("cumulative_trapezoid", y, x, dx, dim), dim)


def _areas(who: str, y: Tensor, x: Tensor | None, dx: float, dim: int) -> Tensor:
    length = y.shape[dim]
    sums = tensor_ops.narrow(y, dim, 0, max(length - 1, 0)) + tensor_ops.narrow(
        y, dim, min(1, length), max(length - 1, 0)
    )
    if x is None:
        return sums * (dx / 2)
    if x.ndim == 1:
        x = x.reshape((-1,) + (1,) * (y.ndim - 1 - dim % y.ndim))
        steps = diff(x, dim=0)
    else:
        steps = diff(x, dim=dim)
    if x.shape[0 if x.ndim != y.ndim else dim] != length:
        raise ValueError(
            f"{who}: expected as many points in x as in y along dim {dim}, got {x.shape} and {y.shape}"
        )
    return sums * steps / 2


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """True where an element is one of test_elements; invert: where it is none.

    Example:
      >>> import loopnest
      >>> loopnest.isin(loopnest.tensor([1, 2, 3]), loopnest.tensor([2, 5])).tolist()
      [False, True, False]
    """
    a, b = (custom.numbers(t) if isinstance(t, Tensor) else np.asarray(t) for t in (elements, test_elements))
    return Tensor(np.asarray(np.isin(a, b, assume_unique=assume_unique, invert=invert)))


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where numbers would stand in sorted sequences: before equal ones, or behind them if right.

    Args:
      sorted_sequence: (..., L), rising along the last axis; or (L,), for input of any shape.
      input: (..., M), the same leading axes; or a number, for (L,). side: "left" or "right", as `right`.
      sorter: indices that sort sorted_sequence. out_int32: give int32, otherwise int64.

    Example:
      >>> import loopnest
      >>> loopnest.searchsorted(loopnest.tensor([1.0, 3.0, 5.0]), loopnest.tensor([3.0, 6.0])).tolist()
      [1, 3]
    """
    if side not in (None, "left", "right") or (side == "left" and right):
        raise ValueError(
            f"searchsorted: expected side 'left' or 'right', as right={right} says, got {side!r}"
        )
    where_equal: Any = "right" if right or side == "right" else "left"
    rows = custom.numbers(sorted_sequence)
    if sorter is not None:
        rows = np.take_along_axis(rows, custom.numbers(sorter), -1)
    wanted = custom.numbers(input) if isinstance(input, Tensor) else np.asarray(input)
    kind: Any = np.int32 if out_int32 else np.int64
    if rows.ndim == 1:
        return Tensor(np.asarray(np.searchsorted(rows, wanted, where_equal), kind))
    if rows.shape[:-1] != wanted.shape[:-1]:
        raise ValueError(
            f"searchsorted: expected input of the leading axes {rows.shape[:-1]} of sorted_sequence, got "
            f"{wanted.shape}"
        )
    found = np.empty(wanted.shape, kind)
    for at in np.ndindex(*rows.shape[:-1]):
        found[at] = np.searchsorted(rows[at], wanted[at], where_equal)
    return Tensor(found)


def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """In which of the parts between rising boundaries (L,) numbers lie, 0 to L; searchsorted the other way
    round.

    Example:
      >>> import loopnest
      >>> loopnest.bucketize(loopnest.tensor([0.5, 3.0, 9.0]), loopnest.tensor([1.0, 3.0, 5.0])).tolist()
      [0, 1, 3]
    """
    if boundaries.ndim != 1:
        raise ValueError(f"bucketize: expected boundaries of shape (L,), got {boundaries.shape}")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Elements (or slices along dim) that differ from the one before; with the index of each element's
    group, and the sizes of the groups, if asked for.

    Example:
      >>> import loopnest
      >>> loopnest.unique_consecutive(loopnest.tensor([1, 1, 2, 2, 1])).tolist()
      [1, 2, 1]
    """
    a = custom.numbers(input)
    rows = a.reshape(-1, 1) if dim is None else _rows(a, dim)
    begins = np.ones(len(rows), bool)
    begins[1:] = (rows[1:] != rows[:-1]).any(1)
    kept = a.reshape(-1)[begins] if dim is None else np.compress(begins, a, dim)
    found = [Tensor(kept)]
    if return_inverse:
        inverse = np.cumsum(begins) - 1
        found.append(Tensor(inverse.reshape(a.shape) if dim is None else inverse))
    if return_counts:
        found.append(Tensor(np.diff(np.append(np.flatnonzero(begins), len(rows)))))
    return found[0] if len(found) == 1 else tuple(found)


def _rows(a: Array, dim: int) -> Array:
    """The slices along dim as rows."""
    slices = np.moveaxis(a, dim, 0)
    return slices.reshape(slices.shape[0], math.prod(slices.shape[1:]))


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Slices along dim whose p-norm is above maxnorm are scaled down to it.

    Example:
      >>> import loopnest
      >>> loopnest.renorm(loopnest.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1.0).round(decimals=2).tolist()[1]
      [0.30000001192092896, 0.4000000059604645]
    """
    others: Sequence[int] = [axis for axis in range(input.ndim) if axis != dim % input.ndim]
    lengths = input.norm(p, tuple(others), True)
    return input * where(lengths > maxnorm, maxnorm / (lengths + 1e-7), 1.0)


trapz = trapezoid

METHODS = (
    *("nansum", "nanmean", "nanmedian", "kthvalue", "mode", "msort", "aminmax", "cummax", "cummin"),
    *("logcumsumexp", "quantile", "nanquantile", "trace", "diff", "cov", "corrcoef", "dist", "histc"),
    *("unique_consecutive", "renorm"),
)
tensor_ops.attach(**{name: globals()[name] for name in METHODS})
