"""Losses as modules, with torch.nn's names and arguments."""

from typing import Any

from loopnest.engine.tape import Tensor
from loopnest.nn import functional
from loopnest.nn._check import integer, number
from loopnest.nn.module import Module


def _reduction(who: str, reduction: str, size_average: None, reduce: None, *more: str) -> str:
    if size_average is not None or reduce is not None:
        raise ValueError(f"{who}: size_average and reduce are not supported; use reduction")
    if reduction not in ("mean", "sum", "none", *more):
        raise ValueError(f"{who}: expected reduction 'mean', 'sum' or 'none', got {reduction!r}")
    return reduction


class CrossEntropyLoss(Module):
    """-log(softmax(input)[target]); arguments as torch.nn.CrossEntropyLoss. A target of a float dtype holds
    probabilities of classes and has the input's shape.

    Args:
      weight: (C,) a factor per class; "mean" divides by the sum of the factors used.
      size_average, reduce: PyTorch's older spelling of `reduction`; must be None.
      ignore_index: targets of this value count nothing.
      reduction: "mean", "sum" or "none".
      label_smoothing: this much of the target goes to all classes equally; 0 to 1.

    Shapes: input (N, C), (C,) or (N, C, ...); target int64, as input without C; output () or, for "none", as
      target.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> scores = loopnest.tensor(np.zeros((2, 4), np.float32), requires_grad=True)
      >>> loss = nn.CrossEntropyLoss()(scores, loopnest.tensor(np.array([0, 3])))
      >>> loss.backward()
      >>> scores.grad.numpy()[0].tolist()
      [-0.375, 0.125, 0.125, 0.125]
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: None = None,
        ignore_index: int = -100,
        reduce: None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            raise ValueError("CrossEntropyLoss: size_average and reduce are not supported; use reduction")
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(
                f"CrossEntropyLoss: expected reduction 'mean', 'sum' or 'none', got {reduction!r}"
            )
        self.register_buffer("weight", weight)
        self.ignore_index = integer("CrossEntropyLoss", "ignore_index", ignore_index, at_least=-(2**63))
        self.reduction = reduction
        self.label_smoothing = number(
            "CrossEntropyLoss",
            "label_smoothing",
            label_smoothing,
            lambda v: 0.0 <= v <= 1.0,
            "between 0 and 1",
        )

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """scores (N, C, ...), classes (N, ...) -> loss ()."""
        return functional.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class MSELoss(Module):
    """(input - target)^2; arguments as torch.nn.MSELoss. Shapes: input and target alike, any.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> loss = nn.MSELoss()(loopnest.tensor([1.0, 2.0]), loopnest.tensor([1.0, 4.0]))
      >>> loss.item()
      2.0
    """

    def __init__(self, size_average: None = None, reduce: None = None, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = _reduction("MSELoss", reduction, size_average, reduce)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.mse_loss(input, target, reduction=self.reduction)


class L1Loss(Module):
    """|input - target|; arguments as torch.nn.L1Loss. Shapes: input and target alike, any.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> loss = nn.L1Loss()(loopnest.tensor([1.0, 2.0]), loopnest.tensor([1.0, 4.0]))
      >>> loss.item()
      1.0
    """

    def __init__(self, size_average: None = None, reduce: None = None, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = _reduction("L1Loss", reduction, size_average, reduce)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(Module):
    """d^2 / (2 beta) where |d| < beta, |d| - beta / 2 elsewhere; arguments as torch.nn.SmoothL1Loss.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> nn.SmoothL1Loss()(loopnest.tensor([3.0]), loopnest.tensor([0.0])).item()
      2.5
    """

    def __init__(
        self, size_average: None = None, reduce: None = None, reduction: str = "mean", beta: float = 1.0
    ) -> None:
        super().__init__()
        self.reduction = _reduction("SmoothL1Loss", reduction, size_average, reduce)
        self.beta = number("SmoothL1Loss", "beta", beta, lambda v: v >= 0.0, ">= 0")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(Module):
    """d^2 / 2 where |d| < delta, delta (|d| - delta / 2) elsewhere; arguments as torch.nn.HuberLoss.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> nn.HuberLoss(delta=2.0)(loopnest.tensor([5.0]), loopnest.tensor([0.0])).item()
      8.0
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__()
        self.reduction = _reduction("HuberLoss", reduction, None, None)
        self.delta = number("HuberLoss", "delta", delta, lambda v: v > 0.0, "> 0")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class BCELoss(Module):
    """-(t log p + (1 - t) log(1 - p)) of probabilities; arguments as torch.nn.BCELoss.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> round(nn.BCELoss()(loopnest.tensor([0.5]), loopnest.tensor([1.0])).item(), 4)
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
        self.reduction = _reduction("BCELoss", reduction, size_average, reduce)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(Module):
    """BCELoss of sigmoid(input), without overflow; arguments as torch.nn.BCEWithLogitsLoss.

    pos_weight: a factor for the positive term, which broadcasts to the input.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> round(nn.BCEWithLogitsLoss()(loopnest.tensor([0.0]), loopnest.tensor([1.0])).item(), 4)
      0.6931
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)
        self.reduction = _reduction("BCEWithLogitsLoss", reduction, size_average, reduce)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class KLDivLoss(Module):
    """t (log t - input), input logarithms of probabilities; arguments as torch.nn.KLDivLoss.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> p = loopnest.tensor([[0.5, 0.5]])
      >>> nn.KLDivLoss(reduction="batchmean")(p.log(), p).item()
      0.0
    """

    def __init__(
        self,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__()
        self.reduction = _reduction("KLDivLoss", reduction, size_average, reduce, "batchmean")
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class NLLLoss(Module):
    """-input[target], input logarithms of probabilities; arguments as torch.nn.NLLLoss.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> logs = loopnest.log_softmax(loopnest.zeros(2, 4), 1)
      >>> round(nn.NLLLoss()(logs, loopnest.tensor([0, 3])).item(), 4)
      1.3863
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: None = None,
        ignore_index: int = -100,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index = integer("NLLLoss", "ignore_index", ignore_index, at_least=-(2**63))
        self.reduction = _reduction("NLLLoss", reduction, size_average, reduce)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.nll_loss(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class DiceLoss(Module):
    """1 - Dice's coefficient of scores and classes, for outlining; see functional.dice_loss.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> sure = loopnest.tensor([[[[50.0, -50.0]]]])
      >>> round(nn.DiceLoss()(sure, loopnest.tensor([[[1, 0]]])).item(), 4)
      0.0
    """

    weight: Tensor | None

    def __init__(
        self,
        smooth: float = 1.0,
        from_logits: bool = True,
        weight: Tensor | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.smooth = number("DiceLoss", "smooth", smooth, lambda v: v >= 0.0, ">= 0")
        self.from_logits = from_logits
        self.register_buffer("weight", weight)
        self.reduction = _reduction("DiceLoss", reduction, None, None)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """scores (N, C, ...), classes (N, ...) -> loss ()."""
        return functional.dice_loss(input, target, self.smooth, self.from_logits, self.weight, self.reduction)


class CTCLoss(Module):
    """Connectionist temporal classification; arguments as torch.nn.CTCLoss, see functional.ctc_loss.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> logs = loopnest.log_softmax(loopnest.zeros(2, 1, 3), 2)
      >>> round(nn.CTCLoss()(logs, loopnest.tensor([[1]]), [2], [1]).item(), 4)
      1.0986
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__()
        self.blank = integer("CTCLoss", "blank", blank, at_least=0)
        self.reduction = _reduction("CTCLoss", reduction, None, None)
        self.zero_infinity = zero_infinity

    def forward(self, log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any) -> Tensor:
        return functional.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )


class TripletMarginLoss(Module):
    """max(margin + |anchor - positive| - |anchor - negative|, 0); arguments as torch.nn.TripletMarginLoss.

    Args:
      margin: > 0. p, eps: of the distance. swap: the smaller of the negative's distances to anchor and
        positive counts. reduction: "mean", "sum" or "none".

    Shapes: three inputs (N, D) or (D,); output () or, for "none", without D.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> near, far = loopnest.tensor([[0.0, 0.0]]), loopnest.tensor([[3.0, 4.0]])
      >>> round(nn.TripletMarginLoss(margin=7.0)(near, near, far).item(), 4)
      2.0
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.margin = number("TripletMarginLoss", "margin", margin, lambda v: v > 0, "> 0")
        self.p, self.eps, self.swap = p, eps, swap
        self.reduction = _reduction("TripletMarginLoss", reduction, size_average, reduce)

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return functional.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, reduction=self.reduction
        )
