"""Products of matrices."""

from __future__ import annotations

from typing import Unpack

import numpy as np  # noqa: F401 (for the examples)

from loopnest import _core, reference
from loopnest.ops.ready import Array, Choice, Ready, operator


@operator
def gemm(
    input, other, bias=None, *, residual=None, activation=None, **choice: Unpack[Choice]
) -> Ready[Array]:
    """The matrix product (M, K) x (K, N), plus bias (N,) if given. Returns (M, N).

    residual and activation: as in conv2d.

    >>> gemm(np.eye(2, dtype="f"), np.array([[1, 2], [3, 4]], "f"))
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """
    call = _core.gemm(input, other, bias, residual=residual, activation=activation, **choice)
    return call, lambda: reference.epilogue(reference.gemm(input, other, bias), residual, activation)


@operator
def linear(
    input, weight, bias=None, *, residual=None, activation=None, **choice: Unpack[Choice]
) -> Ready[Array]:
    """input x weight^T + bias, as torch.nn.functional.linear: (rows, in) and (out, in) give (rows, out).

    residual and activation: as in conv2d.

    >>> linear(np.ones((1, 3), "f"), np.ones((2, 3), "f"), np.array([0, 1], "f"))
    array([[3., 4.]], dtype=float32)
    """
    call = _core.linear(input, weight, bias, residual=residual, activation=activation, **choice)
    return call, lambda: reference.epilogue(reference.linear(input, weight, bias), residual, activation)
