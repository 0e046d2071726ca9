"""Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from loopnest.engine.conv import PADDINGS, each, pads
from loopnest.engine.tape import Tensor
from loopnest.nn import functional, init
from loopnest.nn._check import check_device, flag, float_dtype, integer
from loopnest.nn.module import Module
from loopnest.nn.parameter import Parameter

Each = int | Sequence[int]
Padding = str | int | Sequence[int | Sequence[int]]

MODES = ("reflect", "replicate", "circular")


class _ConvNd(Module):
    """What the convolutions share: arguments, weights, text. `axes` of space come from the class."""

    axes: ClassVar[int]
    transposed: ClassVar[bool] = False
    _least: ClassVar[int] = 1  # of in_channels: 0 stands for a number that is not known yet
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Each,
        stride: Each,
        padding: Padding,
        dilation: Each,
        output_padding: Each,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        who = type(self).__name__
        self.in_channels = integer(who, "in_channels", in_channels, self._least)
        self.out_channels = integer(who, "out_channels", out_channels)
        self.kernel_size = self._each("kernel_size", kernel_size)
        self.stride = self._each("stride", stride)
        self.dilation = self._each("dilation", dilation)
        self.padding = self._checked_padding(padding)
        self.output_padding = self._each("output_padding", output_padding, 0)
        self.groups = integer(who, "groups", groups)
        for name, channels in (("in_channels", self.in_channels), ("out_channels", self.out_channels)):
            if channels % self.groups:
                raise ValueError(
                    f"{who}: expected {name} to be divisible by groups = {self.groups}, got {channels}"
                )
        modes = ("zeros",) if self.transposed else ("zeros", *MODES)
        if padding_mode not in modes:
            raise ValueError(f"{who}: expected padding_mode to be one of {modes}, got {padding_mode!r}")
        self.padding_mode = padding_mode
        check_device(who, device)
        kind = float_dtype(who, dtype)
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        self.weight = Parameter(np.empty((first, second // self.groups, *self.kernel_size), kind))
        self.register_parameter(
            "bias", Parameter(np.empty(self.out_channels, kind)) if flag(who, "bias", bias) else None
        )
        self.reset_parameters()

    def _each(self, name: str, value: Any, at_least: int = 1) -> tuple[int, ...]:
        who = type(self).__name__
        return tuple(integer(who, name, v, at_least) for v in each(who, name, value, self.axes))

    def _checked_padding(self, padding: Any) -> Any:
        who = type(self).__name__
        if isinstance(padding, str):
            if self.transposed or padding not in PADDINGS:
                names = "" if self.transposed else f", pairs (low, high) or one of {PADDINGS}"
                raise ValueError(f"{who}: expected padding to be numbers{names}, got {padding!r}")
            pads(
                who, padding, (1,) * self.axes, self.kernel_size, self.stride, self.dilation
            )  # or it says why not
            return padding
        if isinstance(padding, (list, tuple)) and any(isinstance(p, (list, tuple)) for p in padding):
            if self.transposed:
                raise ValueError(f"{who}: expected padding to be numbers, got {padding!r}")
            flat = pads(who, padding, (1,) * self.axes, self.kernel_size, self.stride, self.dilation)
            two = [integer(who, "padding", v, 0) for v in flat]
            return tuple(zip(two[::2], two[1::2], strict=True))
        return self._each("padding", padding, 0)

    def reset_parameters(self) -> None:
        """New random weights."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(math.prod(self.weight.shape[1:]))
            init.uniform_(self.bias, -bound, bound)

    def _convolve(self, function: Any, input: Tensor) -> Tensor:
        padding, axes = self.padding, self.axes
        # Of another rank: the convolution says what is wrong.
        if self.padding_mode != "zeros" and len(input.shape) in (1 + axes, 2 + axes):
            who, size = type(self).__name__, input.shape[-axes:]
            flat = pads(who, padding, size, self.kernel_size, self.stride, self.dilation)
            last_first = [p for axis in range(axes - 1, -1, -1) for p in flat[2 * axis : 2 * axis + 2]]
            if any(flat):
                input = functional.pad(input, last_first, self.padding_mode)
            padding = 0
        return function(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        )
        if self.padding != (0,) * self.axes:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * self.axes:
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * self.axes:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        return text if self.padding_mode == "zeros" else text + f", padding_mode={self.padding_mode}"


