"""Elements taken, put and added by their index: torch's names; gather, scatter and the like are the engine's.

All but argwhere are methods of Tensor as well; those with a _ behind their name change the tensor itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopnest.engine import custom, tape, tensor_ops
from loopnest.engine.tape import Tensor, tensor, where
from loopnest.functions.compositions import in_place
from loopnest.functions.pointwise import quiet

Array = NDArray[Any]


def _indices(who: str, index: Any) -> Array:
    at = custom.numbers(index) if isinstance(index, Tensor) else np.asarray(index)
    if at.dtype.kind not in "iu":
        raise TypeError(f"{who}: expected index of dtype int64, got {at.dtype}")
    return at.astype(np.int64)


def _in_range(who: str, at: Array, length: int) -> Array:
    """Negative ones counted from the end."""
    if at.size and not -length <= at.min() <= at.max() < length:
        raise IndexError(
            f"{who}: expected indices in {-length} ... {length - 1}, got {at.min()} to {at.max()}"
        )
    return np.where(at < 0, at + length, at)


def _row_of_indices(who: str, input: Tensor, dim: int, index: Any) -> tuple[Array, int]:
    """(indices along dim, dim from the front)."""
    at = _indices(who, index)
    if at.ndim > 1:
        raise ValueError(f"{who}: expected index of one axis, got shape {at.shape}")
    axes = max(input.ndim, 1)
    if not -axes <= dim < axes:
        raise IndexError(f"{who}: expected dim of {-axes} to {axes - 1} for input {input.shape}, got {dim}")
    length = input.shape[dim] if input.ndim else 1
    return _in_range(who, at.reshape(-1), length), dim % axes


def take(input: Tensor, index: Any) -> Tensor:
    """Elements of the input as if it had one axis; the result has the shape of index.

    Example:
      >>> import loopnest
      >>> loopnest.take(loopnest.tensor([[1, 2], [3, 4]]), loopnest.tensor([0, 3])).tolist()
      [1, 4]
    """
    at = _in_range("take", _indices("take", index), input.numel())
    return input.reshape(-1)[tensor(at.reshape(-1))].reshape(at.shape)


def put(input: Tensor, index: Any, source: Tensor, accumulate: bool = False) -> Tensor:
    """The input with source put, or added if accumulate, at index as if it had one axis. Of equal indices the
    last one counts.

    Example:
      >>> import loopnest
      >>> x = loopnest.tensor([[1, 2], [3, 4]])
      >>> loopnest.put(x, loopnest.tensor([0, 3]), loopnest.tensor([9, 8])).tolist()
      [[9, 2], [3, 8]]
    """
    at = _in_range("put", _indices("put", index).reshape(-1), input.numel())
    if source.numel() != at.size:
        raise ValueError(
            f"put: expected as many elements in source as in index, {at.size}, got {source.numel()}"
        )
    return _changed(input.reshape(-1), (at,), source.reshape(-1), accumulate).reshape(input.shape)


def _changed(input: Tensor, at: Any, values: Tensor, accumulate: bool) -> Tensor:
    """A copy of the input with values at a place that NumPy's indexing understands."""
    if accumulate:
        return _added(input, at, values)
    found = input.clone()
    found[tuple(tensor(i) if isinstance(i, np.ndarray) else i for i in at)] = values.to(input.dtype)
    return found


def _added(input: Tensor, at: Any, values: Tensor) -> Tensor:
    y = custom.numbers(input).copy()
    np.add.at(y, at, custom.numbers(values).astype(y.dtype))

    def grads(g: Array) -> tuple[Array, Array]:
        return g, custom.fitted(g[at], values)

    return custom.recorded("IndexPutBackward", y, (input, values), grads)


def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """The input with values, which are broadcast, at input[indices], or added there if accumulate.

    Args: indices: a tuple of tensors, one for each of the first axes: whole numbers, or bools of an axis.

    Example:
      >>> import loopnest
      >>> at = (loopnest.tensor([0, 0]), loopnest.tensor([1, 1]))
      >>> loopnest.index_put(loopnest.zeros(1, 2), at, loopnest.ones(2), accumulate=True).tolist()
      [[0.0, 2.0]]
    """
    at = tuple(custom.numbers(i) if isinstance(i, Tensor) else i for i in indices)
    try:
        return _changed(input, at, values, accumulate)
    except ValueError as error:
        raise ValueError(f"index_put: {error}") from None


