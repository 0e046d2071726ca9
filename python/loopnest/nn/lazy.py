"""Lazy layers: the number of their input channels is that of the first input they see; torch.nn's names."""

from __future__ import annotations

from typing import Any, ClassVar

from loopnest.engine.tape import Tensor
from loopnest.nn.conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    Each,
    Padding,
    _ConvNd,
)
from loopnest.nn.linear import Linear
from loopnest.nn.module import Module
from loopnest.nn.norm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    _Running,
)
from loopnest.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy


class LazyModuleMixin(Module):
    """A layer whose parameters get their shapes from its first input; it then becomes a layer of the class
    `cls_to_become`, the same object.

    A subclass says how many there are: `_unknown` names the attribute, 0 until then; `_count(input)` gives
    it; `_shapes()` the shape of each parameter and buffer.
    """

    cls_to_become: ClassVar[type[Module]]
    _unknown: ClassVar[str]

    def has_uninitialized_params(self) -> bool:
        """Is there a parameter or buffer without a shape?"""
        return any(is_lazy(t) for t in (*self._parameters.values(), *self._buffers.values()))

    def initialize_parameters(self, input: Tensor) -> None:
        """Give the parameters their shapes and first values; those that were loaded keep theirs."""
        count = self._count(input)
        setattr(self, self._unknown, count)
        shapes = self._shapes()
        named: dict[str, Any] = {**self._parameters, **self._buffers}
        lazy = {name for name in shapes if is_lazy(named[name])}
        loaded = {name: t.detach().clone() for name, t in named.items() if t is not None and name not in lazy}
        for name in lazy:
            named[name].materialize(shapes[name])
            if name in self._buffers:
                self._buffers[name] = named[name] = named[name].data  # a Tensor like other buffers
        if lazy:
            self.reset_parameters()
            for name, values in loaded.items():
                named[name].data.copy_(values)

    def reset_parameters(self) -> None:
        """New values, if the shapes are known."""
        if getattr(self, self._unknown) and not self.has_uninitialized_params():
            behind: Any = super()
            behind.reset_parameters()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.initialize_parameters(args[0] if args else kwargs["input"])
        me: Any = self
        me.__class__ = self.cls_to_become
        return me(*args, **kwargs)

    def _forget_shapes(self) -> None:
        """Uninitialized ones in place of all parameters and buffers whose shape depends on the input."""
        for name in self._shapes():
            if name in self._parameters:
                setattr(self, name, UninitializedParameter(dtype=getattr(self, name).dtype))
            else:
                self._buffers[name] = UninitializedBuffer(dtype=getattr(self, name).dtype)

    def _count(self, input: Tensor) -> int:
        raise NotImplementedError

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        raise NotImplementedError


class LazyLinear(LazyModuleMixin, Linear):
    """Linear whose in_features is the length of the first input's last axis; arguments as
    torch.nn.LazyLinear. After its first call it is a Linear.

    Before that its parameters have no shape, and whatever uses their numbers raises a ValueError. An
    optimizer may have them already.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> layer = nn.LazyLinear(3)
      >>> layer(loopnest.ones(2, 5)).shape
      (2, 3)
      >>> layer
      Linear(in_features=5, out_features=3, bias=True)
    """

    cls_to_become = Linear
    _unknown = "in_features"
    _least = 0

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(0, out_features, bias, device, dtype)
        self._forget_shapes()

    def _count(self, input: Tensor) -> int:
        if input.ndim == 0 or input.shape[-1] == 0:
            raise ValueError(f"LazyLinear: expected input of shape (..., in_features), got {input.shape}")
        return input.shape[-1]

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        found: dict[str, tuple[int, ...]] = {"weight": (self.out_features, self.in_features)}
        return found if self.bias is None else found | {"bias": (self.out_features,)}


