"""Norms, inverses, determinants and the like of matrices and batches of them: torch.linalg's names.

NumPy (LAPACK) computes, the tape records. There are no decompositions but Cholesky's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopnest.engine import custom, tensor_ops
from loopnest.engine.tape import Tensor, matmul
from loopnest.functions.products import chain_matmul
from loopnest.functions.products import cross as _cross
from loopnest.functions.products import matrix_power as matrix_power

Array = NDArray[Any]


def _need_square(who: str, x: Tensor) -> None:
    if x.dtype.kind != "f":
        raise TypeError(f"{who}: expected float32 or float64, got {x.dtype}")
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"{who}: expected square matrices (..., n, n), got {x.shape}")


def _turned(a: Array) -> Array:
    return np.swapaxes(a, -1, -2)


def vector_norm(x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False) -> Tensor:
    """(the sum of |x|^ord)^(1/ord) over dim, or over all elements; inf, -inf: the largest, the smallest; 0:
    how many are not 0.

    Example:
      >>> import loopnest
      >>> loopnest.linalg.vector_norm(loopnest.tensor([[3.0, 4.0]])).item()
      5.0
    """
    if x.dtype.kind != "f":
        raise TypeError(f"vector_norm: expected float32 or float64, got {x.dtype}")
    if ord == 0:
        return (x != 0).to(x.dtype).sum(dim, keepdim)
    if ord == -math.inf:
        return x.abs().amin(dim, keepdim)
    if ord < 0:
        return (x.abs() ** ord).sum(dim, keepdim) ** (1 / ord)
    return x.norm(ord, dim, keepdim)


def matrix_norm(A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False) -> Tensor:
    """A norm of matrices: "fro", the root of the sum of squares; 1, -1: the largest and smallest sum of a
    column's absolute values; inf, -inf: of a row's.

    Example:
      >>> import loopnest
      >>> loopnest.linalg.matrix_norm(loopnest.tensor([[3.0, 0.0], [0.0, 4.0]])).item()
      5.0
    """
    if A.ndim < 2 or len(dim) != 2:
        raise ValueError(f"matrix_norm: expected matrices (..., n, m) and 2 axes, got {A.shape} and {dim}")
    if ord == "fro":
        return vector_norm(A, 2, tuple(dim), keepdim)
    if ord not in (1, -1, math.inf, -math.inf):
        raise ValueError(f"matrix_norm: expected ord 'fro', 1, -1, inf or -inf, got {ord!r}")
    rows, columns = (axis % A.ndim for axis in dim)
    if abs(ord) == math.inf:
        rows, columns = columns, rows
    sums = A.abs().sum(rows, keepdim=True)
    best = sums.amax(columns, True) if ord > 0 else sums.amin(columns, True)
    return best if keepdim else best.squeeze((rows, columns))


def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False) -> Tensor:
    """vector_norm of all elements or along one axis, matrix_norm of matrices if ord is given or dim has two
    axes.

    Example:
      >>> import loopnest
      >>> loopnest.linalg.norm(loopnest.tensor([[3.0, 4.0], [6.0, 8.0]]), dim=1).tolist()
      [5.0, 10.0]
    """
    if isinstance(dim, (tuple, list)) and len(dim) == 2 and ord is not None:
        return matrix_norm(A, ord, dim, keepdim)
    if ord is None:
        return vector_norm(A, 2, dim, keepdim)
    if dim is None and A.ndim == 2:
        return matrix_norm(A, ord, (0, 1), keepdim)
    if ord == "fro" or (dim is None and A.ndim != 1):
        raise ValueError(f"norm: expected a vector, a matrix or dim for ord={ord!r}, got shape {A.shape}")
    return vector_norm(A, ord, dim, keepdim)


def inv(A: Tensor) -> Tensor:
    """The inverse of square matrices (..., n, n). ValueError if one has none.

    Example:
      >>> import loopnest
      >>> loopnest.linalg.inv(loopnest.tensor([[2.0, 0.0], [0.0, 4.0]])).tolist()
      [[0.5, 0.0], [0.0, 0.25]]
    """
    _need_square("inv", A)
    y = _lapack("inv", np.linalg.inv, custom.numbers(A))

    def grad(g: Array) -> tuple[Array]:
        return (-(_turned(y) @ g @ _turned(y)),)

    return custom.recorded("InvBackward", y, (A,), grad)


def _lapack(who: str, function: Any, *arrays: Array) -> Any:
    try:
        return function(*arrays)
    except np.linalg.LinAlgError as error:
        raise ValueError(f"{who}: {error} (input {arrays[0].shape})") from None


def solve(A: Tensor, B: Tensor) -> Tensor:
    """X with A X = B: A (..., n, n), B (..., n, k), or (n,). ValueError if a matrix has no inverse.

    Example:
      >>> import loopnest
      >>> loopnest.linalg.solve(loopnest.tensor([[2.0, 0.0], [0.0, 4.0]]), loopnest.ones(2)).tolist()
      [0.5, 0.25]
    """
    _need_square("solve", A)
    if B.dtype != A.dtype:
        raise TypeError(f"solve: expected B of dtype {A.dtype}, got {B.dtype}")
    vector = B.ndim == 1
    right = B.unsqueeze(-1) if vector else B
    if right.ndim < 2 or right.shape[-2] != A.shape[-1]:
        raise ValueError(f"solve: expected B of {A.shape[-1]} rows for A {A.shape}, got {B.shape}")
    a = custom.numbers(A)
    x = _lapack("solve", np.linalg.solve, a, custom.numbers(right))

    def grads(g: Array) -> tuple[Array, Array]:
        db = np.linalg.solve(_turned(a), g)
        return custom.fitted(-(db @ _turned(x)), A), custom.fitted(db, right)

    found = custom.recorded("SolveBackward", x, (A, right), grads)
    return found.squeeze(-1) if vector else found


def det(A: Tensor) -> Tensor:
    """The determinants of square matrices (..., n, n).

    Example:
      >>> import loopnest
      >>> loopnest.linalg.det(loopnest.tensor([[2.0, 0.0], [0.0, 4.0]])).item()
      8.0
    """
    _need_square("det", A)
    a = custom.numbers(A)
    y = np.asarray(np.linalg.det(a))

    def grad(g: Array) -> tuple[Array]:
        return ((g[..., None, None] * _cofactors(a)).astype(a.dtype),)

    return custom.recorded("DetBackward", y, (A,), grad)


def _cofactors(a: Array) -> Array:
    """The slopes of the determinant, also where it is 0: by U diag(others' products) V of the singular
    values."""
    u, s, v = np.linalg.svd(a)
    sign = np.linalg.det(u) * np.linalg.det(v)
    n = a.shape[-1]
    others = np.stack([np.delete(s, i, -1).prod(-1) for i in range(n)], -1) if n else s
    return (sign[..., None, None] * (u * others[..., None, :]) @ v).astype(a.dtype)


class SignLogdet(tuple[Tensor, Tensor]):
    """What slogdet gives: (sign, logabsdet)."""

    @property
    def sign(self) -> Tensor:
        """1, -1 or 0."""
        return self[0]

    @property
    def logabsdet(self) -> Tensor:
        """The logarithm of the determinant's absolute value."""
        return self[1]


def slogdet(A: Tensor) -> SignLogdet:
    """(sign, log |det A|) of square matrices (..., n, n): without overflow.

    Example:
      >>> import loopnest
      >>> sign, log = loopnest.linalg.slogdet(loopnest.tensor([[-1.0, 0.0], [0.0, 1.0]]))
      >>> sign.item(), log.item()
      (-1.0, 0.0)
    """
    _need_square("slogdet", A)
    a = custom.numbers(A)
    sign, logs = np.linalg.slogdet(a)

    def grad(g: Array) -> tuple[Array]:
        return ((g[..., None, None] * _turned(np.linalg.inv(a))).astype(a.dtype),)

    return SignLogdet((Tensor(np.asarray(sign)), custom.recorded("SlogdetBackward", logs, (A,), grad)))


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """L, lower triangular, with A = L L^T, of symmetric positive definite matrices (..., n, n); upper: L^T.
    Of A the lower half is read. ValueError if a matrix is not positive definite.

    The gradient is that of a symmetric A. Source: Murray, "Differentiation of the Cholesky decomposition",
    2016.

    Example:
      >>> import loopnest
      >>> loopnest.linalg.cholesky(loopnest.tensor([[4.0, 0.0], [0.0, 9.0]])).tolist()
      [[2.0, 0.0], [0.0, 3.0]]
    """
    _need_square("cholesky", A)
    low = _lapack("cholesky", np.linalg.cholesky, custom.numbers(A))

    def grad(g: Array) -> tuple[Array]:
        middle = np.tril(_turned(low) @ g)
        diagonal = np.arange(low.shape[-1])
        middle[..., diagonal, diagonal] *= 0.5
        inverse = np.linalg.inv(low)
        found = _turned(inverse) @ middle @ inverse
        return (((found + _turned(found)) / 2).astype(low.dtype),)

    found = custom.recorded("CholeskyBackward", low, (A,), grad)
    return found.transpose(-2, -1) if upper else found


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The vector product along an axis of length 3.

    Example:
      >>> import loopnest
      >>> x, y = loopnest.eye(3)[0], loopnest.eye(3)[1]
      >>> loopnest.linalg.cross(x, y).tolist()
      [0.0, 0.0, 1.0]
    """
    return _cross(input, other, dim)


def multi_dot(tensors: Any) -> Tensor:
    """The product of several matrices, from the left; the first may be a row, the last a column, of one axis.

    Example:
      >>> import loopnest
      >>> loopnest.linalg.multi_dot([loopnest.ones(2), loopnest.ones(2, 3), loopnest.ones(3)]).item()
      6.0
    """
    given = list(tensors)
    if len(given) < 2:
        raise ValueError(f"multi_dot: expected at least 2 matrices, got {len(given)}")
    if given[0].ndim == 1 or given[-1].ndim == 1:
        product = given[0]
        for t in given[1:]:
            product = matmul(product, t)
        return product
    return chain_matmul(*given)


def inverse(input: Tensor) -> Tensor:
    """The inverse of square matrices (..., n, n): linalg.inv.

    Example:
      >>> import loopnest
      >>> loopnest.inverse(loopnest.tensor([[2.0]])).tolist()
      [[0.5]]
    """
    return inv(input)


def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinants of square matrices; NaN of negative ones.

    Example:
      >>> import loopnest
      >>> loopnest.logdet(loopnest.eye(3)).item()
      0.0
    """
    sign, logs = slogdet(input)
    return logs + Tensor(np.asarray(np.where(custom.numbers(sign) < 0, np.nan, 0), input.dtype))


tensor_ops.attach(inverse=inverse, det=det, logdet=logdet, slogdet=slogdet)
