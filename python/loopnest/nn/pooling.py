"""Pools in one, two and three dimensions: max, average, Lp, adaptive, and unpooling."""

from typing import Any, ClassVar

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


class _Windows(Module):
    """What the pools in one and three dimensions share."""

    _dimensions: ClassVar[int]

    def _numbers(self, name: str, value: Any, at_least: int = 1) -> Any:
        """One number, or one for each dimension; as it was written."""
        count = self._dimensions
        if not isinstance(value, (tuple, list)):
            return integer(type(self).__name__, name, value, at_least)
        if len(value) != count:
            raise ValueError(
                f"{type(self).__name__}: expected {name} to be one number or {count}, got {value!r}"
            )
        return tuple(integer(type(self).__name__, name, v, at_least) for v in value)

    def _set(self, kernel_size: Any, stride: Any, padding: Any) -> None:
        self.kernel_size = self._numbers("kernel_size", kernel_size)
        self.stride = self.kernel_size if stride is None else self._numbers("stride", stride)
        self.padding = self._numbers("padding", padding, 0)
        kernel, pad = (
            v if isinstance(v, tuple) else (v,) * self._dimensions for v in (self.kernel_size, self.padding)
        )
        if any(2 * b > k for b, k in zip(pad, kernel, strict=True)):
            raise ValueError(
                f"{type(self).__name__}: expected padding of at most half the kernel {kernel}, got {pad}"
            )


class _MaxPool(_Windows):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self._set(kernel_size, stride, padding)
        self.dilation = self._numbers("dilation", dilation)
        self.return_indices = flag(type(self).__name__, "return_indices", return_indices)
        self.ceil_mode = flag(type(self).__name__, "ceil_mode", ceil_mode)

    def forward(self, input: Tensor) -> Any:
        """(N, C, ...) -> (N, C, ...), or both without N; a pair with the indices if return_indices."""
        pool = functional.max_pool1d if self._dimensions == 1 else functional.max_pool3d
        how = (self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)
        return pool(input, *how, self.return_indices)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


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


