"""Table lookup: y[...] = weight[input[...]]; its gradient adds each row of dy to the row of the table it
came from.

Source: Bengio et al., "A neural probabilistic language model", JMLR 3, 2003 (the matrix C).
"""

import numpy as np
from numpy.typing import ArrayLike

from ._args import Array, as_float64


def embedding(input: ArrayLike, weight: ArrayLike, padding_idx: int | None = None) -> Array:
    """Rows of a table, as `torch.nn.functional.embedding`.

    input (...) integers in [0, V), weight (V, D). Returns (..., D), float64. padding_idx matters to
    backward only. IndexError for an index outside the table, negative ones included.

    >>> embedding([1, 0, 1], [[0.0, 1.0], [2.0, 3.0]])
    array([[2., 3.],
           [0., 1.],
           [2., 3.]])
    """
    w, index = as_float64(weight), np.asarray(input, dtype=np.int64)
    if index.size and (index.min() < 0 or index.max() >= len(w)):
        raise IndexError(f"embedding: indices must be in [0, {len(w)}), got {index.min()} .. {index.max()}")
    return w[index]


def embedding_backward(
    grad_output: ArrayLike, input: ArrayLike, num_embeddings: int, padding_idx: int | None = None
) -> Array:
    """dL/dweight (V, D) from dL/dy (..., D): dweight[v] = sum of dy over the places where input is v; 0 at
    padding_idx.

    >>> embedding_backward([[1.0], [2.0], [4.0]], [1, 0, 1], num_embeddings=3)
    array([[2.],
           [5.],
           [0.]])
    """
    dy, index = as_float64(grad_output), np.asarray(input, dtype=np.int64)
    dw = np.zeros((num_embeddings, dy.shape[-1]))
    np.add.at(dw, index.reshape(-1), dy.reshape(-1, dy.shape[-1]))
    if padding_idx is not None:
        dw[padding_idx] = 0.0
    return dw