class Conv1d(_ConvNd):
    """1-d cross-correlation over a sequence of several channels; arguments and weights as torch.nn.Conv1d.

    Args: as Conv2d's, one number where that takes two; padding also "causal" (dilation (KL - 1) before the
      sequence and none behind it) or ((low, high),).

    Shapes: input (N, C, L) or (C, L); weight (O, C / groups, KL); bias (O,); output (N, O, OL),
    OL = floor((L + low + high - dilation (KL - 1) - 1) / stride) + 1.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> conv = nn.Conv1d(8, 16, 3, padding="causal", dilation=4)
      >>> conv(loopnest.tensor(np.ones((2, 8, 50), np.float32))).shape == (2, 16, 50)
      True
    """

    axes = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Each,
        stride: Each = 1,
        padding: Padding = 0,
        dilation: Each = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) -> (N, O, OL), or both without N."""
        return self._convolve(functional.conv1d, input)


class Conv2d(_ConvNd):
    """2-d cross-correlation over an image of several channels; arguments and weights as torch.nn.Conv2d.

    Args:
      in_channels, out_channels: at least 1, multiples of `groups`.
      kernel_size, stride, dilation: int or (height, width), at least 1.
      padding: int or (height, width) on each side, or (low, high) for some or all axes, ((0, 1), (2, 2));
        "valid" (none), "same" (stride 1: the size is kept, an odd place goes behind) or "same_upper"
        (TensorFlow's and ONNX's rule for any stride: ceil(size / stride) outputs, an odd place goes behind).
      groups: output channel o sees only the input channels of its group.
      padding_mode: what the padding holds: "zeros"; "reflect" (the image mirrored, its edge not repeated),
        "replicate" (its edge) or "circular" (its other side).

    Shapes: input (N, C, H, W) or (C, H, W); weight (O, C / groups, KH, KW); bias (O,); output (N, O, OH, OW),
    OH = floor((H + low + high - dilation (KH - 1) - 1) / stride) + 1. Weight and bias start uniform on
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

    axes = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Each,
        stride: Each = 1,
        padding: Padding = 0,
        dilation: Each = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, O, OH, OW), or both without N."""
        return self._convolve(functional.conv2d, input)


class Conv3d(_ConvNd):
    """3-d cross-correlation over a volume or a film; arguments and weights as torch.nn.Conv3d.

    Args: as Conv2d's, int or (depth, height, width) where that takes one or two.

    Shapes: input (N, C, D, H, W) or (C, D, H, W); weight (O, C / groups, KD, KH, KW); bias (O,); output
    (N, O, OD, OH, OW).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> conv = nn.Conv3d(3, 8, (3, 5, 5), padding=(1, 2, 2))
      >>> conv(loopnest.tensor(np.ones((1, 3, 4, 16, 16), np.float32))).shape == (1, 8, 4, 16, 16)
      True
    """

    axes = 3

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Each,
        stride: Each = 1,
        padding: Padding = 0,
        dilation: Each = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) -> (N, O, OD, OH, OW), or both without N."""
        return self._convolve(functional.conv3d, input)


