"""Dropout."""

from loopnest.engine.tape import Tensor
from loopnest.nn import functional
from loopnest.nn._check import flag, probability
from loopnest.nn.module import Module


class Dropout(Module):
    """While training, each element becomes 0 with probability p, or is divided by 1 - p; in eval() the
    identity.

    `inplace` is accepted; the result is always a new tensor. ValueError unless 0 <= p <= 1.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.ones(4, np.float32))
      >>> nn.Dropout(0.5).eval()(x).numpy().tolist()
      [1.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        probability("Dropout", p)
        self.p = p
        self.inplace = flag("Dropout", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
