"""Look-ups in a table of rows as functions: embedding, embedding_bag."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopnest.engine import bag, custom, tape
from loopnest.engine.tape import Tensor, is_grad_enabled, tensor, where
from loopnest.nn.parameter import memory


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of a table: result[...] = weight[input[...]], as torch.nn.functional.embedding.

    Args:
      input: int64 indices of any shape. weight: (rows, width). padding_idx: this row gets no gradient.
      max_norm: rows that are looked up and whose norm is larger are first scaled down to it, in the table
        itself. norm_type: which norm, 2 for the Euclidean one.
      scale_grad_by_freq: a row's gradient is divided by how often it is looked up in this call.
      sparse: not supported; must be False.

    Returns (*input.shape, width). Raises IndexError for an index outside the table.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> table = loopnest.tensor(np.arange(6.0).reshape(3, 2))
      >>> F.embedding(loopnest.tensor(np.array([2, 0])), table).numpy().tolist()
      [[4.0, 5.0], [0.0, 1.0]]
    """
    if sparse:
        raise ValueError("embedding: sparse gradients are not supported; leave sparse out")
    if max_norm is not None:
        shorten(input, weight, max_norm, norm_type)
    rows = tape.embedding(input, weight, padding_idx)
    return by_frequency(rows, custom.numbers(input), weight.shape[0]) if scale_grad_by_freq else rows


def shorten(input: Tensor, weight: Tensor, max_norm: float, norm_type: float) -> None:
    """Scales the rows of `weight` that are looked up, in place, so that their norm is at most max_norm; those
    whose norm is smaller stay as they are."""
    at = np.unique(custom.numbers(input))
    table = memory(weight)
    if at.size == 0 or at[0] < 0 or at[-1] >= len(table):
        return  # the look-up says what is wrong
    lengths = np.linalg.norm(table[at], norm_type, axis=1)
    long = lengths > max_norm
    if long.any():
        table[at[long]] *= (max_norm / (lengths[long] + 1e-7)).astype(table.dtype)[:, None]
        weight.bump_version()