class _ConvTransposeNd(_ConvNd):
    """What the transposed convolutions share: PyTorch's order of arguments, and output_size."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Each,
        stride: Each = 1,
        padding: Each = 0,
        output_padding: Each = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Each = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _output_padding(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output_padding with which the output has this size (of the axes of space, or a whole shape)."""
        if output_size is None:
            return self.output_padding
        who, axes = type(self).__name__, self.axes
        wanted = tuple(integer(who, "output_size", v) for v in output_size)
        if len(wanted) > axes:
            wanted = wanted[-axes:] if len(wanted) == len(input.shape) else ()
        if len(wanted) != axes:
            raise ValueError(
                f"{who}: expected output_size of {axes} or {len(input.shape)} numbers, got "
                f"{tuple(output_size)}"
            )
        numbers = zip(
            input.shape[-axes:], self.kernel_size, self.stride, self.padding, self.dilation, strict=True
        )
        least = [(i - 1) * s - 2 * p + d * (k - 1) + 1 for i, k, s, p, d in numbers]
        for want, low, s in zip(wanted, least, self.stride, strict=True):
            if not low <= want < low + s:
                most = tuple(v + step - 1 for v, step in zip(least, self.stride, strict=True))
                raise ValueError(
                    f"{who}: requested an output size of {wanted}, but valid sizes range from {tuple(least)} "
                    f"to {most} (for an input of {tuple(input.shape[-axes:])})"
                )
        return tuple(want - low for want, low in zip(wanted, least, strict=True))

    def _spread(self, function: Any, input: Tensor, output_size: Any) -> Tensor:
        more = self._output_padding(input, output_size)
        return function(
            input, self.weight, self.bias, self.stride, self.padding, more, self.groups, self.dilation
        )


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed 1-d convolution; arguments and weights as torch.nn.ConvTranspose1d.

    Shapes: input (N, C, L) or (C, L); weight (C, O / groups, KL); bias (O,); output (N, O, OL),
    OL = (L - 1) stride - 2 padding + dilation (KL - 1) + output_padding + 1.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> up = nn.ConvTranspose1d(8, 4, 4, stride=2, padding=1)
      >>> up(loopnest.tensor(np.ones((2, 8, 25), np.float32))).shape == (2, 4, 50)
      True
    """

    axes = 1

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """(N, C, L) -> (N, O, OL), or both without N. output_size (OL,) chooses output_padding."""
        return self._spread(functional.conv_transpose1d, input, output_size)


class ConvTranspose2d(_ConvTransposeNd):
    """Transposed 2-d convolution (fractionally strided, "deconvolution"); as torch.nn.ConvTranspose2d.

    Args:
      in_channels, out_channels: at least 1, multiples of `groups`.
      kernel_size, stride, dilation: int or (height, width), at least 1.
      padding: int or (height, width): so many rows and columns are cut off on each side.
      output_padding: int or (height, width): so many are added below and to the right; smaller than the
        stride or the dilation. padding_mode: "zeros".

    Shapes: input (N, C, H, W) or (C, H, W); weight (C, O / groups, KH, KW); bias (O,); output (N, O, OH, OW),
    OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> up = nn.ConvTranspose2d(16, 8, 3, stride=2, padding=1)
      >>> x = loopnest.tensor(np.ones((1, 16, 5, 5), np.float32))
      >>> up(x).shape == (1, 8, 9, 9), up(x, output_size=(10, 10)).shape == (1, 8, 10, 10)
      (True, True)
    """

    axes = 2

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """(N, C, H, W) -> (N, O, OH, OW), or both without N. output_size (OH, OW) chooses output_padding."""
        return self._spread(functional.conv_transpose2d, input, output_size)


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed 3-d convolution; arguments and weights as torch.nn.ConvTranspose3d.

    Shapes: input (N, C, D, H, W) or (C, D, H, W); weight (C, O / groups, KD, KH, KW); bias (O,); output
    (N, O, OD, OH, OW), sizes as ConvTranspose2d's.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> up = nn.ConvTranspose3d(4, 2, 2, stride=2)
      >>> up(loopnest.tensor(np.ones((1, 4, 3, 5, 5), np.float32))).shape == (1, 2, 6, 10, 10)
      True
    """

    axes = 3

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """(N, C, D, H, W) -> (N, O, OD, OH, OW), or both without N. output_size chooses output_padding."""
        return self._spread(functional.conv_transpose3d, input, output_size)