class AdaptiveAvgPool1d(Module):
    """The mean of as many windows as are asked for; argument as torch.nn.AdaptiveAvgPool1d.

    output_size: how many, for the axis. 1 is global average pooling.

    Shapes: (N, C, L) or (C, L); output the same axes with output_size places.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.AdaptiveAvgPool1d(2)(loopnest.tensor(np.ones((1, 2, 7), np.float32))).shape == (1, 2, 2)
      True
    """

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) or (C, L) -> as many places as output_size says."""
        return functional.adaptive_avg_pool1d(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool2d(Module):
    """The mean of as many windows as are asked for; argument as torch.nn.AdaptiveAvgPool2d.

    output_size: how many, for each axis; None keeps the input's. 1 is global average pooling.

    Shapes: (N, C, H, W) or (C, H, W); output the same axes with output_size places.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.AdaptiveAvgPool2d(2)(loopnest.tensor(np.ones((1, 2, 7, 5), np.float32))).shape == (1, 2, 2, 2)
      True
    """

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W) -> as many places as output_size says."""
        return functional.adaptive_avg_pool2d(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool3d(Module):
    """The mean of as many windows as are asked for; argument as torch.nn.AdaptiveAvgPool3d.

    output_size: how many, for each axis; None keeps the input's. 1 is global average pooling.

    Shapes: (N, C, D, H, W) or (C, D, H, W); output the same axes with output_size places.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.AdaptiveAvgPool3d(2)(loopnest.tensor(np.ones((1, 2, 4, 7, 5)))).shape == (1, 2, 2, 2, 2)
      True
    """

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) or (C, D, H, W) -> as many places as output_size says."""
        return functional.adaptive_avg_pool3d(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class MaxPool1d(_MaxPool):
    """The largest element of every window; arguments as MaxPool2d's and torch.nn.MaxPool1d's.

    Shapes: (N, C, L) or (C, L).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.MaxPool1d(2)(loopnest.tensor(np.ones((1, 3, 8), np.float32))).shape == (1, 3, 4)
      True
    """

    _dimensions = 1


class MaxPool3d(_MaxPool):
    """The largest element of every window; arguments as MaxPool2d's and torch.nn.MaxPool3d's.

    Shapes: (N, C, D, H, W) or (C, D, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.MaxPool3d(2)(loopnest.tensor(np.ones((1, 3, 4, 8, 8), np.float32))).shape == (1, 3, 2, 4, 4)
      True
    """

    _dimensions = 3


class AvgPool1d(_Windows):
    """The mean of every window; arguments as torch.nn.AvgPool1d.

    Shapes: (N, C, L) or (C, L).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.AvgPool1d(2)(loopnest.tensor(np.ones((1, 3, 8), np.float32))).shape == (1, 3, 4)
      True
    """

    _dimensions = 1

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self._set(kernel_size, stride, padding)
        for name in ("kernel_size", "stride", "padding"):  # PyTorch keeps and prints them as tuples
            value = getattr(self, name)
            setattr(self, name, value if isinstance(value, tuple) else (value,))
        self.ceil_mode = flag("AvgPool1d", "ceil_mode", ceil_mode)
        self.count_include_pad = flag("AvgPool1d", "count_include_pad", count_include_pad)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) -> (N, C, OL), or both without N."""
        return functional.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool3d(_Windows):
    """The mean of every window; arguments as AvgPool2d's and torch.nn.AvgPool3d's.

    Shapes: (N, C, D, H, W) or (C, D, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.AvgPool3d(2)(loopnest.tensor(np.ones((1, 3, 4, 8, 8), np.float32))).shape == (1, 3, 2, 4, 4)
      True
    """

    _dimensions = 3

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self._set(kernel_size, stride, padding)
        self.ceil_mode = flag("AvgPool3d", "ceil_mode", ceil_mode)
        self.count_include_pad = flag("AvgPool3d", "count_include_pad", count_include_pad)
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) -> (N, C, OD, OH, OW), or both without N."""
        how = (self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)
        return functional.avg_pool3d(input, *how, self.divisor_override)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _LPPool(Module):
    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = (
            norm_type,
            kernel_size,
            stride,
            ceil_mode,
        )

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """(sum of x^p)^(1/p) of every window, p = norm_type; arguments as torch.nn.LPPool1d.

    Shapes: (N, C, L) or (C, L).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.LPPool1d(2, 2)(loopnest.tensor(np.array([[3.0, 4.0]]))).numpy().ravel().tolist()
      [5.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) or (C, L) -> as many places as there are windows."""
        return functional.lp_pool1d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class AdaptiveMaxPool1d(Module):
    """The largest of as many windows as are asked for; arguments as torch.nn.AdaptiveMaxPool1d.

    Shapes: (N, C, L) or (C, L); output the same axes with output_size places.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.ones((1, 2, 7), np.float32))
      >>> nn.AdaptiveMaxPool1d(2)(x).shape == (1, 2, 2)
      True
    """

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = flag("AdaptiveMaxPool1d", "return_indices", return_indices)

    def forward(self, input: Tensor) -> Any:
        """(N, C, L) or (C, L) -> output_size places; with return_indices a pair."""
        return functional.adaptive_max_pool1d(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class MaxUnpool1d(_Windows):
    """Puts maxima back to where MaxPool1d found them; arguments as torch.nn.MaxUnpool1d.

    Shapes: (N, C, L) or (C, L).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.ones((1, 2, 4), np.float32))
      >>> nn.MaxUnpool1d(2)(*nn.MaxPool1d(2, return_indices=True)(x)).shape == x.shape
      True
    """

    _dimensions = 1

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self._set(kernel_size, stride, padding)
        for name in ("kernel_size", "stride", "padding"):  # PyTorch keeps and prints them as tuples
            value = getattr(self, name)
            setattr(self, name, value if isinstance(value, tuple) else (value,) * 1)

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """(N, C, L) or (C, L) -> the places before pooling."""
        return functional.max_unpool1d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class LPPool2d(_LPPool):
    """(sum of x^p)^(1/p) of every window, p = norm_type; arguments as torch.nn.LPPool2d.

    Shapes: (N, C, H, W) or (C, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.LPPool2d(2, (1, 2))(loopnest.tensor(np.array([[[3.0, 4.0]]]))).numpy().ravel().tolist()
      [5.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W) -> as many places as there are windows."""
        return functional.lp_pool2d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class AdaptiveMaxPool2d(Module):
    """The largest of as many windows as are asked for; arguments as torch.nn.AdaptiveMaxPool2d.

    Shapes: (N, C, H, W) or (C, H, W); output the same axes with output_size places.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.ones((1, 2, 7, 5), np.float32))
      >>> nn.AdaptiveMaxPool2d(2)(x).shape == (1, 2, 2, 2)
      True
    """

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = flag("AdaptiveMaxPool2d", "return_indices", return_indices)

    def forward(self, input: Tensor) -> Any:
        """(N, C, H, W) or (C, H, W) -> output_size places; with return_indices a pair."""
        return functional.adaptive_max_pool2d(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class MaxUnpool2d(_Windows):
    """Puts maxima back to where MaxPool2d found them; arguments as torch.nn.MaxUnpool2d.

    Shapes: (N, C, H, W) or (C, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.ones((1, 2, 4, 4), np.float32))
      >>> nn.MaxUnpool2d(2)(*nn.MaxPool2d(2, return_indices=True)(x)).shape == x.shape
      True
    """

    _dimensions = 2

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self._set(kernel_size, stride, padding)
        for name in ("kernel_size", "stride", "padding"):  # PyTorch keeps and prints them as tuples
            value = getattr(self, name)
            setattr(self, name, value if isinstance(value, tuple) else (value,) * 2)

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """(N, C, H, W) or (C, H, W) -> the places before pooling."""
        return functional.max_unpool2d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class LPPool3d(_LPPool):
    """(sum of x^p)^(1/p) of every window, p = norm_type; arguments as torch.nn.LPPool3d.

    Shapes: (N, C, D, H, W) or (C, D, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.LPPool3d(2, (1, 1, 2))(loopnest.tensor(np.array([[[[3.0, 4.0]]]]))).numpy().ravel().tolist()
      [5.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) or (C, D, H, W) -> as many places as there are windows."""
        return functional.lp_pool3d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class AdaptiveMaxPool3d(Module):
    """The largest of as many windows as are asked for; arguments as torch.nn.AdaptiveMaxPool3d.

    Shapes: (N, C, D, H, W) or (C, D, H, W); output the same axes with output_size places.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.ones((1, 2, 7, 5, 4), np.float32))
      >>> nn.AdaptiveMaxPool3d(2)(x).shape == (1, 2, 2, 2, 2)
      True
    """

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = flag("AdaptiveMaxPool3d", "return_indices", return_indices)

    def forward(self, input: Tensor) -> Any:
        """(N, C, D, H, W) or (C, D, H, W) -> output_size places; with return_indices a pair."""
        return functional.adaptive_max_pool3d(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class MaxUnpool3d(_Windows):
    """Puts maxima back to where MaxPool3d found them; arguments as torch.nn.MaxUnpool3d.

    Shapes: (N, C, D, H, W) or (C, D, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.ones((1, 2, 4, 4, 4), np.float32))
      >>> nn.MaxUnpool3d(2)(*nn.MaxPool3d(2, return_indices=True)(x)).shape == x.shape
      True
    """

    _dimensions = 3

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self._set(kernel_size, stride, padding)
        for name in ("kernel_size", "stride", "padding"):  # PyTorch keeps and prints them as tuples
            value = getattr(self, name)
            setattr(self, name, value if isinstance(value, tuple) else (value,) * 3)

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """(N, C, D, H, W) or (C, D, H, W) -> the places before pooling."""
        return functional.max_unpool3d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
