"""Layers that change the number of places: Upsample, the shuffles, Unfold and Fold."""

from collections.abc import Sequence
from typing import Any

from loopnest.engine.tape import Tensor
from loopnest.nn import functional
from loopnest.nn._check import integer
from loopnest.nn.module import Module

IntTuple = int | Sequence[int]


class Upsample(Module):
    """Interpolation to a size or by a factor; arguments as torch.nn.Upsample.

    Args:
      size, scale_factor: one of them, a number or one for each axis. mode: "nearest", "linear", "bilinear",
        "bicubic" or "trilinear". align_corners: corners of input and output are the same places.

    Shapes: (N, C, L), (N, C, H, W) or (N, C, D, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.array([[[0.0, 4.0]]]))
      >>> nn.Upsample(scale_factor=2, mode="linear")(x).numpy().tolist()
      [[[0.0, 1.0, 3.0, 4.0]]]
    """

    def __init__(
        self,
        size: IntTuple | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        self.scale_factor: Any = None
        if isinstance(scale_factor, (tuple, list)):
            self.scale_factor = tuple(float(f) for f in scale_factor)
        elif scale_factor is not None:
            self.scale_factor = float(scale_factor)  # type: ignore[arg-type]
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) -> (N, C, ...)"""
        return functional.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self) -> str:
        by = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{by}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Upsample(mode="nearest") for images, under its older name.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.array([[[[1.0, 2.0]]]]))
      >>> nn.UpsamplingNearest2d(scale_factor=2)(x).shape == (1, 1, 2, 4)
      True
    """

    def __init__(
        self, size: IntTuple | None = None, scale_factor: float | Sequence[float] | None = None
    ) -> None:
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """Upsample(mode="bilinear", align_corners=True) under its older name.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.array([[[[1.0, 2.0]]]]))
      >>> nn.UpsamplingBilinear2d(size=(1, 3))(x).numpy().ravel().tolist()
      [1.0, 1.5, 2.0]
    """

    def __init__(
        self, size: IntTuple | None = None, scale_factor: float | Sequence[float] | None = None
    ) -> None:
        super().__init__(size, scale_factor, "bilinear", True)


class PixelShuffle(Module):
    """(..., C r^2, H, W) to (..., C, H r, W r); argument as torch.nn.PixelShuffle.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.PixelShuffle(2)(loopnest.tensor(np.ones((1, 8, 3, 3)))).shape == (1, 2, 6, 6)
      True
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = integer("PixelShuffle", "upscale_factor", upscale_factor)

    def forward(self, input: Tensor) -> Tensor:
        """(..., C r^2, H, W) -> (..., C, H r, W r)"""
        return functional.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(..., C, H r, W r) to (..., C r^2, H, W); argument as torch.nn.PixelUnshuffle.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.PixelUnshuffle(2)(loopnest.tensor(np.ones((1, 2, 6, 6)))).shape == (1, 8, 3, 3)
      True
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = integer("PixelUnshuffle", "downscale_factor", downscale_factor)

    def forward(self, input: Tensor) -> Tensor:
        """(..., C, H r, W r) -> (..., C r^2, H, W)"""
        return functional.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Channels dealt out anew between groups; argument as torch.nn.ChannelShuffle.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.arange(4.0).reshape(1, 4, 1, 1))
      >>> nn.ChannelShuffle(2)(x).numpy().ravel().tolist()
      [0.0, 2.0, 1.0, 3.0]
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = integer("ChannelShuffle", "groups", groups)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) -> the same shape."""
        return functional.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


class Unfold(Module):
    """Every window of an image as a column; arguments as torch.nn.Unfold.

    Shapes: (N, C, H, W) -> (N, C KH KW, L), L windows.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Unfold(3)(loopnest.tensor(np.ones((2, 4, 5, 5)))).shape == (2, 36, 9)
      True
    """

    def __init__(
        self, kernel_size: IntTuple, dilation: IntTuple = 1, padding: IntTuple = 0, stride: IntTuple = 1
    ) -> None:
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C KH KW, L)"""
        return functional.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Module):
    """Columns added up where their windows lie; arguments as torch.nn.Fold.

    Shapes: (N, C KH KW, L) -> (N, C, *output_size).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Fold((5, 5), 3)(loopnest.tensor(np.ones((2, 36, 9)))).shape == (2, 4, 5, 5)
      True
    """

    def __init__(
        self,
        output_size: IntTuple,
        kernel_size: IntTuple,
        dilation: IntTuple = 1,
        padding: IntTuple = 0,
        stride: IntTuple = 1,
    ) -> None:
        super().__init__()
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        """(N, C KH KW, L) -> (N, C, *output_size)"""
        return functional.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )
