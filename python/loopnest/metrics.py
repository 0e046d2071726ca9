"""Figures of merit, on NumPy arrays or Tensors: accuracy, F1, IoU, BLEU, edit distance, perplexity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from loopnest.engine.tape import Tensor
from loopnest.extras import require


def _array(values: Any) -> np.ndarray:
    return values.detach().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _pair(who: str, predicted: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
    said, true = _array(predicted), _array(target)
    if said.ndim == true.ndim + 1:
        said = said.argmax(-1)  # scores of classes, the last axis
    if said.shape != true.shape:
        raise ValueError(
            f"{who}: expected predictions of the target's shape {true.shape} (or scores with one more, last "
            f"axis), got {said.shape}"
        )
    return said, true


def accuracy(predicted: Any, target: Any) -> float:
    """The share of right answers, 0 to 1.

    Args:
      predicted: classes, of the target's shape, or scores with the classes as one more, last axis.
      target: integers of any shape.

    Raises ValueError for shapes that do not fit, or no answers at all.

    Example:
      >>> from loopnest import metrics
      >>> metrics.accuracy([1, 2, 3, 3], [1, 2, 3, 4])
      0.75
    """
    said, true = _pair("accuracy", predicted, target)
    if true.size == 0:
        raise ValueError("accuracy: expected at least one answer, got none")
    return float(np.mean(said == true))


def confusion_matrix(predicted: Any, target: Any, classes: int | None = None) -> np.ndarray:
    """How often class i (row) was called class j (column): int64 (classes, classes).

    Example:
      >>> from loopnest import metrics
      >>> metrics.confusion_matrix([0, 1, 1], [0, 0, 1]).tolist()
      [[1, 1], [0, 1]]
    """
    said, true = _pair("confusion_matrix", predicted, target)
    count = classes or int(max(said.max(initial=0), true.max(initial=0))) + 1
    if true.size and not 0 <= min(said.min(), true.min()) <= max(said.max(), true.max()) < count:
        raise ValueError(f"confusion_matrix: expected classes 0 to {count - 1}")
    cells = true.astype(np.int64).ravel() * count + said.astype(np.int64).ravel()
    return np.bincount(cells, minlength=count * count).reshape(count, count)


def f1(predicted: Any, target: Any, average: str | None = "macro") -> Any:
    """F1 = 2 TP / (2 TP + FP + FN) of every class; 0 for a class that never occurs in either.

    Args:
      average: "macro": the mean over classes; "micro": over all answers; "binary": class 1; None: (classes,).

    Example:
      >>> from loopnest import metrics
      >>> metrics.f1([1, 1, 0, 0], [1, 0, 0, 0], average="binary")
      0.6666666666666666
    """
    table = confusion_matrix(predicted, target, 2 if average == "binary" else None)
    right = np.diag(table).astype(np.float64)
    both = table.sum(0) + table.sum(1)  # 2 TP + FP + FN
    each = np.divide(2 * right, both, out=np.zeros_like(right), where=both > 0)
    if average is None:
        return each
    if average == "macro":
        return float(each.mean())
    if average == "micro":
        return float(2 * right.sum() / both.sum())
    if average == "binary":
        return float(each[1])
    raise ValueError(f'f1: expected average "macro", "micro", "binary" or None, got {average!r}')


def iou(predicted: Any, target: Any) -> float:
    """Intersection over union of two masks (truth values of one shape); 1 where both are empty.

    Example:
      >>> from loopnest import metrics
      >>> metrics.iou([1, 1, 0, 0], [1, 0, 1, 0])
      0.3333333333333333
    """
    said, true = _array(predicted).astype(bool), _array(target).astype(bool)
    if said.shape != true.shape:
        raise ValueError(f"iou: expected masks of one shape, got {said.shape} and {true.shape}")
    union = np.count_nonzero(said | true)
    return float(np.count_nonzero(said & true) / union) if union else 1.0


def perplexity(nats: float) -> float:
    """exp of a mean cross-entropy in nats.

    Example:
      >>> from loopnest import metrics
      >>> metrics.perplexity(0.0)
      1.0
    """
    return math.exp(nats)


def edit_distance(a: Sequence[Any], b: Sequence[Any]) -> int:
    """Levenshtein's distance: the fewest insertions, deletions and replacements that make `b` of `a`.

    Example:
      >>> from loopnest import metrics
      >>> metrics.edit_distance("kitten", "sitting")
      3
    """
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        corner, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (x != y))
    return row[-1]


def error_rate(predicted: Sequence[Sequence[Any]], target: Sequence[Sequence[Any]]) -> float:
    """Edit distances of all sequences together, over the targets' length together (word or character error
    rate). May exceed 1.

    Example:
      >>> from loopnest import metrics
      >>> metrics.error_rate(["kitten", "cat"], ["sitting", "cat"])
      0.3
    """
    if len(predicted) != len(target):
        raise ValueError(f"error_rate: {len(predicted)} predictions for {len(target)} targets")
    length = sum(len(t) for t in target)
    if length == 0:
        raise ValueError("error_rate: expected targets that are not all empty")
    return sum(edit_distance(p, t) for p, t in zip(predicted, target, strict=True)) / length


def bleu(
    predicted: Sequence[str], target: Sequence[str], lowercase: bool = False, tokenize: str = "none"
) -> float:
    """BLEU-4 of a corpus, 0 to 100 (Papineni et al. 2002), by sacrebleu (extra `data`).

    Args:
      predicted, target: one string each, tokens separated by spaces.
      tokenize: "none": as they stand; or one of sacrebleu's, such as "13a".

    Example:
      >>> from loopnest import metrics
      >>> round(metrics.bleu(["a dog runs on the beach"], ["a dog runs on the beach"]))
      100
    """
    library: Any = require("sacrebleu", "data")
    if len(predicted) != len(target):
        raise ValueError(f"bleu: {len(predicted)} predictions for {len(target)} targets")
    scorer = library.BLEU(lowercase=lowercase, tokenize=tokenize, force=True)
    return float(scorer.corpus_score(list(predicted), [list(target)]).score)
