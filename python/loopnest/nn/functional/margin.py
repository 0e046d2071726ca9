"""Losses that ask for a margin, as functions under torch.nn.functional's names.

Every loss takes reduction "mean", "sum" or "none". `size_average` and `reduce`, PyTorch's older spelling of
it, must be None. Wrong shapes and values raise ValueError with the numbers, wrong dtypes TypeError.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from loopnest.engine import tensor_ops
from loopnest.engine.tape import Tensor, relu, tensor, where
from loopnest.nn.functional.activation import logsigmoid
from loopnest.nn.functional.distance import pairwise_distance
from loopnest.nn.functional.reduction import floats, known, reduced

Distance = Callable[[Tensor, Tensor], Tensor]


def _need_one_rank(who: str, **tensors: Tensor) -> None:
    if len({t.ndim for t in tensors.values()}) > 1:
        shapes = ", ".join(f"{name} {t.shape}" for name, t in tensors.items())
        raise ValueError(f"{who}: expected as many axes in all, got {shapes}")


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -target (input1 - input2) + margin), as torch.nn.functional.margin_ranking_loss.

    Args:
      input1, input2: of the same number of axes; they broadcast.
      target: 1 where input1 is to be the larger one, -1 where input2 is; as many axes.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> a, b = loopnest.tensor([1.0, 1.0]), loopnest.tensor([3.0, 0.0])
      >>> F.margin_ranking_loss(a, b, loopnest.tensor([1, 1]), reduction="none").tolist()
      [2.0, 0.0]
    """
    known("margin_ranking_loss", reduction, size_average, reduce)
    floats("margin_ranking_loss", input1=input1, input2=input2)
    _need_one_rank("margin_ranking_loss", input1=input1, input2=input2, target=target)
    return reduced((margin - target * (input1 - input2)).clamp(min=0), reduction)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """input where target is 1, max(0, margin - input) where it is -1; as
    torch.nn.functional.hinge_embedding_loss.

    Args: input: distances, any shape. target: 1 or -1, of a shape that broadcasts with the input's.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> d = loopnest.tensor([0.25, 0.25])
      >>> F.hinge_embedding_loss(d, loopnest.tensor([1, -1]), reduction="none").tolist()
      [0.25, 0.75]
    """
    known("hinge_embedding_loss", reduction, size_average, reduce)
    floats("hinge_embedding_loss", input=input)
    far = where(target != 1, (margin - input).clamp(min=0), 0.0)
    near = where(target != -1, input, 0.0)
    return reduced(far + near, reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos where target is 1, max(0, cos - margin) where it is -1; as
    torch.nn.functional.cosine_embedding_loss.

    cos = x1 . x2 / sqrt((x1 . x1 + 1e-12) (x2 . x2 + 1e-12)).

    Args: input1, input2: (N, D) with target (N,), or (D,) with target (). margin: -1 to 1.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> a, b = loopnest.tensor([[2.0, 0.0]]), loopnest.tensor([[0.0, 3.0]])
      >>> F.cosine_embedding_loss(a, b, loopnest.tensor([1])).item()
      1.0
    """
    who = "cosine_embedding_loss"
    known(who, reduction, size_average, reduce)
    floats(who, input1=input1, input2=input2)
    if target.ndim > 1 or any(x.ndim != target.ndim + 1 for x in (input1, input2)):
        raise ValueError(
            f"{who}: expected inputs (N, D) with target (N,), or (D,) with target (), got {input1.shape}, "
            f"{input2.shape} and {target.shape}"
        )
    lengths = [(x * x).sum(-1) + 1e-12 for x in (input1, input2)]
    cosine = (input1 * input2).sum(-1) / (lengths[0] * lengths[1]).sqrt()
    near = where(target == 1, 1 - cosine, 0.0)
    far = where(target == -1, (cosine - margin).clamp(min=0), 0.0)
    return reduced(near + far, reduction)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-target input)), target 1 or -1; as torch.nn.functional.soft_margin_loss, but without
    overflow: -1000 costs 1000, not infinity.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor([0.0, -1000.0])
      >>> F.soft_margin_loss(x, loopnest.tensor([1.0, 1.0]), reduction="none")[1].item()
      1000.0
    """
    known("soft_margin_loss", reduction, size_average, reduce)
    floats("soft_margin_loss", input=input)
    return reduced(-logsigmoid(input * target), reduction)


def _rows_and_classes(who: str, input: Tensor, target: Tensor, one_each: bool) -> tuple[Tensor, Tensor]:
    """(N, C) scores and classes (N,) or (N, C), also of one row given without N."""
    floats(who, input=input)
    if target.dtype.kind not in "iu":
        raise TypeError(f"{who}: expected target of dtype int64, got {target.dtype}")
    if input.ndim not in (1, 2) or input.shape[-1] == 0:
        raise ValueError(f"{who}: expected input of shape (N, C) or (C,), got {input.shape}")
    rows = input if input.ndim == 2 else input.unsqueeze(0)
    wanted = input.shape[:-1] if one_each else input.shape
    if target.shape != wanted and not (one_each and input.ndim == 1 and target.shape == (1,)):
        raise ValueError(
            f"{who}: expected target of shape {wanted} for input {input.shape}, got {target.shape}"
        )
    return rows, target.reshape(rows.shape[:1] if one_each else rows.shape)


def _need_classes(who: str, target: np.ndarray, at_least: int, classes: int) -> None:
    if target.size and not at_least <= target.min() <= target.max() < classes:
        raise IndexError(
            f"{who}: expected classes in {at_least} ... {classes - 1}, got {target.min()} to {target.max()}"
        )


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """sum over i != target of max(0, margin - x[target] + x[i])^p / C, as
    torch.nn.functional.multi_margin_loss: the hinge loss of several classes (Weston and Watkins 1998).

    Args:
      input: scores (N, C) or (C,). target: int64 classes (N,) or ().
      p: 1 or 2. weight: (C,) a factor per class, that of the target's counts.

    Raises IndexError for a class outside 0 ... C - 1. reduction "none" gives (N,) or ().

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor([[0.5, 1.0, 0.0]])
      >>> F.multi_margin_loss(x, loopnest.tensor([1])).item()  # (0.5 + 0) / 3
      0.1666666716337204
    """
    who = "multi_margin_loss"
    known(who, reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError(f"{who}: expected p of 1 or 2, got {p}")
    rows, classes = _rows_and_classes(who, input, target, True)
    count = rows.shape[1]
    if weight is not None and tuple(weight.shape) != (count,):
        raise ValueError(f"{who}: expected weight of shape {(count,)}, got {weight.shape}")
    chosen = classes.numpy()
    _need_classes(who, chosen, 0, count)
    missing = relu(margin - rows.gather(1, classes.unsqueeze(1)) + rows)
    missing = missing * missing if p == 2 else missing
    if weight is not None:
        missing = missing * weight[chosen].unsqueeze(1)
    others = tensor(np.arange(count) != chosen[:, None])
    each = where(others, missing, 0.0).sum(1) / count
    return reduced(each.reshape(target.shape), reduction)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """sum over labels j and classes i that are no label of max(0, 1 - x[j] + x[i]) / C, as
    torch.nn.functional.multilabel_margin_loss.

    Args:
      input: scores (N, C) or (C,).
      target: int64, of input's shape: a row holds its labels, then -1; what stands behind the -1 is ignored.

    Raises IndexError for a label outside -1 ... C - 1. reduction "none" gives (N,) or ().

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> x, y = loopnest.tensor([0.1, 0.2, 0.4, 0.8]), loopnest.tensor([3, 0, -1, 1])
      >>> round(F.multilabel_margin_loss(x, y).item(), 4)  # (0.4 + 0.6 + 1.1 + 1.3) / 4
      0.85
    """
    who = "multilabel_margin_loss"
    known(who, reduction, size_average, reduce)
    rows, labels = _rows_and_classes(who, input, target, False)
    count, given = rows.shape[1], labels.numpy()
    _need_classes(who, given, -1, count)
    counts = np.logical_and.accumulate(given >= 0, axis=1)
    counts = counts[:, : max(1, int(counts.sum(1).max(initial=0)))]  # as wide as the longest list of labels
    places = np.where(counts, given[:, : counts.shape[1]], 0)
    is_label = np.zeros(rows.shape, bool)
    is_label[np.nonzero(counts)[0], places[counts]] = True
    missing = relu(1 - rows.gather(1, tensor(places)).unsqueeze(2) + rows.unsqueeze(1))  # (N, labels, C)
    terms = where(tensor(counts[:, :, None] & ~is_label[:, None, :]), missing, 0.0)
    each = terms.sum((1, 2)) / count
    return reduced(each if input.ndim == 2 else each.squeeze(0), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(t log s(x) + (1 - t) log(1 - s(x))), s the sigmoid, and its mean over the classes; as
    torch.nn.functional.multilabel_soft_margin_loss.

    Args: input: scores (..., C). target: 0 or 1 of the same shape. weight: factors that broadcast to it.

    reduction "none" gives the shape without C.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> round(F.multilabel_soft_margin_loss(loopnest.zeros(1, 2), loopnest.tensor([[0.0, 1.0]])).item(), 4)
      0.6931
    """
    who = "multilabel_soft_margin_loss"
    known(who, reduction, size_average, reduce)
    floats(who, input=input)
    if input.ndim == 0:
        raise ValueError(f"{who}: expected input of shape (..., C), got ()")
    each = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    each = each if weight is None else each * weight
    return reduced(each.sum(-1) / input.shape[-1], reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Distance | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(margin + d(anchor, positive) - d(anchor, negative), 0), as
    torch.nn.functional.triplet_margin_with_distance_loss.

    Args:
      anchor, positive, negative: of the same number of axes, whatever the distance takes.
      distance_function: of two tensors; pairwise_distance if None.
      swap: the smaller of the negative's distances to anchor and positive counts (Balntas and others 2016).

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> a, b = loopnest.tensor([[0.0, 0.0]]), loopnest.tensor([[3.0, 4.0]])
      >>> city = lambda x, y: (x - y).abs().sum(-1)
      >>> F.triplet_margin_with_distance_loss(a, a, b, distance_function=city, margin=9.0).item()
      2.0
    """
    who = "triplet_margin_with_distance_loss"
    known(who, reduction)
    if not margin > 0:
        raise ValueError(f"{who}: expected margin > 0, got {margin}")
    _need_one_rank(who, anchor=anchor, positive=positive, negative=negative)
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = tensor_ops.minimum(far, distance(positive, negative))
    return reduced((margin + near - far).clamp(min=0), reduction)
