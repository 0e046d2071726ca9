"""Other shapes and other orders of the same elements: torch's names, made of views and copies of the engine.

Most are methods of Tensor as well; those whose names end in _ give the tensor itself another shape.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from loopnest.engine import custom, tape, tensor_ops
from loopnest.engine.tape import Tensor, cat, stack, tensor, zeros

Shape = tuple[int, ...]


def ravel(input: Tensor) -> Tensor:
    """All elements on one axis, a view if their order in memory allows it.

    Example:
      >>> import loopnest
      >>> loopnest.ravel(loopnest.tensor([[1, 2], [3, 4]])).tolist()
      [1, 2, 3, 4]
    """
    return input.reshape(-1)


def t(input: Tensor) -> Tensor:
    """A matrix with its axes exchanged, a view; vectors and numbers as they are.

    Example:
      >>> import loopnest
      >>> loopnest.t(loopnest.tensor([[1, 2], [3, 4]])).tolist()
      [[1, 3], [2, 4]]
    """
    return input.t()


def adjoint(input: Tensor) -> Tensor:
    """The last two axes exchanged, a view.

    Example:
      >>> import loopnest
      >>> loopnest.adjoint(loopnest.zeros(4, 2, 3)).shape
      (4, 3, 2)
    """
    return input.transpose(-2, -1)


def broadcast_shapes(*shapes: Any) -> Shape:
    """The shape that tensors of these shapes have together.

    Example:
      >>> import loopnest
      >>> loopnest.broadcast_shapes((2, 1), (3,))
      (2, 3)
    """
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(f"the shapes {', '.join(map(str, shapes))} do not fit each other") from None


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Views of all tensors in the shape that they have together.

    Example:
      >>> import loopnest
      >>> [x.shape for x in loopnest.broadcast_tensors(loopnest.ones(2, 1), loopnest.ones(3))]
      [(2, 3), (2, 3)]
    """
    shape = broadcast_shapes(*(x.shape for x in tensors))
    return tuple(x.expand(shape) for x in tensors)


