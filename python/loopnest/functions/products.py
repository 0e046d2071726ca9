"""Products of vectors, matrices and batches of them: torch's names, made of the engine's matmul.

Most are methods of Tensor as well, those that add to their input also in place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from loopnest.engine import tape, tensor_ops
from loopnest.engine.tape import Tensor, stack, zeros_like
from loopnest.functions.compositions import in_place


def _need_axes(who: str, **wanted: tuple[Tensor, int]) -> None:
    for name, (x, axes) in wanted.items():
        if x.ndim != axes:
            raise ValueError(f"{who}: expected {name} of {axes} axes, got shape {x.shape}")


def _plus(input: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    """beta input + alpha product; beta = 0: whatever the input holds, NaN too, does not count."""
    product = product if alpha == 1 else product * alpha
    if beta == 0:
        return product
    return product + (input if beta == 1 else input * beta)


def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (mat @ vec): (n, m) by (m,), input broadcast to (n,).

    Example:
      >>> import loopnest
      >>> loopnest.addmv(loopnest.ones(2), loopnest.eye(2), loopnest.tensor([1.0, 2.0])).tolist()
      [2.0, 3.0]
    """
    _need_axes("addmv", mat=(mat, 2), vec=(vec, 1))
    return _plus(input, mat @ vec, beta, alpha)


def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (all products of vec1 (n,) and vec2 (m,)), input broadcast to (n, m).

    Example:
      >>> import loopnest
      >>> loopnest.addr(loopnest.ones(1), loopnest.tensor([1.0, 2.0]), loopnest.tensor([3.0])).tolist()
      [[4.0], [7.0]]
    """
    _need_axes("addr", vec1=(vec1, 1), vec2=(vec2, 1))
    return _plus(input, tensor_ops.outer(vec1, vec2), beta, alpha)


def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (batch1 @ batch2): (b, n, m) by (b, m, p), input broadcast to (b, n, p).

    Example:
      >>> import loopnest
      >>> loopnest.baddbmm(loopnest.ones(1), loopnest.ones(2, 1, 3), loopnest.ones(2, 3, 1)).tolist()
      [[[4.0]], [[4.0]]]
    """
    _need_axes("baddbmm", batch1=(batch1, 3), batch2=(batch2, 3))
    return _plus(input, tensor_ops.bmm(batch1, batch2), beta, alpha)


def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (the sum of all batch1[i] @ batch2[i]): (b, n, m) by (b, m, p), input broadcast
    to (n, p).

    Example:
      >>> import loopnest
      >>> loopnest.addbmm(loopnest.ones(1), loopnest.ones(2, 1, 3), loopnest.ones(2, 3, 1)).tolist()
      [[7.0]]
    """
    _need_axes("addbmm", batch1=(batch1, 3), batch2=(batch2, 3))
    return _plus(input, tensor_ops.bmm(batch1, batch2).sum(0), beta, alpha)


def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sums of products along the last axes of both: (..., n) by (*, n) gives (..., *).

    Example:
      >>> import loopnest
      >>> loopnest.inner(loopnest.tensor([1.0, 2.0]), loopnest.tensor([3.0, 4.0])).item()
      11.0
    """
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    return tensordot(input, other, ([-1], [-1]))


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Sums of products over some axes of both; the others follow each other, a's first.

    Args: dims: how many, the last ones of a and the first ones of b; or ([axes of a], [axes of b]).

    Example:
      >>> import loopnest
      >>> a, b = loopnest.ones(2, 3, 4), loopnest.ones(4, 3, 5)
      >>> loopnest.tensordot(a, b, dims=([1, 2], [1, 0])).shape
      (2, 5)
    """
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise ValueError(f"tensordot: expected dims of 0 to {min(a.ndim, b.ndim)}, got {dims}")
        first, second = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        first, second = ([d % x.ndim for d in axes] for x, axes in zip((a, b), dims, strict=True))
    if len(first) != len(second) or [a.shape[d] for d in first] != [b.shape[d] for d in second]:
        raise ValueError(f"tensordot: axes {first} of shape {a.shape} do not fit axes {second} of {b.shape}")
    rows = [d for d in range(a.ndim) if d not in first]
    columns = [d for d in range(b.ndim) if d not in second]
    shape = tuple(a.shape[d] for d in rows) + tuple(b.shape[d] for d in columns)
    n = math.prod(a.shape[d] for d in first)
    left = a.permute(*rows, *first).reshape(math.prod(a.shape[d] for d in rows), n)
    right = b.permute(*second, *columns).reshape(n, math.prod(b.shape[d] for d in columns))
    return (left @ right).reshape(shape)


def kron(input: Tensor, other: Tensor) -> Tensor:
    """Kronecker's product: the input with each element replaced by other times it.

    Example:
      >>> import loopnest
      >>> loopnest.kron(loopnest.tensor([[1, 2]]), loopnest.tensor([[1], [3]])).tolist()
      [[1, 2], [3, 6]]
    """
    axes = max(input.ndim, other.ndim)
    a, b = (x.reshape((1,) * (axes - x.ndim) + x.shape) for x in (input, other))
    wide = a.reshape(tuple(n for size in a.shape for n in (size, 1)))
    deep = b.reshape(tuple(n for size in b.shape for n in (1, size)))
    return (wide * deep).reshape(tuple(m * n for m, n in zip(a.shape, b.shape, strict=True)))


def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of several matrices, from the left.

    Example:
      >>> import loopnest
      >>> loopnest.chain_matmul(loopnest.ones(1, 2), loopnest.ones(2, 3), loopnest.ones(3, 1)).tolist()
      [[6.0]]
    """
    if not matrices:
        raise ValueError("chain_matmul: expected at least one matrix")
    product = matrices[0]
    for matrix in matrices[1:]:
        product = tensor_ops.mm(product, matrix)
    return product


