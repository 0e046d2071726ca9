"""Conv2d."""

import math
from typing import Any

import numpy as np

from loopnest.engine.tape import Tensor
from loopnest.nn import functional, init
from loopnest.nn._check import check_device, flag, float_dtype, integer, pair
from loopnest.nn.module import Module
from loopnest.nn.parameter import Parameter


class Conv2d(Module):
    """2-d cross-correlation over an image of several channels; arguments and weights as torch.nn.Conv2d.

    Args:
      in_channels, out_channels: at least 1, multiples of `groups`.
      kernel_size, stride, dilation: int or (height, width), at least 1.
      padding: int or (height, width) of zeros on each side, "valid" (none) or "same" (stride 1: size is
      kept). groups: output channel o sees only the input channels of its group.
      padding_mode: "zeros".

    Shapes: input (N, C, H, W) or (C, H, W); weight (O, C / groups, KH, KW); bias (O,); output (N, O, OH, OW),
    OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1. Weight and bias start uniform on
    +-1 / sqrt(C / groups * KH * KW), as PyTorch's.

    Raises ValueError or TypeError, at construction, that say which argument was expected to be what.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> conv = nn.Conv2d(3, 16, 3, stride=2, padding=1)
      >>> conv(loopnest.tensor(np.ones((1, 3, 32, 32), np.float32))).shape == (1, 16, 16, 16)
      True
      >>> conv
      Conv2d(3, 16, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_channels = integer("Conv2d", "in_channels", in_channels)
        self.out_channels = integer("Conv2d", "out_channels", out_channels)
        self.kernel_size = pair("Conv2d", "kernel_size", kernel_size)
        self.stride = pair("Conv2d", "stride", stride)
        self.padding = self._checked_padding(padding)
        self.dilation = pair("Conv2d", "dilation", dilation)
        self.groups = integer("Conv2d", "groups", groups)
        for name, channels in (("in_channels", self.in_channels), ("out_channels", self.out_channels)):
            if channels % self.groups:
                raise ValueError(
                    f"Conv2d: expected {name} to be divisible by groups = {self.groups}, got {channels}"
                )
        if padding_mode != "zeros":
            raise ValueError(
                f"Conv2d: expected padding_mode 'zeros', the only one there is yet, got {padding_mode!r}"
            )
        self.padding_mode = padding_mode
        check_device("Conv2d", device)
        kind = float_dtype("Conv2d", dtype)
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        self.weight = Parameter(np.empty(shape, kind))
        self.register_parameter(
            "bias", Parameter(np.empty(self.out_channels, kind)) if flag("Conv2d", "bias", bias) else None
        )
        self.reset_parameters()

    def _checked_padding(self, padding: Any) -> str | tuple[int, int]:
        if not isinstance(padding, str):
            return pair("Conv2d", "padding", padding, at_least=0)
        if padding not in ("same", "valid"):
            raise ValueError(f"Conv2d: expected padding to be ints, 'valid' or 'same', got {padding!r}")
        if padding == "same" and self.stride != (1, 1):
            raise ValueError(
                f"Conv2d: padding='same' keeps the size only with stride 1, got stride {self.stride}"
            )
        return padding

    def reset_parameters(self) -> None:
        """New random weights."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(math.prod(self.weight.shape[1:]))
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, O, OH, OW), or both without N."""
        return functional.conv2d(
            input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        )
        if self.padding != (0, 0):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        return text if self.bias is not None else text + ", bias=False"
