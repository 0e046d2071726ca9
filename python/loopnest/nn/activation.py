"""ReLU, Tanh and Sigmoid."""

from loopnest.engine.tape import Tensor
from loopnest.nn import functional
from loopnest.nn._check import flag
from loopnest.nn.module import Module


class ReLU(Module):
    """max(x, 0), any shape. `inplace` is accepted; the result is always a new tensor.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.ReLU()(loopnest.tensor(np.array([-1.0, 2.0]))).numpy().tolist()
      [0.0, 2.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = flag("ReLU", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.relu(input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Tanh(Module):
    """The hyperbolic tangent, any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Tanh()(loopnest.tensor(np.zeros(2))).numpy().tolist()
      [0.0, 0.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.tanh(input)


class Sigmoid(Module):
    """1 / (1 + exp(-x)), any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Sigmoid()(loopnest.tensor(np.zeros(2))).numpy().tolist()
      [0.5, 0.5]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.sigmoid(input)
