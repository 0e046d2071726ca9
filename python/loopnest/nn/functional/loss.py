"""Losses as functions, with torch.nn.functional's names, argument order and defaults.

Every loss takes reduction "mean", "sum" or "none". `size_average` and `reduce`, PyTorch's older spelling of
it, must be None. Wrong shapes and values raise ValueError with the numbers, wrong dtypes TypeError.
"""

from typing import Any

from loopnest.engine import ctc, losses, tensor_ops
from loopnest.engine.tape import Tensor, log_softmax, sigmoid, softmax


def _modern(who: str, size_average: None, reduce: None) -> None:
    if size_average is not None or reduce is not None:
        raise ValueError(f"{who}: size_average and reduce are not supported; use reduction")


def _weighted(
    who: str, each: Tensor, weight: Tensor, input: Tensor, reduction: str, by_number: bool
) -> Tensor:
    """The losses of all elements with a factor for each; "mean" is their sum divided by that of the factors,
    or by the number of elements."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{who}: expected reduction 'none', 'mean' or 'sum', got {reduction!r}")
    if not isinstance(weight, Tensor):
        raise TypeError(f"{who}: expected weight to be a Tensor or None, got {type(weight).__name__}")
    if weight.shape != input.shape:
        raise ValueError(f"{who}: expected weight of input's shape {input.shape}, got {weight.shape}")
    each = each * weight
    if reduction == "none":
        return each
    if reduction == "sum":
        return each.sum()
    return each.mean() if by_number else each.sum() / weight.sum()


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(input - target)^2, as torch.nn.functional.mse_loss. Any shape; a target of another shape is broadcast,
    with a warning. weight: a factor for each element, of input's shape; "mean" divides by their sum.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> F.mse_loss(loopnest.tensor([1.0, 2.0]), loopnest.tensor([1.0, 4.0])).item()
      2.0
    """
    _modern("mse_loss", size_average, reduce)
    if weight is None:
        return losses.mse_loss(input, target, reduction)
    each = losses.mse_loss(input, target, "none")
    return _weighted("mse_loss", each, weight, input, reduction, False)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|input - target|, as torch.nn.functional.l1_loss. weight: as for mse_loss.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> F.l1_loss(loopnest.tensor([1.0, 2.0]), loopnest.tensor([1.0, 4.0])).item()
      1.0
    """
    _modern("l1_loss", size_average, reduce)
    if weight is None:
        return losses.l1_loss(input, target, reduction)
    each = losses.l1_loss(input, target, "none")
    return _weighted("l1_loss", each, weight, input, reduction, False)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d^2 / (2 beta) where |d| < beta, |d| - beta / 2 elsewhere, d = input - target (Girshick 2015).

    As torch.nn.functional.smooth_l1_loss; beta >= 0, and 0 is l1_loss.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> x, y = loopnest.tensor([0.5, 3.0]), loopnest.tensor([0.0, 0.0])
      >>> F.smooth_l1_loss(x, y, reduction="none").tolist()
      [0.125, 2.5]
    """
    _modern("smooth_l1_loss", size_average, reduce)
    return losses.smooth_l1_loss(input, target, reduction, beta)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """d^2 / 2 where |d| < delta, delta (|d| - delta / 2) elsewhere, d = input - target (Huber 1964).

    As torch.nn.functional.huber_loss; delta > 0. weight: a factor for each element, of input's shape; "mean"
    divides by the number of elements, as in PyTorch (mse_loss and l1_loss: by the sum of the factors).

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> F.huber_loss(loopnest.tensor([1.0, 5.0]), loopnest.tensor([0.0, 0.0]), delta=2.0).item()
      4.25
    """
    if weight is None:
        return losses.huber_loss(input, target, reduction, delta)
    each = losses.huber_loss(input, target, "none", delta)
    return _weighted("huber_loss", each, weight, input, reduction, True)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(t log p + (1 - t) log(1 - p)), p = input in 0 ... 1, t = target of the same shape.

    As torch.nn.functional.binary_cross_entropy: logarithms are held at -100 or above. weight: factors that
    broadcast to the input. ValueError for an input outside 0 ... 1.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> round(F.binary_cross_entropy(loopnest.tensor([0.5, 0.5]), loopnest.tensor([0.0, 1.0])).item(), 4)
      0.6931
    """
    _modern("binary_cross_entropy", size_average, reduce)
    return losses.binary_cross_entropy(input, target, weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """-(c t log s(x) + (1 - t) log(1 - s(x))), s the sigmoid, x = input, c = pos_weight (1 if None).

    As torch.nn.functional.binary_cross_entropy_with_logits; never overflows. weight and pos_weight broadcast
    to the input.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> x, t = loopnest.tensor([1000.0, 0.0]), loopnest.tensor([1.0, 1.0])
      >>> round(F.binary_cross_entropy_with_logits(x, t).item(), 4)
      0.3466
    """
    _modern("binary_cross_entropy_with_logits", size_average, reduce)
    return losses.binary_cross_entropy_with_logits(input, target, weight, reduction, pos_weight)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """t (log t - input), input the logarithms of probabilities, as torch.nn.functional.kl_div.

    reduction: also "batchmean", the sum divided by the first axis: the divergence as it is defined.
    log_target: the target is logarithms too.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> p = loopnest.tensor([[0.5, 0.5]])
      >>> F.kl_div(p.log(), p, reduction="batchmean").item()
      0.0
    """
    _modern("kl_div", size_average, reduce)
    return losses.kl_div(input, target, reduction, log_target)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """-input[target], as torch.nn.functional.nll_loss.

    Args:
      input: logarithms of probabilities, (N, C, ...) or (C,). target: int64 classes, (N, ...) or ().
      weight: (C,) a factor per class; "mean" divides by the sum of the factors used.
      ignore_index: targets of this value count nothing.

    Raises IndexError for a class outside 0 ... C - 1.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> logs = F.log_softmax(loopnest.zeros(2, 4), dim=1)
      >>> round(F.nll_loss(logs, loopnest.tensor([0, 3])).item(), 4)
      1.3863
    """
    _modern("nll_loss", size_average, reduce)
    return losses.nll_loss(input, target, weight, ignore_index, reduction)


def soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float
) -> Tensor:
    """Cross entropy against probabilities of classes: target of input's shape (N, C, ...) or (C,).

    cross_entropy comes here for a target of a float dtype; "mean" divides by N times the places, whatever the
    weights, as in PyTorch.

    Example:
      >>> import loopnest
      >>> from loopnest.nn.functional.loss import soft_cross_entropy
      >>> half = loopnest.tensor([[0.5, 0.5]])
      >>> round(soft_cross_entropy(half * 0, half, None, "mean", 0.0).item(), 4)
      0.6931
    """
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"cross_entropy: expected reduction 'none', 'mean' or 'sum', got {reduction!r}")
    if input.shape != target.shape:
        raise ValueError(
            f"cross_entropy: expected a target of probabilities of input's shape {input.shape}, "
            f"got {target.shape}"
        )
    axis = 1 if input.ndim > 1 else 0
    classes = input.shape[axis]
    if label_smoothing > 0:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    if weight is not None:
        if tuple(weight.shape) != (classes,):
            raise ValueError(f"cross_entropy: expected weight of shape {(classes,)}, got {weight.shape}")
        target = target * weight.reshape((classes,) + (1,) * (input.ndim - axis - 1))
    each = -(log_softmax(input, axis) * target).sum(axis)
    if reduction == "none":
        return each
    return each.sum() if reduction == "sum" else each.sum() / max(each.numel(), 1)


def dice_loss(
    input: Tensor,
    target: Tensor,
    smooth: float = 1.0,
    from_logits: bool = True,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - (2 sum p t + smooth) / (sum p + sum t + smooth), per image and class (Milletari and others 2016).

    PyTorch has no such loss.

    Args:
      input: (N, C, ...) scores, or probabilities if not from_logits. C = 1: one foreground class by sigmoid,
        otherwise softmax over the classes.
      target: int64 classes (N, ...), or numbers in 0 ... 1 of input's shape.
      weight: (C,) a factor per class; the mean over classes is weighted by it.
      reduction: "none" gives (N,).

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> sure = loopnest.tensor([[[[50.0, -50.0]]]])  # one class, one row of two pixels
      >>> round(F.dice_loss(sure, loopnest.tensor([[[1, 0]]])).item(), 4)
      0.0
    """
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"dice_loss: expected reduction 'none', 'mean' or 'sum', got {reduction!r}")
    if input.ndim < 2:
        raise ValueError(f"dice_loss: expected input of shape (N, C, ...), got {input.shape}")
    classes, dtype = input.shape[1], input.dtype
    if target.dtype.kind in "iub":
        if target.shape != (input.shape[0], *input.shape[2:]):
            raise ValueError(
                f"dice_loss: expected classes of shape {(input.shape[0], *input.shape[2:])}, "
                f"got {target.shape}"
            )
        if classes == 1:
            target = target.to(dtype).unsqueeze(1)
        else:
            target = tensor_ops.one_hot(target, classes).movedim(-1, 1).to(dtype)
    elif target.shape != input.shape:
        raise ValueError(f"dice_loss: expected target of shape {input.shape}, got {target.shape}")
    p = input
    if from_logits:
        p = sigmoid(input) if classes == 1 else softmax(input, 1)
    p, t = p.flatten(2) if p.ndim > 2 else p.unsqueeze(2), target.reshape((*input.shape[:2], -1))
    score = ((p * t).sum(2) * 2 + smooth) / (p.sum(2) + t.sum(2) + smooth)
    each = 1 - score.mean(1) if weight is None else ((1 - score) * weight).sum(1) / weight.sum()
    return each if reduction == "none" else each.sum() if reduction == "sum" else each.mean()


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log p(target), summed over all alignments (Graves and others 2006), as torch.nn.functional.ctc_loss.

    Args:
      log_probs: (T, N, C) or (T, C), logarithms of probabilities, from log_softmax.
      targets: int64, (N, S) padded, or all targets in one row of sum(target_lengths); without the blank.
      input_lengths, target_lengths: N whole numbers, at most T and S; 0 is welcome for both.
      blank: the class that stands for nothing.
      reduction: "mean" divides each loss by its target's length (at least 1), then takes the mean.
      zero_infinity: a target that cannot fit its input counts 0 instead of infinity.

    The sums are in logarithms and double precision. A target that cannot fit has no gradient (PyTorch: NaN
    without zero_infinity). The gradient is that of log_probs as they are; PyTorch's has the softmax before
    them in it, which differs in log_probs.grad, but not in front of the log_softmax.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> logs = F.log_softmax(loopnest.zeros(2, 1, 3), dim=2)
      >>> loss = F.ctc_loss(logs, loopnest.tensor([[1]]), [2], [1])  # 3 of 9 paths: 01, 10, 11
      >>> round(loss.item(), 4)
      1.0986
    """
    return ctc.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity)