def index_fill(input: Tensor, dim: int, index: Any, value: Any) -> Tensor:
    """The input with one value in the slices of dim that index (n) says.

    Example:
      >>> import loopnest
      >>> loopnest.index_fill(loopnest.ones(2, 2), 1, loopnest.tensor([0]), 5).tolist()
      [[5.0, 1.0], [5.0, 1.0]]
    """
    at, dim = _row_of_indices("index_fill", input, dim, index)
    mask = np.zeros(input.shape[dim] if input.ndim else 1, bool)
    mask[at] = True
    shape = (-1,) + (1,) * (input.ndim - dim - 1) if input.ndim else ()
    return tensor_ops.masked_fill(input, tensor(mask.reshape(shape)), value)


def index_copy(input: Tensor, dim: int, index: Any, source: Tensor) -> Tensor:
    """The input with the slices of source, along dim, at index (n); of equal indices the last one counts.

    Example:
      >>> import loopnest
      >>> loopnest.index_copy(loopnest.zeros(2, 2), 0, loopnest.tensor([1]), loopnest.ones(1, 2)).tolist()
      [[0.0, 0.0], [1.0, 1.0]]
    """
    at, dim = _row_of_indices("index_copy", input, dim, index)
    if input.ndim == 0:
        return source.reshape(()).clone()
    wanted = (*input.shape[:dim], at.size, *input.shape[dim + 1 :])
    if source.shape != wanted:
        raise ValueError(f"index_copy: expected source of shape {wanted}, got {source.shape}")
    if source.dtype != input.dtype:
        raise TypeError(f"index_copy: expected source of dtype {input.dtype}, got {source.dtype}")
    return _changed(input, (slice(None),) * dim + (at,), source, False)


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """The input with elements of source, one after the other, where mask, which is broadcast, holds.

    Example:
      >>> import loopnest
      >>> mask = loopnest.tensor([True, False, True])
      >>> loopnest.masked_scatter(loopnest.zeros(3), mask, loopnest.tensor([1.0, 2.0])).tolist()
      [1.0, 0.0, 2.0]
    """
    where_true = custom.numbers(mask)
    if where_true.dtype.kind != "b":
        raise TypeError(f"masked_scatter: expected a mask of dtype bool, got {where_true.dtype}")
    if source.dtype != input.dtype:
        raise TypeError(f"masked_scatter: expected source of dtype {input.dtype}, got {source.dtype}")
    shape = np.broadcast_shapes(input.shape, where_true.shape)
    where_true = np.broadcast_to(where_true, shape)
    count = int(where_true.sum())
    if source.numel() < count:
        raise ValueError(f"masked_scatter: expected {count} elements in source, got {source.numel()}")
    at = np.where(where_true, np.cumsum(where_true.reshape(-1)).reshape(shape) - 1, 0)
    if source.numel() == 0:
        return input.expand(shape).clone()
    return where(tensor(where_true.copy()), take(source, at), input)


REDUCED: dict[str, Any] = {
    "sum": np.add,
    "mean": np.add,
    "prod": np.multiply,
    "amax": np.maximum,
    "amin": np.minimum,
}


