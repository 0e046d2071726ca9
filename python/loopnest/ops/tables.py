"""What reads by tables: rows of an embedding, taps of a resampled image."""

from __future__ import annotations

from typing import Unpack

import numpy as np  # noqa: F401 (for the examples)

from loopnest import _core, reference
from loopnest._arguments import integer
from loopnest.ops.ready import Array, Choice, Ready, operator


@operator
def embedding(input, weight, padding_idx=-1, **choice: Unpack[Choice]) -> Ready[Array]:
    """Rows of a table: input (M,) int64, weight (V, D) give (M, D). IndexError for an index outside it.

    >>> embedding(np.array([1, 0]), np.array([[1, 2], [3, 4]], "f"))
    array([[3., 4.],
           [1., 2.]], dtype=float32)
    """
    call = _core.embedding(input, weight, integer("embedding", "padding_idx", padding_idx), **choice)
    return call, lambda: reference.embedding(input, weight)


@operator
def embedding_backward(
    input, grad_output, num_embeddings, padding_idx=-1, **choice: Unpack[Choice]
) -> Ready[Array]:
    """dL/dweight (num_embeddings, D) from dL/doutput (M, D); row padding_idx (-1: none) gets no gradient.

    >>> embedding_backward(np.array([1, 1]), np.ones((2, 1), "f"), 3)[:, 0]
    array([0., 2., 0.], dtype=float32)
    """
    op = "embedding_backward"
    rows, pad = integer(op, "num_embeddings", num_embeddings), integer(op, "padding_idx", padding_idx)
    call = _core.embedding_backward(input, grad_output, rows, pad, **choice)
    return call, lambda: reference.embedding_backward(grad_output, input, rows, None if pad < 0 else pad)


@operator
def resample(input, axes, fill=0.0, **choice: Unpack[Choice]) -> Ready[Array]:
    """Weighted sums of inputs, axis by axis: what padding, interpolation and averages are made of.

    input (N, C, D, H, W); axes: for D, H and W a table (begin, index, weight), int64, int64, input's dtype:
    taps begin[o] to begin[o + 1] - 1 make output o. An output that has none along some axis is `fill`.

    >>> one = (np.array([0, 1]), np.array([0]), np.ones(1, "f"))
    >>> table = (np.array([0, 0, 2]), np.array([0, 1]), np.array([0.5, 0.5], "f"))
    >>> resample(np.array([3.0, 5.0], "f").reshape(1, 1, 1, 1, 2), (one, one, table), 9.0).ravel().tolist()
    [9.0, 4.0]
    """
    call = _core.resample(input, axes, float(fill), **choice)
    return call, lambda: reference.resample(input, axes, float(fill))
