"""Lengths, angles and distances as functions: what loopnest.nn.functional offers under PyTorch's names."""

from __future__ import annotations

from loopnest.engine import tensor_ops
from loopnest.engine.tape import Tensor


def normalize(
    input: Tensor, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12, out: None = None
) -> Tensor:
    """Vectors along dim divided by their p-norm, or by eps if that is larger; any shape.

    `out` must be None.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> F.normalize(loopnest.tensor([[3.0, 0.0], [0.0, 0.0]])).tolist()
      [[1.0, 0.0], [0.0, 0.0]]
    """
    if out is not None:
        raise ValueError("normalize: out is not supported; use the result")
    return input / input.norm(p, dim, keepdim=True).clamp(min=eps)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along dim: x1 . x2 / (max(|x1|, eps) max(|x2|, eps)).

    Shapes: x1 and x2 broadcast; the result lacks dim.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> F.cosine_similarity(loopnest.tensor([2.0, 0.0]), loopnest.tensor([-1.0, 0.0]), dim=0).item()
      -1.0
    """
    return (normalize(x1, 2.0, dim, eps) * normalize(x2, 2.0, dim, eps)).sum(dim)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last axis; x1 and x2 broadcast.

    eps keeps the gradient of equal vectors away from 0 / 0.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> F.pairwise_distance(loopnest.tensor([[3.0, 4.0]]), loopnest.zeros(1, 2), eps=0.0).tolist()
      [5.0]
    """
    return (x1 - x2 + eps).norm(p, -1, keepdim)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(margin + |anchor - positive| - |anchor - negative|, 0), as torch.nn.functional.triplet_margin_loss.

    Args:
      anchor, positive, negative: (N, D) or (D,). p, eps: of pairwise_distance.
      swap: the smaller of the negative's distances to anchor and positive counts (Balntas and others 2016).
      reduction: "mean", "sum" or "none".

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> a, b = loopnest.tensor([[0.0, 0.0]]), loopnest.tensor([[3.0, 4.0]])
      >>> round(F.triplet_margin_loss(a, a, b, margin=7.0).item(), 4), F.triplet_margin_loss(a, a, b).item()
      (2.0, 0.0)
    """
    if size_average is not None or reduce is not None:
        raise ValueError("triplet_margin_loss: size_average and reduce are not supported; use reduction")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(
            f"triplet_margin_loss: expected reduction 'none', 'mean' or 'sum', got {reduction!r}"
        )
    if not margin > 0:
        raise ValueError(f"triplet_margin_loss: expected margin > 0, got {margin}")
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = tensor_ops.minimum(far, pairwise_distance(positive, negative, p, eps))
    each = (near - far + margin).clamp(min=0)
    return each if reduction == "none" else each.sum() if reduction == "sum" else each.mean()