def scatter_reduce(
    input: Tensor, dim: int, index: Any, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Elements of src brought together where index says: result[index[i]] = what `reduce` makes of all src[i]
    with that index, and of the input's own element if include_self.

    Args:
      index: int64, as many axes as input; src at least as large.
      reduce: "sum", "mean", "prod", "amax" or "amin".

    Where nothing arrives the input's element stays. Equal largest ones share the gradient.

    Example:
      >>> import loopnest
      >>> at, src = loopnest.tensor([0, 1, 0]), loopnest.tensor([1.0, 2.0, 3.0])
      >>> loopnest.scatter_reduce(loopnest.zeros(2), 0, at, src, "amax").tolist()
      [3.0, 2.0]
    """
    who = "scatter_reduce"
    if reduce not in REDUCED:
        raise ValueError(f"{who}: expected reduce to be one of {list(REDUCED)}, got {reduce!r}")
    if src.dtype != input.dtype:
        raise TypeError(f"{who}: expected src of dtype {input.dtype}, got {src.dtype}")
    at = _indices(who, index)
    if at.ndim != input.ndim or src.ndim != input.ndim:
        raise ValueError(
            f"{who}: expected index and src of as many axes as input, got {at.shape}, {src.shape} and "
            f"{input.shape}"
        )
    if input.ndim == 0:
        flat = (x.reshape(1) for x in (input, src))
        own, given = flat
        return scatter_reduce(own, 0, at.reshape(1), given, reduce, include_self=include_self).reshape(())
    dim = dim % input.ndim
    for axis in range(input.ndim):
        if at.shape[axis] > src.shape[axis] or (axis != dim and at.shape[axis] > input.shape[axis]):
            raise ValueError(f"{who}: index {at.shape} is larger than src {src.shape} or input {input.shape}")
    if at.size and not 0 <= at.min() <= at.max() < input.shape[dim]:
        raise IndexError(
            f"{who}: expected indices in 0 ... {input.shape[dim] - 1}, got {at.min()} to {at.max()}"
        )
    src = src[tuple(slice(0, n) for n in at.shape)]
    places: list[Array] = list(np.indices(at.shape, sparse=True))
    places[dim] = at
    return _reduced_at(input, tuple(places), src, reduce, include_self)


def _reduced_at(input: Tensor, at: Any, src: Tensor, reduce: str, include_self: bool) -> Tensor:
    a, values = custom.numbers(input), custom.numbers(src)
    arrived = np.zeros(a.shape, np.int64)
    np.add.at(arrived, at, 1)
    ufunc = REDUCED[reduce]
    y = a.copy()
    if not include_self:
        low, high = _bounds(a.dtype)
        y[arrived > 0] = {"sum": 0, "mean": 0, "prod": 1, "amax": low, "amin": high}[reduce]
    ufunc.at(y, at, values)
    count = np.maximum(arrived + include_self, 1)
    if reduce == "mean":
        y = (y / count if a.dtype.kind == "f" else y // count).astype(a.dtype)
    own = np.broadcast_to(include_self | (arrived == 0), a.shape)

    def grads(g: Array, x: Array, s: Array) -> tuple[Array, Array]:
        with quiet():
            if reduce in ("sum", "mean"):
                g = g / count if reduce == "mean" else g
                return np.where(own, g, 0).astype(x.dtype), g[at].astype(x.dtype)
            if reduce == "prod":
                return _product_slopes(g, x, s, at, y, own)
            same = (x == y) & own
            shared = same.astype(x.dtype)
            equal = s == y[at]
            np.add.at(shared, at, equal.astype(x.dtype))
            each = g / np.where(shared == 0, 1, shared)
            return np.where(same, each, 0).astype(x.dtype), np.where(equal, each[at], 0).astype(x.dtype)

    return custom.recorded("ScatterReduceBackward", y, (input, src), grads, (input, src))


def _bounds(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """What no number of the dtype is below, and above."""
    if dtype.kind == "f":
        return -np.inf, np.inf
    return (np.iinfo(dtype).min, np.iinfo(dtype).max) if dtype.kind != "b" else (False, True)


def _product_slopes(g: Array, x: Array, s: Array, at: Any, y: Array, own: Array) -> tuple[Array, Array]:
    """Each factor's slope is the product of all others: where one factor is 0 only that one has a slope."""
    base = np.where(own, x, 1)
    zeros = (base == 0).astype(np.int64)
    np.add.at(zeros, at, s == 0)
    rest = np.where(base == 0, 1, base)
    np.multiply.at(rest, at, np.where(s == 0, 1, s))

    def slope(factor: Array, product: Array, nulls: Array) -> Array:
        others = nulls - (factor == 0)
        return np.where(
            others > 0, 0, np.where(factor == 0, product, product / np.where(factor == 0, 1, factor))
        )

    return (
        np.where(own, g * slope(base, rest, zeros), 0).astype(x.dtype),
        (g[at] * slope(s, rest[at], zeros[at])).astype(x.dtype),
    )


def _with(input: Tensor, at: Any, src: Tensor, who: str) -> Tensor:
    """A copy of the input with src at a place of its shape."""
    found = input.clone()
    if custom.numbers(input)[at].shape != src.shape:
        raise ValueError(f"{who}: expected src of shape {custom.numbers(input)[at].shape}, got {src.shape}")
    found[at] = src.to(input.dtype)
    return found


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """The input with src in the place of input.select(dim, index).

    Example:
      >>> import loopnest
      >>> loopnest.select_scatter(loopnest.zeros(2, 2), loopnest.ones(2), 0, 1).tolist()
      [[0.0, 0.0], [1.0, 1.0]]
    """
    return _with(input, (slice(None),) * (dim % input.ndim) + (index,), src, "select_scatter")


def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """The input with src in the place of its slice start:end:step along dim.

    Example:
      >>> import loopnest
      >>> loopnest.slice_scatter(loopnest.zeros(4), loopnest.ones(2), start=2).tolist()
      [0.0, 0.0, 1.0, 1.0]
    """
    at = (slice(None),) * (dim % input.ndim) + (slice(start, end, step),)
    return _with(input, at, src, "slice_scatter")


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The input with src in the place of input.diagonal(offset, dim1, dim2).

    Example:
      >>> import loopnest
      >>> loopnest.diagonal_scatter(loopnest.zeros(2, 2), loopnest.ones(2)).tolist()
      [[1.0, 0.0], [0.0, 1.0]]
    """
    places = np.arange(input.numel()).reshape(input.shape).diagonal(offset, dim1, dim2)
    if places.shape != src.shape:
        raise ValueError(f"diagonal_scatter: expected src of shape {places.shape}, got {src.shape}")
    return put(input, places, src.to(input.dtype))


def argwhere(input: Tensor) -> Tensor:
    """Where the input is not 0: a row of indices for each place.

    Example:
      >>> import loopnest
      >>> loopnest.argwhere(loopnest.tensor([[0, 1], [2, 0]])).tolist()
      [[0, 1], [1, 0]]
    """
    return Tensor(np.argwhere(custom.numbers(input)).astype(np.int64))


def where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """This tensor where condition holds, other elsewhere, all broadcast.

    Example:
      >>> import loopnest
      >>> x = loopnest.tensor([-1.0, 2.0])
      >>> x.where(x > 0, loopnest.zeros(2)).tolist()
      [0.0, 2.0]
    """
    found: Tensor = tape.where(condition, self, other)
    return found


def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """One value on the diagonal of a matrix (of a cube's longest one), in place; wrap: again and again in a
    tall matrix, a row apart. Returns self.

    Example:
      >>> import loopnest
      >>> loopnest.zeros(2, 2).fill_diagonal_(3).tolist()
      [[3.0, 0.0], [0.0, 3.0]]
    """
    if self.ndim < 2 or (self.ndim > 2 and len(set(self.shape)) > 1):
        raise ValueError(f"fill_diagonal_: expected a matrix, or all axes of one length, got {self.shape}")
    mask = np.zeros(self.shape, bool)
    np.fill_diagonal(mask, True, wrap)
    return tape.become(self, tensor_ops.masked_fill(self, tensor(mask), fill_value))


def scatter_(
    self: Tensor, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: Any = None
) -> Tensor:
    """scatter, in place; reduce: "add" or "multiply" src (or one number) to what stands there. Returns self.

    Example:
      >>> import loopnest
      >>> loopnest.ones(3).scatter_(0, loopnest.tensor([2, 2]), 5.0, reduce="add")
      tensor([ 1.,  1., 11.])
    """
    if reduce is None:
        return tape.become(self, tensor_ops.scatter(self, dim, index, src, value))
    if reduce not in ("add", "multiply"):
        raise ValueError(f"scatter_: expected reduce None, 'add' or 'multiply', got {reduce!r}")
    src = value if src is None else src
    if not isinstance(src, Tensor):
        src = Tensor(np.full(_indices("scatter_", index).shape, src, self.dtype))
    kind = "sum" if reduce == "add" else "prod"
    return tape.become(self, scatter_reduce(self, dim, index, src, kind))


METHODS = (
    *("take", "put", "index_put", "index_fill", "index_copy", "masked_scatter", "scatter_reduce"),
    *("select_scatter", "slice_scatter", "diagonal_scatter", "argwhere", "fill_diagonal_", "scatter_"),
)
ONE, AT = "loopnest.ones(2)", "loopnest.tensor([1])"
IN_PLACE = {
    "put_": (put, f"loopnest.zeros(2).put_({AT}, loopnest.ones(1))", "[0., 1.]"),
    "index_put_": (index_put, f"loopnest.zeros(2).index_put_(({AT},), loopnest.ones(1))", "[0., 1.]"),
    "index_fill_": (index_fill, f"loopnest.zeros(2).index_fill_(0, {AT}, 5)", "[0., 5.]"),
    "index_copy_": (index_copy, f"loopnest.zeros(2).index_copy_(0, {AT}, loopnest.ones(1))", "[0., 1.]"),
    "index_add_": (
        tensor_ops.index_add,
        f"loopnest.ones(2).index_add_(0, {AT}, loopnest.ones(1))",
        "[1., 2.]",
    ),
    "masked_scatter_": (
        masked_scatter,
        f"loopnest.zeros(2).masked_scatter_(loopnest.tensor([True, False]), {ONE})",
        "[1., 0.]",
    ),
    "scatter_reduce_": (
        scatter_reduce,
        f'loopnest.ones(2).scatter_reduce_(0, {AT}, loopnest.ones(1), "sum")',
        "[1., 2.]",
    ),
}
tensor_ops.attach(
    where=where_method,
    **{name: globals()[name] for name in METHODS},
    **{name: in_place(name, *how) for name, how in IN_PLACE.items()},
)
