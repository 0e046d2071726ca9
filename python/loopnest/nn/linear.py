"""Linear, Flatten, Unflatten and Identity."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from loopnest.engine.tape import Tensor
from loopnest.nn import functional, init
from loopnest.nn._check import check_device, flag, float_dtype, integer
from loopnest.nn.module import Module
from loopnest.nn.parameter import Parameter


class Linear(Module):
    """y = x weight^T + bias; arguments and weights as torch.nn.Linear.

    Shapes: input (..., in_features); weight (out_features, in_features); bias (out_features,); output
    (..., out_features). Weight and bias start uniform on +-1 / sqrt(in_features), as PyTorch's.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Linear(8, 3)(loopnest.tensor(np.ones((5, 8), np.float32))).shape == (5, 3)
      True
    """

    _least: ClassVar[int] = 1  # of in_features: 0 stands for a number that is not known yet
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features = integer("Linear", "in_features", in_features, self._least)
        self.out_features = integer("Linear", "out_features", out_features)
        check_device("Linear", device)
        kind = float_dtype("Linear", dtype)
        self.weight = Parameter(np.empty((self.out_features, self.in_features), kind))
        self.register_parameter(
            "bias", Parameter(np.empty(self.out_features, kind)) if flag("Linear", "bias", bias) else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """New random weights."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features)
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """(..., in_features) -> (..., out_features)."""
        return functional.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        )


class Flatten(Module):
    """Makes one axis of the axes start_dim ... end_dim; by default (N, C, H, W) -> (N, C * H * W).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Flatten()(loopnest.tensor(np.ones((2, 3, 4, 5), np.float32))).shape == (2, 60)
      True
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = integer("Flatten", "start_dim", start_dim, at_least=-64, at_most=63)
        self.end_dim = integer("Flatten", "end_dim", end_dim, at_least=-64, at_most=63)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same numbers with fewer axes. IndexError if there is no such axis."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Makes several axes of one; arguments as torch.nn.Unflatten. One of the sizes may be -1.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> nn.Unflatten(1, (3, 4, 5))(loopnest.ones(2, 60)).shape == (2, 3, 4, 5)
      True
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        self.dim = integer("Unflatten", "dim", dim, at_least=-64, at_most=63)
        if not isinstance(unflattened_size, (tuple, list)):
            raise TypeError(f"Unflatten: expected unflattened_size to be a tuple, got {unflattened_size!r}")
        self.unflattened_size = tuple(
            integer("Unflatten", "unflattened_size", n, at_least=-1) for n in unflattened_size
        )

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same numbers with more axes. ValueError if the sizes do not multiply to dim's."""
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Identity(Module):
    """Returns its input; takes and ignores any arguments, so that it can stand in for another module.

    Example:
      >>> from loopnest import nn
      >>> nn.Identity(54, unused=True)(3)
      3
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        """input -> input."""
        return input
