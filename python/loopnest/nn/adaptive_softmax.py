"""AdaptiveLogSoftmaxWithLoss: a softmax over many classes of which few are frequent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from loopnest.engine import custom, tensor_ops
from loopnest.engine.tape import Tensor, cat, tensor, zeros
from loopnest.nn._check import flag, integer, number
from loopnest.nn.container import ModuleList, Sequential
from loopnest.nn.functional.activation import log_softmax
from loopnest.nn.linear import Linear
from loopnest.nn.module import Module


class ASMOutput(NamedTuple):
    """What AdaptiveLogSoftmaxWithLoss gives: log probabilities of the targets, and their negative mean."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log probabilities of classes that are sorted by frequency, the frequent ones by one small layer, the
    others by clusters that are only computed where a target lies in them; arguments, weights and keys as
    torch.nn.AdaptiveLogSoftmaxWithLoss.

    Args:
      in_features: width of the input. n_classes: class 0 is the most frequent one.
      cutoffs: rising: where the clusters begin, [10, 100]: classes 0 ... 9, 10 ... 99, 100 ... n_classes - 1.
      div_value: cluster i works with in_features / div_value^i numbers.
      head_bias: a bias for the first layer.

    Source: Grave and others, "Efficient softmax approximation for GPUs", 2017.

    Shapes: input (N, in_features) and target (N,), or (in_features,) and (); forward gives (output, loss) of
      shapes (N,) or (), and (). IndexError for a target outside 0 ... n_classes - 1.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> layer = nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs=[5, 10])
      >>> output, loss = layer(loopnest.ones(3, 8), loopnest.tensor([0, 7, 19]))
      >>> output.shape, layer.log_prob(loopnest.ones(3, 8)).shape
      ((3,), (3, 20))
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        who = "AdaptiveLogSoftmaxWithLoss"
        self.in_features = integer(who, "in_features", in_features)
        self.n_classes = integer(who, "n_classes", n_classes)
        edges = [integer(who, "cutoffs", c) for c in cutoffs]
        if not edges or edges != sorted(set(edges)) or edges[-1] > n_classes - 1:
            given = list(cutoffs)
            raise ValueError(f"{who}: expected rising cutoffs between 1 and {n_classes - 1}, got {given}")
        self.cutoffs = [*edges, self.n_classes]
        self.div_value = number(who, "div_value", div_value, lambda v: v > 0, "> 0")
        self.head_bias = flag(who, "head_bias", head_bias)
        self.shortlist_size, self.n_clusters = edges[0], len(edges)
        self.head_size = self.shortlist_size + self.n_clusters
        options = {"device": device, "dtype": dtype}
        self.head = Linear(self.in_features, self.head_size, self.head_bias, **options)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(pairwise(self.cutoffs)):
            width = max(int(self.in_features // self.div_value ** (i + 1)), 1)
            first = Linear(self.in_features, width, False, **options)
            self.tail.append(Sequential(first, Linear(width, high - low, False, **options)))

    def reset_parameters(self) -> None:
        """New random weights."""
        for layer in self.modules():
            if isinstance(layer, Linear):
                layer.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> ASMOutput:
        """(N, in_features), (N,) -> ((N,), ())."""
        input, target = self._batched(input_, target_)
        classes = custom.numbers(target)
        if classes.size and not 0 <= classes.min() <= classes.max() < self.n_classes:
            raise IndexError(
                f"AdaptiveLogSoftmaxWithLoss: expected targets in 0 ... {self.n_classes - 1}, got "
                f"{classes.min()} to {classes.max()}"
            )
        head = log_softmax(self.head(input), 1)
        cluster = np.searchsorted(self.cutoffs, classes, "right")  # 0: in the head
        chosen = np.where(cluster == 0, classes, self.shortlist_size + cluster - 1)
        output = head.gather(1, tensor(chosen[:, None])).squeeze(1)
        for i, low in enumerate(self.cutoffs[:-1]):
            rows = np.flatnonzero(cluster == i + 1)
            if rows.size:
                at = tensor(rows)
                logs = log_softmax(self.tail[i](input[at]), 1)
                own = logs.gather(1, tensor(classes[rows, None] - low)).squeeze(1)
                output = tensor_ops.index_add(output, 0, at, own)
        loss = -output.mean() if classes.size else zeros((), dtype=input.dtype) * float("nan")
        return ASMOutput(output if target_.ndim else output.squeeze(0), loss)

    def _batched(self, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        who = "AdaptiveLogSoftmaxWithLoss"
        if target.ndim > 1 or input.ndim != target.ndim + 1 or input.shape[:-1] != target.shape:
            raise ValueError(
                f"{who}: expected input (N, {self.in_features}) and target (N,), or both without N, got "
                f"{input.shape} and {target.shape}"
            )
        if target.dtype.kind not in "iu":
            raise TypeError(f"{who}: expected target of dtype int64, got {target.dtype}")
        return (input, target) if target.ndim else (input.unsqueeze(0), target.unsqueeze(0))

    def log_prob(self, input: Tensor) -> Tensor:
        """(N, in_features) -> log probabilities of all classes, (N, n_classes)."""
        head = log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i, layer in enumerate(self.tail):
            at = self.shortlist_size + i
            parts.append(log_softmax(layer(input), 1) + head[:, at : at + 1])
        return cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """(N, in_features) -> the most probable class, (N,); clusters are computed where one may win."""
        scores = self.head(input)
        best = custom.numbers(scores.argmax(1)).copy()
        rows = np.flatnonzero(best >= self.shortlist_size)
        if rows.size:
            best[rows] = custom.numbers(self.log_prob(input[tensor(rows)]).argmax(1))
        return tensor(best)
