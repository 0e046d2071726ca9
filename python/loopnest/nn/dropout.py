"""Dropout of elements and of whole channels."""

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


class Dropout1d(Dropout):
    """As Dropout, but whole channels of (N, C, L) or (C, L) at once.

    Source: Tompson et al., "Efficient object localization using convolutional networks", 2015.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.ones((1, 2, 3), np.float32))
      >>> sorted(set(nn.Dropout1d(1.0)(x).numpy().ravel().tolist()))
      [0.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) or (C, L) -> the same shape."""
        return functional.dropout1d(input, self.p, self.training)


class Dropout2d(Dropout):
    """As Dropout, but whole channels of (N, C, H, W) or (C, H, W) at once.

    Source: Tompson et al., "Efficient object localization using convolutional networks", 2015.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.ones((1, 2, 3, 3), np.float32))
      >>> sorted(set(nn.Dropout2d(1.0)(x).numpy().ravel().tolist()))
      [0.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W) -> the same shape."""
        return functional.dropout2d(input, self.p, self.training)


class Dropout3d(Dropout):
    """As Dropout, but whole channels of (N, C, D, H, W) or (C, D, H, W) at once.

    Source: Tompson et al., "Efficient object localization using convolutional networks", 2015.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.ones((1, 2, 3, 3, 3), np.float32))
      >>> sorted(set(nn.Dropout3d(1.0)(x).numpy().ravel().tolist()))
      [0.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) or (C, D, H, W) -> the same shape."""
        return functional.dropout3d(input, self.p, self.training)


class AlphaDropout(Dropout):
    """Dropout for networks of SELU: what is dropped becomes -1.758, and mean and variance stay as they are;
    arguments as torch.nn.AlphaDropout. Identity in eval().

    Source: Klambauer et al., "Self-normalizing neural networks", 2017.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.zeros(1000, np.float32))
      >>> len(set(nn.AlphaDropout(0.2)(x).tolist()))
      2
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(Dropout):
    """As AlphaDropout, but whole channels of (N, C, ...) at once.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.ones((1, 2, 3), np.float32))
      >>> nn.FeatureAlphaDropout(0.5).eval()(x) is x
      True
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) -> the same shape."""
        return functional.feature_alpha_dropout(input, self.p, self.training)
