"""Losses that ask for a margin as modules, with torch.nn's names and arguments."""

from typing import Any

from loopnest.engine.tape import Tensor
from loopnest.nn import functional
from loopnest.nn._check import flag, number
from loopnest.nn.functional.margin import Distance
from loopnest.nn.functional.reduction import known
from loopnest.nn.module import Module


def _number(who: str, name: str, value: Any) -> float:
    return number(who, name, value, lambda v: v == v, "to be a number")


class _WithMargin(Module):
    """A loss of a margin and a reduction."""

    def __init__(self, margin: float, size_average: None, reduce: None, reduction: str) -> None:
        super().__init__()
        who = type(self).__name__
        self.margin = _number(who, "margin", margin)
        self.reduction = known(who, reduction, size_average, reduce)


class MarginRankingLoss(_WithMargin):
    """max(0, -target (input1 - input2) + margin); arguments as torch.nn.MarginRankingLoss.

    Shapes: input1, input2 and target (1 or -1) broadcast; output () or, for "none", theirs.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> a, b, t = loopnest.tensor([1.0, 1.0]), loopnest.tensor([3.0, 0.0]), loopnest.tensor([1, 1])
      >>> nn.MarginRankingLoss()(a, b, t).item()
      1.0
    """

    def __init__(
        self, margin: float = 0.0, size_average: None = None, reduce: None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return functional.margin_ranking_loss(input1, input2, target, self.margin, reduction=self.reduction)


class HingeEmbeddingLoss(_WithMargin):
    """input where target is 1, max(0, margin - input) where it is -1; arguments as
    torch.nn.HingeEmbeddingLoss.

    Shapes: input and target alike, any; output () or, for "none", theirs.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> nn.HingeEmbeddingLoss()(loopnest.tensor([0.25, 0.25]), loopnest.tensor([1, -1])).item()
      0.5
    """

    def __init__(
        self, margin: float = 1.0, size_average: None = None, reduce: None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(_WithMargin):
    """1 - cos where target is 1, max(0, cos - margin) where it is -1; arguments as
    torch.nn.CosineEmbeddingLoss.

    Shapes: two inputs (N, D) and target (N,), or (D,) and (); output () or, for "none", as target.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> a, b = loopnest.tensor([2.0, 0.0]), loopnest.tensor([0.0, 3.0])
      >>> nn.CosineEmbeddingLoss()(a, b, loopnest.tensor(1)).item()
      1.0
    """

    def __init__(
        self, margin: float = 0.0, size_average: None = None, reduce: None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return functional.cosine_embedding_loss(input1, input2, target, self.margin, reduction=self.reduction)


class SoftMarginLoss(Module):
    """log(1 + exp(-target input)), target 1 or -1; arguments as torch.nn.SoftMarginLoss.

    Shapes: input and target alike, any; output () or, for "none", theirs.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> round(nn.SoftMarginLoss()(loopnest.zeros(2), loopnest.tensor([1.0, -1.0])).item(), 4)
      0.6931
    """

    def __init__(self, size_average: None = None, reduce: None = None, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = known("SoftMarginLoss", reduction, size_average, reduce)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.soft_margin_loss(input, target, reduction=self.reduction)


class MultiMarginLoss(_WithMargin):
    """sum over i != target of max(0, margin - x[target] + x[i])^p / C; arguments as torch.nn.MultiMarginLoss.

    Args: p: 1 or 2. weight: (C,) a factor per class.

    Shapes: input (N, C) or (C,); target int64 (N,) or (); output () or, for "none", as target.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> x, y = loopnest.tensor([[0.5, 1.0, 0.0, 0.0]]), loopnest.tensor([1])
      >>> nn.MultiMarginLoss()(x, y).item()
      0.125
    """

    weight: Tensor | None

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: expected p of 1 or 2, got {p}")
        if weight is not None and weight.ndim != 1:
            raise ValueError(f"MultiMarginLoss: expected weight of shape (C,), got {weight.shape}")
        self.p = p
        self.register_buffer("weight", weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.multi_margin_loss(
            input, target, self.p, self.margin, self.weight, reduction=self.reduction
        )


class MultiLabelMarginLoss(Module):
    """sum over labels j and classes i that are no label of max(0, 1 - x[j] + x[i]) / C; arguments as
    torch.nn.MultiLabelMarginLoss.

    Shapes: input (N, C) or (C,); target int64 of the same shape: a row's labels, then -1; output () or, for
      "none", (N,) or ().

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> x, y = loopnest.tensor([0.1, 0.2, 0.4, 0.8]), loopnest.tensor([3, 0, -1, 1])
      >>> round(nn.MultiLabelMarginLoss()(x, y).item(), 4)
      0.85
    """

    def __init__(self, size_average: None = None, reduce: None = None, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = known("MultiLabelMarginLoss", reduction, size_average, reduce)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(Module):
    """Binary cross entropy of scores, and its mean over the classes; arguments as
    torch.nn.MultiLabelSoftMarginLoss.

    Shapes: input and target (0 or 1) (..., C); output () or, for "none", (...).

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> round(nn.MultiLabelSoftMarginLoss()(loopnest.zeros(1, 2), loopnest.tensor([[0.0, 1.0]])).item(), 4)
      0.6931
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.reduction = known("MultiLabelSoftMarginLoss", reduction, size_average, reduce)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.multilabel_soft_margin_loss(input, target, self.weight, reduction=self.reduction)


class TripletMarginWithDistanceLoss(Module):
    """max(margin + d(anchor, positive) - d(anchor, negative), 0); arguments as
    torch.nn.TripletMarginWithDistanceLoss.

    Args:
      distance_function: of two tensors; nn.PairwiseDistance() if None. margin: > 0.
      swap: the smaller of the negative's distances to anchor and positive counts.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> near, far = loopnest.tensor([[0.0, 0.0]]), loopnest.tensor([[3.0, 4.0]])
      >>> loss = nn.TripletMarginWithDistanceLoss(distance_function=nn.PairwiseDistance(p=1.0), margin=8.0)
      >>> round(loss(near, near, far).item(), 4)
      1.0
    """

    distance_function: Distance

    def __init__(
        self,
        *,
        distance_function: Distance | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        who = "TripletMarginWithDistanceLoss"
        self.distance_function = (
            functional.pairwise_distance if distance_function is None else distance_function
        )
        self.margin = number(who, "margin", margin, lambda v: v > 0, "> 0")
        self.swap = flag(who, "swap", swap)
        self.reduction = known(who, reduction)

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return functional.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