def by_frequency(rows: Tensor, at: NDArray[Any], count: int) -> Tensor:
    """The rows (*at.shape, d) themselves; on its way back each gradient is divided by how often its index
    stands in `at`."""
    scale = (1 / np.bincount(at.reshape(-1), minlength=count)[at]).astype(rows.dtype)[..., None]
    return custom.recorded("ScaleByFrequencyBackward", custom.numbers(rows), (rows,), lambda g: (g * scale,))


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sums, means or maxima of bags of rows of a table, as torch.nn.functional.embedding_bag.

    Args:
      input: int64 indices: (B, L), a bag in each row; or (M,), all bags one behind the other.
      weight: (rows, width).
      offsets: where the bags begin in an input of one axis, (B,), the first one 0; equal ones: an empty bag.
      mode: "sum", "mean" or "max", the largest of each column. An empty bag gives zeros.
      per_sample_weights: of input's shape, for mode "sum": each row is multiplied by its number.
      include_last_offset: offsets is (B + 1,), its last one the end of the last bag.
      padding_idx: this index is left out: it does not count in the mean, and its row gets no gradient.
      max_norm, norm_type, scale_grad_by_freq: as for embedding, the last one not for "max".
      sparse: not supported; must be False.

    Returns (B, width). Raises IndexError for an index outside the table, ValueError for offsets that do not
    begin with 0, fall, or go beyond the input.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> table = loopnest.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
      >>> F.embedding_bag(loopnest.tensor([0, 2, 1]), table, loopnest.tensor([0, 2])).tolist()
      [[2.0, 20.0], [2.0, 20.0]]
      >>> F.embedding_bag(loopnest.tensor([[0, 2], [1, 1]]), table, mode="sum").tolist()
      [[4.0, 40.0], [4.0, 40.0]]
    """
    _need_arguments(input, weight, offsets, mode, per_sample_weights)
    if sparse:
        raise ValueError("embedding_bag: sparse gradients are not supported; leave sparse out")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("embedding_bag: mode 'max' has no scale_grad_by_freq")
    if max_norm is not None:
        shorten(input, weight, max_norm, norm_type)
    if padding_idx is not None and not -weight.shape[0] <= padding_idx < weight.shape[0]:
        raise ValueError(
            f"embedding_bag: padding_idx {padding_idx} is outside a table of {weight.shape[0]} rows"
        )
    learns = is_grad_enabled() and weight.requires_grad
    if input.ndim == 2 and padding_idx is None and not (mode == "max" and learns):
        rows = tape.embedding(input, weight)
        if scale_grad_by_freq:
            rows = by_frequency(rows, custom.numbers(input), weight.shape[0])
        return _of_equal_bags(rows, mode, per_sample_weights)
    if input.ndim == 2:
        count, length = input.shape
        edges = np.arange(count + 1) * length
    else:
        assert offsets is not None
        edges = _edges(custom.numbers(offsets), input.shape[0], include_last_offset)
    at = custom.numbers(input).reshape(-1)
    bags = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    at = at[: len(bags)]  # what stands behind the last offset belongs to no bag
    factors = None if per_sample_weights is None else per_sample_weights.reshape(-1)[: len(bags)]
    if padding_idx is not None:
        keep = np.flatnonzero(at != padding_idx % weight.shape[0])
        at, bags = at[keep], bags[keep]
        factors = None if factors is None else factors[keep]
    if mode == "max":
        return _largest(at, bags, len(edges) - 1, weight)
    rows = tape.embedding(tensor(at), weight)
    if scale_grad_by_freq:
        rows = by_frequency(rows, at, weight.shape[0])
    if factors is not None:
        rows = rows * factors.unsqueeze(1)
    sums = bag.bag_sums(rows, bags, len(edges) - 1)
    if mode == "sum":
        return sums
    sizes = np.maximum(np.bincount(bags, minlength=len(edges) - 1), 1)
    return sums / tensor(sizes[:, None].astype(rows.dtype))


def _need_arguments(
    input: Tensor, weight: Tensor, offsets: Tensor | None, mode: str, per_sample_weights: Tensor | None
) -> None:
    who = "embedding_bag"
    if input.dtype.kind not in "iu":
        raise TypeError(f"{who}: expected input of dtype int64, got {input.dtype}")
    if weight.ndim != 2:
        raise ValueError(f"{who}: expected weight of shape (rows, width), got {weight.shape}")
    if input.ndim not in (1, 2):
        raise ValueError(f"{who}: expected input of shape (B, L) or (M,), got {input.shape}")
    if input.ndim == 2 and offsets is not None:
        raise ValueError(
            f"{who}: expected no offsets for input (B, L) = {input.shape}: its rows are the bags"
        )
    if input.ndim == 1 and (offsets is None or offsets.ndim != 1):
        got = None if offsets is None else offsets.shape
        raise ValueError(f"{who}: expected offsets of shape (B,) for input {input.shape}, got {got}")
    if offsets is not None and offsets.dtype.kind not in "iu":
        raise TypeError(f"{who}: expected offsets of dtype int64, got {offsets.dtype}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"{who}: expected mode 'sum', 'mean' or 'max', got {mode!r}")
    if per_sample_weights is None:
        return
    if mode != "sum":
        raise NotImplementedError(f"{who}: per_sample_weights are for mode 'sum', not for {mode!r}")
    name, factors = "per_sample_weights", per_sample_weights
    if factors.shape != input.shape:
        raise ValueError(f"{who}: expected {name} of input's shape {input.shape}, got {factors.shape}")
    if factors.dtype != weight.dtype:
        raise TypeError(f"{who}: expected {name} of weight's dtype {weight.dtype}, got {factors.dtype}")


def _edges(offsets: NDArray[Any], length: int, include_last_offset: bool) -> NDArray[Any]:
    """Where each of the B bags begins and the last one ends, (B + 1)."""
    who = "embedding_bag"
    if len(offsets) == 0:
        if include_last_offset:
            raise ValueError(f"{who}: expected at least one offset with include_last_offset, got none")
        return np.zeros(1, np.int64)
    if offsets[0] != 0:
        raise ValueError(f"{who}: expected the first offset to be 0, got {offsets[0]}")
    edges = offsets if include_last_offset else np.append(offsets, length)
    if offsets[-1] > length or np.any(np.diff(offsets) < 0):
        raise ValueError(f"{who}: expected rising offsets of at most {length}, got {offsets.tolist()}")
    return edges


def _of_equal_bags(rows: Tensor, mode: str, factors: Tensor | None) -> Tensor:
    """Of rows (B, L, d), kernels all the way."""
    if factors is not None:
        rows = rows * factors.unsqueeze(2)
    if mode == "sum" or rows.shape[1] == 0:
        return rows.sum(1)
    return rows.mean(1) if mode == "mean" else rows.amax(1)


def _largest(at: NDArray[Any], bags: NDArray[Any], count: int, weight: Tensor) -> Tensor:
    """The largest number of every column in every bag, or NaN; the first of equal ones gets the gradient."""
    width = weight.shape[1]
    if len(at) == 0:
        return weight[:0].sum() + tensor(np.zeros((count, width), weight.dtype))
    if at.min() < 0 or at.max() >= weight.shape[0]:
        raise IndexError(
            f"embedding_bag: expected indices in 0 ... {weight.shape[0] - 1}, got {at.min()} to {at.max()}"
        )
    rows = custom.numbers(weight)[at]
    filled = np.unique(bags)  # in their order: the bags that are not empty
    starts = np.searchsorted(bags, filled)
    best = np.maximum.reduceat(rows, starts, axis=0)
    place = np.searchsorted(filled, bags)
    is_best = (rows == best[place]) | np.isnan(rows)
    first = np.minimum.reduceat(np.where(is_best, np.arange(len(at))[:, None], len(at)), starts, axis=0)
    index = np.zeros((count, width), np.int64)
    index[filled] = np.take_along_axis(at[:, None], first, 0) if width else index[filled]
    empty = np.ones((count, 1), bool)
    empty[filled] = False
    return where(tensor(empty), tensor(np.zeros((), weight.dtype)), weight.gather(0, tensor(index)))