class _LazyConv(LazyModuleMixin, _ConvNd):
    """What the lazy convolutions share."""

    _unknown = "in_channels"
    _least = 0

    def _count(self, input: Tensor) -> int:
        who, axes = type(self).__name__, self.axes
        if input.ndim not in (axes + 1, axes + 2):
            raise ValueError(f"{who}: expected input of {axes + 1} or {axes + 2} axes, got {input.shape}")
        channels = input.shape[-axes - 1]
        if channels == 0 or channels % self.groups:
            raise ValueError(
                f"{who}: expected input channels divisible by groups = {self.groups}, got {channels} (input "
                f"{input.shape})"
            )
        return channels

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        found = {"weight": (first, second // self.groups, *self.kernel_size)}
        return found if self.bias is None else found | {"bias": (self.out_channels,)}


class _LazyConvNd(_LazyConv):
    def __init__(
        self,
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
        layer: Any = super()  # in the order of a lazy layer's classes the layer itself comes next
        rest = stride, padding, dilation, groups, bias, padding_mode, device, dtype
        layer.__init__(0, out_channels, kernel_size, *rest)
        self._forget_shapes()


class _LazyConvTransposeNd(_LazyConv):
    def __init__(
        self,
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
        layer: Any = super()
        rest = stride, padding, output_padding, groups, bias, dilation, padding_mode, device, dtype
        layer.__init__(0, out_channels, kernel_size, *rest)
        self._forget_shapes()


class _LazyNorm(LazyModuleMixin, _Running):
    """What the lazy norms share."""

    _unknown = "num_features"

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        layer: Any = super()
        layer.__init__(0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self._forget_shapes()

    def _count(self, input: Tensor) -> int:
        self._check(input)
        unbatched = isinstance(self, (InstanceNorm1d, InstanceNorm2d, InstanceNorm3d))
        return input.shape[0 if unbatched and input.ndim == min(self._ranks) else 1]

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        names = "weight", "bias", "running_mean", "running_var"
        return {name: (self.num_features,) for name in names if getattr(self, name) is not None}


class LazyConv1d(_LazyConvNd, Conv1d):
    """Conv1d whose in_channels is that of the first input; arguments as torch.nn.LazyConv1d.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> layer = nn.LazyConv1d(8, 3)
      >>> y = layer(loopnest.ones(2, 3, 5))
      >>> layer.in_channels, type(layer) is nn.Conv1d
      (3, True)
    """

    cls_to_become = Conv1d


class LazyConv2d(_LazyConvNd, Conv2d):
    """Conv2d whose in_channels is that of the first input; arguments as torch.nn.LazyConv2d.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> layer = nn.LazyConv2d(8, 3)
      >>> y = layer(loopnest.ones(2, 3, 5, 5))
      >>> layer.in_channels, type(layer) is nn.Conv2d
      (3, True)
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyConvNd, Conv3d):
    """Conv3d whose in_channels is that of the first input; arguments as torch.nn.LazyConv3d.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> layer = nn.LazyConv3d(8, 3)
      >>> y = layer(loopnest.ones(2, 3, 5, 5, 5))
      >>> layer.in_channels, type(layer) is nn.Conv3d
      (3, True)
    """

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConvTransposeNd, ConvTranspose1d):
    """ConvTranspose1d whose in_channels is that of the first input; as torch.nn.LazyConvTranspose1d.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> layer = nn.LazyConvTranspose1d(8, 3)
      >>> y = layer(loopnest.ones(2, 3, 5))
      >>> layer.in_channels, type(layer) is nn.ConvTranspose1d
      (3, True)
    """

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTransposeNd, ConvTranspose2d):
    """ConvTranspose2d whose in_channels is that of the first input; as torch.nn.LazyConvTranspose2d.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> layer = nn.LazyConvTranspose2d(8, 3)
      >>> y = layer(loopnest.ones(2, 3, 5, 5))
      >>> layer.in_channels, type(layer) is nn.ConvTranspose2d
      (3, True)
    """

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTransposeNd, ConvTranspose3d):
    """ConvTranspose3d whose in_channels is that of the first input; as torch.nn.LazyConvTranspose3d.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> layer = nn.LazyConvTranspose3d(8, 3)
      >>> y = layer(loopnest.ones(2, 3, 5, 5, 5))
      >>> layer.in_channels, type(layer) is nn.ConvTranspose3d
      (3, True)
    """

    cls_to_become = ConvTranspose3d


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """BatchNorm1d whose num_features is that of the first input; arguments as torch.nn.LazyBatchNorm1d.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> layer = nn.LazyBatchNorm1d()
      >>> y = layer(loopnest.ones(2, 3, 5))
      >>> layer.num_features, type(layer) is nn.BatchNorm1d
      (3, True)
    """

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """BatchNorm2d whose num_features is that of the first input; arguments as torch.nn.LazyBatchNorm2d.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> layer = nn.LazyBatchNorm2d()
      >>> y = layer(loopnest.ones(2, 3, 5, 5))
      >>> layer.num_features, type(layer) is nn.BatchNorm2d
      (3, True)
    """

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """BatchNorm3d whose num_features is that of the first input; arguments as torch.nn.LazyBatchNorm3d.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> layer = nn.LazyBatchNorm3d()
      >>> y = layer(loopnest.ones(2, 3, 5, 5, 5))
      >>> layer.num_features, type(layer) is nn.BatchNorm3d
      (3, True)
    """

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    """InstanceNorm1d whose num_features is that of the first input; arguments as torch.nn.LazyInstanceNorm1d.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> layer = nn.LazyInstanceNorm1d()
      >>> y = layer(loopnest.ones(2, 3, 5))
      >>> layer.num_features, type(layer) is nn.InstanceNorm1d
      (3, True)
    """

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    """InstanceNorm2d whose num_features is that of the first input; arguments as torch.nn.LazyInstanceNorm2d.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> layer = nn.LazyInstanceNorm2d()
      >>> y = layer(loopnest.ones(2, 3, 5, 5))
      >>> layer.num_features, type(layer) is nn.InstanceNorm2d
      (3, True)
    """

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    """InstanceNorm3d whose num_features is that of the first input; arguments as torch.nn.LazyInstanceNorm3d.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> layer = nn.LazyInstanceNorm3d()
      >>> y = layer(loopnest.ones(2, 3, 5, 5, 5))
      >>> layer.num_features, type(layer) is nn.InstanceNorm3d
      (3, True)
    """

    cls_to_become = InstanceNorm3d
