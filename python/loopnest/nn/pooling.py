"""MaxPool2d and AvgPool2d."""

from typing import Any

from loopnest.engine.tape import Tensor
from loopnest.nn import functional
from loopnest.nn._check import flag, integer, pair
from loopnest.nn.module import Module


def _given(written: Any, both: tuple[int, int]) -> Any:
    """The pair, or the one int if the user wrote one: PyTorch keeps and prints what was written."""
    return both if isinstance(written, (tuple, list)) else both[0]


def _padding(who: str, padding: Any, kernel: tuple[int, int]) -> tuple[int, int]:
    pad = pair(who, "padding", padding, at_least=0)
    if any(2 * p > k for p, k in zip(pad, kernel, strict=True)):
        raise ValueError(f"{who}: expected padding of at most half the kernel {kernel}, got {pad}")
    return pad


class MaxPool2d(Module):
    """The largest element of every window; arguments as torch.nn.MaxPool2d.

    Args:
      kernel_size: int or (height, width). stride: the same, kernel_size if None. dilation: at least 1.
      padding: at most half the kernel; counts as -infinity.
      return_indices: forward gives a pair (values, indices into H * W). ceil_mode: also windows that only
        start inside.

    Shapes: input (N, C, H, W) or (C, H, W); output (N, C, OH, OW) as Conv2d's.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.MaxPool2d(2)(loopnest.tensor(np.ones((1, 3, 8, 8), np.float32))).shape == (1, 3, 4, 4)
      True
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        kernel = pair("MaxPool2d", "kernel_size", kernel_size)
        self.kernel_size = _given(kernel_size, kernel)
        self.stride = (
            self.kernel_size if stride is None else _given(stride, pair("MaxPool2d", "stride", stride))
        )
        self.padding = _given(padding, _padding("MaxPool2d", padding, kernel))
        self.dilation = _given(dilation, pair("MaxPool2d", "dilation", dilation))
        self.return_indices = flag("MaxPool2d", "return_indices", return_indices)
        self.ceil_mode = flag("MaxPool2d", "ceil_mode", ceil_mode)

    def forward(self, input: Tensor) -> Any:
        """(N, C, H, W) -> (N, C, OH, OW), or both without N; a pair with the indices if return_indices."""
        return functional.max_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(Module):
    """The mean of every window; arguments as torch.nn.AvgPool2d.

    Args:
      kernel_size: int or (height, width). stride: the same, kernel_size if None.
      padding: zeros on each side, at most half the kernel. ceil_mode: also windows that only start inside.
      count_include_pad: padding counts in the number that the sum is divided by. divisor_override: divide by
        this.

    Shapes: input (N, C, H, W) or (C, H, W); output (N, C, OH, OW) as Conv2d's.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.AvgPool2d(2)(loopnest.tensor(np.ones((1, 3, 8, 8), np.float32))).shape == (1, 3, 4, 4)
      True
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        kernel = pair("AvgPool2d", "kernel_size", kernel_size)
        self.kernel_size = _given(kernel_size, kernel)
        self.stride = (
            self.kernel_size if stride is None else _given(stride, pair("AvgPool2d", "stride", stride))
        )
        self.padding = _given(padding, _padding("AvgPool2d", padding, kernel))
        self.ceil_mode = flag("AvgPool2d", "ceil_mode", ceil_mode)
        self.count_include_pad = flag("AvgPool2d", "count_include_pad", count_include_pad)
        self.divisor_override = divisor_override
        if divisor_override is not None:
            self.divisor_override = integer(
                "AvgPool2d", "divisor_override", divisor_override, at_least=-(2**63)
            )
            if divisor_override == 0:
                raise ValueError("AvgPool2d: expected divisor_override other than 0")

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, OH, OW), or both without N."""
        return functional.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
