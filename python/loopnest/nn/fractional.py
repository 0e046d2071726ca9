"""FractionalMaxPool2d and FractionalMaxPool3d."""

from typing import Any, ClassVar

from loopnest.engine.tape import Tensor
from loopnest.nn import functional
from loopnest.nn.functional.fractional import each, need_size_or_ratio
from loopnest.nn.module import Module


class _Fractional(Module):
    axes: ClassVar[int]

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        who = type(self).__name__
        self.kernel_size = each(who, "kernel_size", kernel_size, self.axes)
        self.output_ratio = need_size_or_ratio(who, self.axes, output_size, output_ratio)
        self.output_size = None if output_size is None else each(who, "output_size", output_size, self.axes)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)

    def forward(self, input: Tensor) -> Any:
        """(N, C, ...) -> (N, C, *output_size), or both without N."""
        pool: Any = getattr(functional, f"fractional_max_pool{self.axes}d")
        return pool(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            self._random_samples,
        )

    def extra_repr(self) -> str:
        name = "output_size" if self.output_ratio is None else "output_ratio"
        return f"kernel_size={self.kernel_size}, {name}={getattr(self, name)}"


class FractionalMaxPool2d(_Fractional):
    """The largest element of windows that begin at random, nearly regular places; arguments as
    torch.nn.FractionalMaxPool2d. In evaluation too the places are drawn anew.

    Args:
      kernel_size: of the windows. output_size: (OH, OW); or output_ratio, between 0 and 1.
      return_indices: give a pair (values, indices).

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> nn.FractionalMaxPool2d(3, output_size=(5, 4))(loopnest.ones(2, 3, 11, 9)).shape
      (2, 3, 5, 4)
    """

    axes = 2


class FractionalMaxPool3d(_Fractional):
    """FractionalMaxPool2d of volumes; arguments as torch.nn.FractionalMaxPool3d.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> nn.FractionalMaxPool3d(2, output_ratio=0.5)(loopnest.ones(1, 2, 6, 8, 8)).shape
      (1, 2, 3, 4, 4)
    """

    axes = 3