def matrix_power(input: Tensor, n: int) -> Tensor:
    """The product of n equal square matrices (..., m, m); n = 0: ones on the diagonal.

    Example:
      >>> import loopnest
      >>> loopnest.matrix_power(loopnest.tensor([[1.0, 1.0], [0.0, 1.0]]), 5).tolist()
      [[1.0, 5.0], [0.0, 1.0]]
    """
    if input.ndim < 2 or input.shape[-1] != input.shape[-2]:
        raise ValueError(f"matrix_power: expected square matrices (..., m, m), got {input.shape}")
    if n < 0:
        raise ValueError(f"matrix_power: expected n of at least 0, got {n}")
    if n == 0:
        return tensor_ops.eye(input.shape[-1], dtype=input.dtype) + zeros_like(input)
    found, square = None, input
    while n:  # its binary digits, the lowest first
        if n % 2:
            found = square if found is None else found @ square
        n //= 2
        square = square @ square if n else square
    assert found is not None
    return input.clone() if found is input else found


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The vector product along an axis of length 3: the first one that there is, if dim is None.

    Example:
      >>> import loopnest
      >>> loopnest.cross(loopnest.tensor([1.0, 0.0, 0.0]), loopnest.tensor([0.0, 1.0, 0.0])).tolist()
      [0.0, 0.0, 1.0]
    """
    if dim is None:
        dim = next((axis for axis, n in enumerate(input.shape) if n == 3), -1)
    if input.ndim == 0 or input.ndim != other.ndim or input.shape[dim] != 3 or other.shape[dim] != 3:
        raise ValueError(
            f"cross: expected length 3 along dim {dim} of both, got {input.shape} and {other.shape}"
        )
    a, b = input.unbind(dim), other.unbind(dim)
    parts = [a[i] * b[j] - a[j] * b[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return stack(parts, dim % input.ndim)


def vdot(input: Tensor, other: Tensor) -> Tensor:
    """The sum of products of two vectors, as dot.

    Example:
      >>> import loopnest
      >>> loopnest.vdot(loopnest.tensor([1.0, 2.0]), loopnest.tensor([3.0, 4.0])).item()
      11.0
    """
    return tensor_ops.dot(input, other)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """The p-norms of the differences of all rows of x1 (..., P, M) and x2 (..., R, M): (..., P, R).

    By the differences themselves: exact also where PyTorch's default for many rows, by a matrix product,
    loses digits. compute_mode is PyTorch's choice between both, taken and ignored.

    Example:
      >>> import loopnest
      >>> loopnest.cdist(loopnest.tensor([[0.0, 0.0]]), loopnest.tensor([[3.0, 4.0], [0.0, 1.0]])).tolist()
      [[5.0, 1.0]]
    """
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ValueError(f"cdist: expected shapes (..., P, M) and (..., R, M), got {x1.shape} and {x2.shape}")
    if not p >= 0:
        raise ValueError(f"cdist: expected p of at least 0, got {p}")
    return _lengths(x1.unsqueeze(-2) - x2.unsqueeze(-3), p)


def _lengths(rows: Tensor, p: float) -> Tensor:
    """The p-norms along the last axis; p = 0: how many numbers are not 0."""
    return (rows != 0).to(rows.dtype).sum(-1) if p == 0 else rows.norm(p, -1)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norms of the differences of every two rows of (N, M): (N (N - 1) / 2,), those with the first row
    first.

    Example:
      >>> import loopnest
      >>> loopnest.pdist(loopnest.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])).round(decimals=2)
      tensor([5.0000, 1.0000, 4.2400])
    """
    _need_axes("pdist", input=(input, 2))
    n = input.shape[0]
    rows: Sequence[int] = [i for i in range(n) for j in range(i + 1, n)]
    columns = [j for i in range(n) for j in range(i + 1, n)]
    if not rows:
        return input.new_zeros(0) + input.sum() * 0
    return _lengths(input[tape.tensor(rows)] - input[tape.tensor(columns)], p)


ger = tensor_ops.outer

METHODS = ("addmv", "addr", "baddbmm", "addbmm", "inner", "kron", "matrix_power", "cross", "vdot", "ger")
ONES = "loopnest.ones(2, 1, 3), loopnest.ones(2, 3, 1)"
IN_PLACE = {
    "addmv_": (addmv, "loopnest.ones(2).addmv_(loopnest.eye(2), loopnest.ones(2))", "[2., 2.]"),
    "addr_": (addr, "loopnest.ones(1, 2).addr_(loopnest.ones(1), loopnest.ones(2))", "[[2., 2.]]"),
    "baddbmm_": (
        baddbmm,
        f"loopnest.ones(2, 1, 1).baddbmm_({ONES})",
        "[[[4.]],\n      <BLANKLINE>\n              [[4.]]]",
    ),
    "addbmm_": (addbmm, f"loopnest.ones(1, 1).addbmm_({ONES})", "[[7.]]"),
}
tensor_ops.attach(
    **{name: globals()[name] for name in METHODS},
    **{name: in_place(name, *how) for name, how in IN_PLACE.items()},
)
