"""Softmax cross-entropy, as `torch.nn.functional.cross_entropy` with class indices as targets.

    log p[c] = z[c] - log sum over k of e^z[k]
    q[c]     = weight[c] * ((1 - label_smoothing) * [c is the target] + label_smoothing / C)
    loss     = - sum over c of q[c] * log p[c]                         0 where target is ignore_index
    mean     = sum of losses / sum of weight[target], both without the ignored   (NaN if all are)

    d loss / d z[k] = p[k] * (sum over c of q[c]) - q[k]

Sources: Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990
(softmax); Szegedy et al., arXiv:1512.00567, section 7 (label smoothing); PyTorch's documentation for
weights and the mean.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._args import Array, as_float64


def _parts(
    input: ArrayLike, target: ArrayLike, weight: ArrayLike | None, ignore_index: int, label_smoothing: float
) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """log p and q (N, C, ...), weight[target] and kept (N, ...); q and weight[target] are 0 where ignored."""
    z, y = as_float64(input), np.asarray(target, dtype=np.int64)
    classes = z.shape[1]
    kept = y != ignore_index
    if np.any(kept & ((y < 0) | (y >= classes))):
        raise IndexError(f"cross_entropy: targets must be in [0, {classes}) or ignore_index ({ignore_index})")
    w = np.ones(classes) if weight is None else as_float64(weight)

    shifted = z - z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    index = np.where(kept, y, 0)
    is_target = np.arange(classes).reshape(1, -1, *[1] * (z.ndim - 2)) == index[:, None]
    w_c = w.reshape(1, -1, *[1] * (z.ndim - 2))
    q = w_c * ((1.0 - label_smoothing) * is_target + label_smoothing / classes) * kept[:, None]
    return log_p, q, w[index] * kept, kept


def cross_entropy(
    input: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """input (N, C) or (N, C, d1, ...) of scores, target (N,) or (N, d1, ...) of class indices, weight (C,)
    or None.

    Returns the shape of target for reduction "none", otherwise a 0-d array. IndexError for a class outside
    [0, C).

    >>> float(cross_entropy([[0.0, 0.0, 0.0, 0.0]], [2]) / np.log(4.0))
    1.0
    """
    log_p, q, target_weight, kept = _parts(input, target, weight, ignore_index, label_smoothing)
    terms = np.multiply(q, log_p, out=np.zeros_like(q), where=q != 0.0)  # 0 * -inf counts as 0
    loss = -terms.sum(axis=1)
    loss = np.where(kept, loss, 0.0)
    if reduction == "none":
        return loss
    if reduction == "sum":
        return np.asarray(loss.sum())
    if reduction == "mean":
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(loss.sum() / target_weight.sum())
    raise ValueError(f'cross_entropy: reduction must be "mean", "sum" or "none", got "{reduction}"')


def cross_entropy_backward(
    grad_output: ArrayLike,
    input: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """dL/dinput, of input's shape; grad_output has the shape of what `cross_entropy` returned.

    >>> cross_entropy_backward(1.0, [[0.0, 0.0]], [0])
    array([[-0.5,  0.5]])
    """
    log_p, q, target_weight, kept = _parts(input, target, weight, ignore_index, label_smoothing)
    dz = np.exp(log_p) * q.sum(axis=1, keepdims=True) - q
    dy = as_float64(grad_output)
    if reduction == "mean":
        with np.errstate(invalid="ignore", divide="ignore"):
            dy = dy / target_weight.sum()
    if reduction == "none":
        dy = dy[:, None]
    return np.where(kept[:, None], dz * dy, 0.0)
