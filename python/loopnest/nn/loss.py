"""CrossEntropyLoss."""

from loopnest.engine.tape import Tensor
from loopnest.nn import functional
from loopnest.nn._check import integer, number
from loopnest.nn.module import Module


class CrossEntropyLoss(Module):
    """-log(softmax(input)[target]); arguments as torch.nn.CrossEntropyLoss.

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