def _at_least(name: str, axes: int, result: str) -> Callable[..., Any]:
    def more(x: Tensor) -> Tensor:
        x = x.unsqueeze(-1) if axes == 3 and 0 < x.ndim < 3 else x
        while x.ndim < axes:
            x = x.unsqueeze(0)
        return x

    def function(*tensors: Any) -> Any:
        given = tensors[0] if len(tensors) == 1 else tensors
        return more(given) if isinstance(given, Tensor) else tuple(more(x) for x in given)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""The tensor, or each of several, with axes of length 1 added up to {axes}.

    Example:
      >>> import loopnest
      >>> loopnest.{name}(loopnest.tensor(5)).shape
      {result}
    """
    return function


atleast_1d = _at_least("atleast_1d", 1, "(1,)")
atleast_2d = _at_least("atleast_2d", 2, "(1, 1)")
atleast_3d = _at_least("atleast_3d", 3, "(1, 1, 1)")


def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of parts along dim: that many of almost equal length, the first ones longer; or cut at these
    indices.

    Example:
      >>> import loopnest
      >>> [x.tolist() for x in loopnest.tensor_split(loopnest.arange(5), 2)]
      [[0, 1, 2], [3, 4]]
      >>> [x.tolist() for x in loopnest.tensor_split(loopnest.arange(5), (1, 3))]
      [[0], [1, 2], [3, 4]]
    """
    if input.ndim == 0:
        raise ValueError("tensor_split: expected input of at least one axis, got shape ()")
    length = input.shape[dim]
    at = indices_or_sections.tolist() if isinstance(indices_or_sections, Tensor) else indices_or_sections
    if isinstance(at, int):
        if at < 1:
            raise ValueError(f"tensor_split: expected at least one section, got {at}")
        at = [length // at * i + min(i, length % at) for i in range(1, at)]
    edges = [0, *(min(max(i + length if i < 0 else i, 0), length) for i in at), length]
    return tuple(
        tensor_ops.narrow(input, dim, low, max(high - low, 0)) for low, high in itertools.pairwise(edges)
    )


def _split_along(who: str, input: Tensor, parts: Any, dim: int, least: int) -> tuple[Tensor, ...]:
    if input.ndim < least:
        raise ValueError(f"{who}: expected input of at least {least} axes, got {input.shape}")
    if isinstance(parts, int) and (parts < 1 or input.shape[dim] % parts):
        raise ValueError(
            f"{who}: {input.shape[dim]} elements along dim {dim} cannot be split into {parts} parts"
        )
    return tensor_split(input, parts, dim)


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Equal parts along axis 1 (0 of a vector), or cut at indices.

    Example:
      >>> import loopnest
      >>> [x.tolist() for x in loopnest.hsplit(loopnest.arange(4), 2)]
      [[0, 1], [2, 3]]
    """
    return _split_along("hsplit", input, indices_or_sections, 0 if input.ndim == 1 else 1, 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Equal parts along axis 0 of at least 2, or cut at indices.

    Example:
      >>> import loopnest
      >>> [x.tolist() for x in loopnest.vsplit(loopnest.tensor([[0, 1], [2, 3]]), 2)]
      [[[0, 1]], [[2, 3]]]
    """
    return _split_along("vsplit", input, indices_or_sections, 0, 2)


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Equal parts along axis 2 of at least 3, or cut at indices.

    Example:
      >>> import loopnest
      >>> [x.shape for x in loopnest.dsplit(loopnest.zeros(1, 1, 4), 2)]
      [(1, 1, 2), (1, 1, 2)]
    """
    return _split_along("dsplit", input, indices_or_sections, 2, 3)


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of parts of these lengths along dim.

    Example:
      >>> import loopnest
      >>> [x.tolist() for x in loopnest.split_with_sizes(loopnest.arange(3), [1, 2])]
      [[0], [1, 2]]
    """
    return input.split(list(split_sizes), dim)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors one behind the other along axis 2, given axes of length 1 first.

    Example:
      >>> import loopnest
      >>> loopnest.dstack([loopnest.tensor([1, 2]), loopnest.tensor([3, 4])]).tolist()
      [[[1, 3], [2, 4]]]
    """
    return cat([atleast_3d(x) for x in tensors], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors side by side, vectors as columns.

    Example:
      >>> import loopnest
      >>> loopnest.column_stack([loopnest.tensor([1, 2]), loopnest.tensor([3, 4])]).tolist()
      [[1, 3], [2, 4]]
    """
    return cat([x.reshape(x.numel(), 1) if x.ndim < 2 else x for x in tensors], 1)


def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with these matrices along its diagonal, zeros elsewhere; vectors are rows.

    Example:
      >>> import loopnest
      >>> loopnest.block_diag(loopnest.tensor([[1, 2]]), loopnest.tensor([[3]])).tolist()
      [[1, 2, 0], [0, 0, 3]]
    """
    blocks = [atleast_2d(x) for x in tensors]
    if any(x.ndim != 2 for x in blocks):
        raise ValueError(f"block_diag: expected at most 2 axes, got shapes {[x.shape for x in tensors]}")
    width, at, rows = sum(x.shape[1] for x in blocks), 0, []
    for x in blocks:
        before, behind = x.new_zeros(x.shape[0], at), x.new_zeros(x.shape[0], width - at - x.shape[1])
        rows.append(cat([before, x, behind], 1))
        at += x.shape[1]
    return cat(rows, 0) if rows else zeros(1, 0)


def fliplr(input: Tensor) -> Tensor:
    """Axis 1 the other way round.

    Example:
      >>> import loopnest
      >>> loopnest.fliplr(loopnest.tensor([[1, 2], [3, 4]])).tolist()
      [[2, 1], [4, 3]]
    """
    if input.ndim < 2:
        raise ValueError(f"fliplr: expected input of at least 2 axes, got {input.shape}")
    return tape.flip(input, (1,))


def flipud(input: Tensor) -> Tensor:
    """Axis 0 the other way round.

    Example:
      >>> import loopnest
      >>> loopnest.flipud(loopnest.tensor([[1, 2], [3, 4]])).tolist()
      [[3, 4], [1, 2]]
    """
    if input.ndim < 1:
        raise ValueError("flipud: expected input of at least one axis, got shape ()")
    return tape.flip(input, (0,))


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned k times by 90 degrees, from the first of dims towards the second.

    Example:
      >>> import loopnest
      >>> loopnest.rot90(loopnest.tensor([[1, 2], [3, 4]])).tolist()
      [[2, 4], [1, 3]]
    """
    first, second = (axis % max(input.ndim, 1) for axis in dims)
    if len(dims) != 2 or first == second or input.ndim < 2:
        raise ValueError(f"rot90: expected two different axes of input {input.shape}, got {tuple(dims)}")
    if k % 4 == 0:
        return input.clone()
    if k % 4 == 2:
        return tape.flip(input, (first, second))
    turned = input.transpose(first, second)
    return tape.flip(turned, (first if k % 4 == 1 else second,))


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices, in the axes dim1 and dim2 of the result, with the last axis of the input on a diagonal.

    Example:
      >>> import loopnest
      >>> loopnest.diag_embed(loopnest.tensor([[1, 2], [3, 4]])).tolist()
      [[[1, 0], [0, 2]], [[3, 0], [0, 4]]]
    """
    if input.ndim == 0:
        raise ValueError("diag_embed: expected input of at least one axis, got shape ()")
    n, axes = input.shape[-1], input.ndim + 1
    first, second = dim1 % axes, dim2 % axes
    if first == second:
        raise ValueError(f"diag_embed: expected two different axes, got dim1 = {dim1} and dim2 = {dim2}")
    size = n + abs(offset)
    at = np.arange(n) * (size + 1) + (offset if offset >= 0 else -offset * size)
    flat = input.new_zeros((*input.shape[:-1], size * size))
    index = tensor(np.broadcast_to(at, input.shape).copy())
    square = tensor_ops.scatter_add(flat, input.ndim - 1, index, input).reshape(
        (*input.shape[:-1], size, size)
    )
    return tensor_ops.movedim(square, (-2, -1), (first, second))


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements, in their order, on a diagonal.

    Example:
      >>> import loopnest
      >>> loopnest.diagflat(loopnest.tensor([[1], [2]])).tolist()
      [[1, 0], [0, 2]]
    """
    return diag_embed(input.reshape(-1), offset)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of an element of each vector, one in a row; a single vector as it is.

    Example:
      >>> import loopnest
      >>> loopnest.cartesian_prod(loopnest.tensor([1, 2]), loopnest.tensor([3, 4])).tolist()
      [[1, 3], [1, 4], [2, 3], [2, 4]]
    """
    if any(x.ndim != 1 for x in tensors):
        raise ValueError(f"cartesian_prod: expected vectors, got shapes {[x.shape for x in tensors]}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([x.reshape(-1) for x in meshgrid(*tensors)], 1)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Views of vectors in the shape that they span, each along an axis of its own; "xy": the first two axes
    exchanged.

    Example:
      >>> import loopnest
      >>> x, y = loopnest.meshgrid(loopnest.tensor([1, 2]), loopnest.tensor([3, 4, 5]))
      >>> x.tolist(), y.tolist()
      ([[1, 1, 1], [2, 2, 2]], [[3, 4, 5], [3, 4, 5]])
    """
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    vectors = [x if isinstance(x, Tensor) else tensor(x) for x in given]
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: expected indexing 'ij' or 'xy', got {indexing!r}")
    if any(x.ndim > 1 for x in vectors):
        raise ValueError(f"meshgrid: expected vectors, got shapes {[x.shape for x in vectors]}")
    shape, many = tuple(x.numel() for x in vectors), len(vectors)
    ones = [(1,) * i + (n,) + (1,) * (many - i - 1) for i, n in enumerate(shape)]
    grids = [x.reshape(own).expand(shape) for x, own in zip(vectors, ones, strict=True)]
    return tuple(x.transpose(0, 1) for x in grids) if indexing == "xy" and many > 1 else tuple(grids)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of r elements of a vector, one in a row.

    Example:
      >>> import loopnest
      >>> loopnest.combinations(loopnest.tensor([1, 2, 3])).tolist()
      [[1, 2], [1, 3], [2, 3]]
    """
    if input.ndim != 1 or r < 0:
        raise ValueError(f"combinations: expected a vector and r of at least 0, got {input.shape} and {r}")
    choose: Any = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    found = list(choose(range(len(input)), r)) if r else []
    at = np.array(found, np.int64).reshape(len(found), r)
    return input[tensor(at)] if r else input.new_zeros(0)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """Powers of a vector's elements as columns, the highest one, N - 1, first; or last if increasing.

    Example:
      >>> import loopnest
      >>> loopnest.vander(loopnest.tensor([2, 3]), 3).tolist()
      [[4, 2, 1], [9, 3, 1]]
    """
    if x.ndim != 1:
        raise ValueError(f"vander: expected a vector, got shape {x.shape}")
    powers = range(x.shape[0] if N is None else N)
    columns = [x**p for p in (powers if increasing else reversed(powers))]
    return stack(columns, 1) if columns else x.new_zeros(x.shape[0], 0)


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = np.int64, device: Any = None) -> Tensor:
    """Rows and columns, (2, count), of what tril keeps of a matrix.

    Example:
      >>> import loopnest
      >>> loopnest.tril_indices(2, 2).tolist()
      [[0, 1, 1], [0, 0, 1]]
    """
    return Tensor(np.stack(np.tril_indices(row, offset, col)).astype(dtype))


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = np.int64, device: Any = None) -> Tensor:
    """Rows and columns, (2, count), of what triu keeps of a matrix.

    Example:
      >>> import loopnest
      >>> loopnest.triu_indices(2, 2).tolist()
      [[0, 0, 1], [0, 1, 1]]
    """
    return Tensor(np.stack(np.triu_indices(row, offset, col)).astype(dtype))


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Indices into a flat array as indices into one of a shape, a tensor for each axis.

    Example:
      >>> import loopnest
      >>> [x.tolist() for x in loopnest.unravel_index(loopnest.tensor([0, 5]), (2, 3))]
      [[0, 1], [0, 2]]
    """
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    return tuple(Tensor(np.asarray(at)) for at in np.unravel_index(custom.numbers(indices), sizes))


def as_strided(input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int = 0) -> Tensor:
    """Any arrangement of the input's memory, a copy: strides and the offset in elements, from the input's
    first one. The gradients of elements that are seen several times are added up.

    PyTorch gives a view. ValueError for what lies outside of a contiguous input's elements.

    Example:
      >>> import loopnest
      >>> loopnest.as_strided(loopnest.arange(4), (2, 2), (1, 1)).tolist()
      [[0, 1], [1, 2]]
    """
    flat = input.reshape(-1)
    at = np.full(tuple(size), storage_offset, np.int64)
    for axis, (n, step) in enumerate(zip(size, stride, strict=True)):
        at += (np.arange(n) * step).reshape((-1,) + (1,) * (len(size) - axis - 1))
    if at.size and not 0 <= at.min() <= at.max() < flat.numel():
        raise ValueError(
            f"as_strided: size {tuple(size)}, stride {tuple(stride)} and offset {storage_offset} reach from "
            f"{at.min()} to {at.max()} of {flat.numel()} elements"
        )
    return flat[tensor(at)]


def _reshaped(name: str, function: Callable[..., Tensor], example: str, result: str) -> Callable[..., Tensor]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return custom.look_as(self, function(self, *args, **kwargs))

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"""{name[:-1]}, of the tensor itself; its memory stays. Returns self.

    Example:
      >>> import loopnest
      >>> {example}.shape
      {result}
    """
    return method


squeeze_ = _reshaped("squeeze_", tape.squeeze, "loopnest.zeros(2, 1).squeeze_()", "(2,)")
unsqueeze_ = _reshaped("unsqueeze_", tape.unsqueeze, "loopnest.zeros(2).unsqueeze_(0)", "(1, 2)")
transpose_ = _reshaped("transpose_", tape.transpose, "loopnest.zeros(2, 3).transpose_(0, 1)", "(3, 2)")
t_ = _reshaped("t_", Tensor.t, "loopnest.zeros(2, 3).t_()", "(3, 2)")

# PyTorch's other names.
moveaxis, swapaxes, swapdims, concatenate = tensor_ops.movedim, tape.transpose, tape.transpose, tape.cat
swapaxes_ = swapdims_ = transpose_
broadcast_to = tape.expand

METHODS = (
    *("ravel", "adjoint", "tensor_split", "hsplit", "vsplit", "dsplit", "split_with_sizes", "fliplr"),
    *("flipud", "rot90", "diag_embed", "diagflat", "as_strided", "squeeze_", "unsqueeze_", "transpose_"),
    *("t_", "moveaxis", "swapdims", "swapaxes_", "swapdims_"),
)
tensor_ops.attach(**{name: globals()[name] for name in METHODS})
