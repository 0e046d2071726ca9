"""Matrix product and the linear layer.

c[m, n] = sum over k of a[m, k] * b[k, n]  (+ bias[n])  (+ what c held)
linear: y = x w^T + bias
"""

from numpy.typing import ArrayLike

from ._args import Array, as_float64


def gemm(a: ArrayLike, b: ArrayLike, bias: ArrayLike | None = None, c: ArrayLike | None = None) -> Array:
    """a (M, K) times b (K, N), plus bias (N,) and c (M, N) where given. Returns (M, N), float64.

    >>> gemm([[1.0, 2.0]], [[3.0], [4.0]], bias=[0.5])
    array([[11.5]])
    """
    out = as_float64(a) @ as_float64(b)
    if bias is not None:
        out = out + as_float64(bias)
    return out if c is None else out + as_float64(c)


def linear(input: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None) -> Array:
    """x w^T + bias, as `torch.nn.functional.linear`.

    input (..., IN), weight (OUT, IN), bias (OUT,) or None. Returns (..., OUT), float64.

    >>> linear([[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]], [0.0, 1.0])
    array([[11., 18.]])
    """
    y = as_float64(input) @ as_float64(weight).T
    return y if bias is None else y + as_float64(bias)


def linear_backward(
    grad_output: ArrayLike, input: ArrayLike, weight: ArrayLike
) -> tuple[Array, Array, Array]:
    """(dx, dw, dbias) of `linear`: dy w, dy^T x, and dy summed over all but its last axis.

    grad_output (..., OUT), input (..., IN), weight (OUT, IN). Returns (..., IN), (OUT, IN), (OUT,).

    >>> linear_backward([[1.0]], [[1.0, 2.0]], [[3.0, 4.0]])
    (array([[3., 4.]]), array([[1., 2.]]), array([1.]))
    """
    dy, x, w = as_float64(grad_output), as_float64(input), as_float64(weight)
    rows_dy, rows_x = dy.reshape(-1, w.shape[0]), x.reshape(-1, w.shape[1])
    return dy @ w, rows_dy.T @ rows_x, rows_dy.sum(axis=0)
