"""Batch, instance, group, layer and RMS normalisation; names, defaults and state_dict keys as PyTorch's."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from loopnest.engine.tape import Tensor, tensor
from loopnest.nn import functional
from loopnest.nn._check import check_device, flag, float_dtype, integer, number
from loopnest.nn.module import Module
from loopnest.nn.parameter import Parameter


def _eps(who: str, eps: Any) -> float:
    return number(who, "eps", eps, lambda v: v >= 0, "of at least 0")


class _Running(Module):
    """What batch and instance norm share: running statistics, a weight and a bias for each channel."""

    _ranks: ClassVar[tuple[int, ...]]
    _axes: ClassVar[str]
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: Any,
        bias: bool,
    ) -> None:
        super().__init__()
        who = type(self).__name__
        self.num_features = integer(who, "num_features", num_features, at_least=0)
        self.eps = _eps(who, eps)
        self.momentum = momentum
        if momentum is not None:
            self.momentum = number(who, "momentum", momentum, lambda v: v >= 0, "of at least 0, or None")
        self.affine = flag(who, "affine", affine)
        self.track_running_stats = flag(who, "track_running_stats", track_running_stats)
        check_device(who, device)
        kind = float_dtype(who, dtype)
        for name, there in (("weight", affine), ("bias", flag(who, "bias", bias) and affine)):
            self.register_parameter(name, Parameter(np.empty(self.num_features, kind)) if there else None)
        for name in ("running_mean", "running_var"):
            self.register_buffer(
                name, tensor(np.zeros(self.num_features, kind)) if track_running_stats else None
            )
        self.register_buffer("num_batches_tracked", tensor(np.array(0)) if track_running_stats else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, no batches seen."""
        if self.running_mean is not None and self.running_var is not None:
            self.running_mean.zero_()
            self.running_var.fill_(1)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Running statistics as new; weight 1, bias 0."""
        self.reset_running_stats()
        if self.weight is not None:
            self.weight.data.fill_(1)
        if self.bias is not None:
            self.bias.data.zero_()

    def _check(self, input: Tensor) -> None:
        if input.ndim not in self._ranks:
            raise ValueError(f"{type(self).__name__}: expected input {self._axes}, got {input.shape}")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_Running):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) -> the same shape."""
        self._check(input)
        if input.shape[1] != self.num_features:
            raise ValueError(
                f"{type(self).__name__}: expected input of {self.num_features} channels, got {input.shape}"
            )
        factor = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # the mean over all batches so far
                factor = 1.0 / float(self.num_batches_tracked)
        tracked = not self.training or self.track_running_stats
        return functional.batch_norm(
            input,
            self.running_mean if tracked else None,
            self.running_var if tracked else None,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            factor,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """Every channel normalised over the batch (and the steps); arguments and keys as torch.nn.BatchNorm1d.

    Args:
      num_features: channels. eps: added to the variance. affine: have a weight and a bias for each channel.
      momentum: how far running statistics move to the batch's in each training step; None: they are the mean
        over all batches. track_running_stats: have them; otherwise eval() uses the batch's, too.
      bias: False for a weight alone.

    Shapes: input (N, C) or (N, C, L); output the same.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> y = nn.BatchNorm1d(1)(loopnest.tensor(np.array([[1.0], [3.0]], np.float32)))
      >>> y.detach().numpy().round(3).tolist()
      [[-1.0], [1.0]]
    """

    _ranks = (2, 3)
    _axes = "(N, C) or (N, C, L)"


class BatchNorm2d(_BatchNorm):
    """Every channel normalised over the batch and all pixels; arguments and keys as torch.nn.BatchNorm2d.

    Arguments as BatchNorm1d. Shapes: input (N, C, H, W); output the same, channels-last in memory.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> layer = nn.BatchNorm2d(3)
      >>> layer(loopnest.tensor(np.ones((2, 3, 4, 4), np.float32))).shape == (2, 3, 4, 4)
      True
      >>> list(layer.state_dict())
      ['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked']
    """

    _ranks = (4,)
    _axes = "(N, C, H, W)"


class BatchNorm3d(_BatchNorm):
    """Every channel normalised over the batch and all places; arguments and keys as torch.nn.BatchNorm3d.

    Arguments as BatchNorm1d. Shapes: input (N, C, D, H, W); output the same, channels-last in memory.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.BatchNorm3d(3)(loopnest.tensor(np.ones((1, 3, 2, 4, 4), np.float32))).shape == (1, 3, 2, 4, 4)
      True
    """

    _ranks = (5,)
    _axes = "(N, C, D, H, W)"


class _InstanceNorm(_Running):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) or (C, ...) -> the same shape."""
        self._check(input)
        unbatched = input.ndim == min(self._ranks)
        channels = input.shape[0 if unbatched else 1]
        if channels != self.num_features and (self.affine or self.track_running_stats):
            raise ValueError(
                f"{type(self).__name__}: expected input of {self.num_features} channels, got {input.shape}"
            )
        y = functional.instance_norm(
            input.unsqueeze(0) if unbatched else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return y.squeeze(0) if unbatched else y


class InstanceNorm1d(_InstanceNorm):
    """Every channel of every sequence normalised over its steps; arguments as torch.nn.InstanceNorm1d.

    Arguments as BatchNorm1d, but affine and track_running_stats are off. Shapes: (N, C, L) or (C, L).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.InstanceNorm1d(1)(loopnest.tensor(np.array([[[1.0, 3.0]]]))).numpy().round(3).tolist()
      [[[-1.0, 1.0]]]
    """

    _ranks = (2, 3)
    _axes = "(N, C, L) or (C, L)"


class InstanceNorm2d(_InstanceNorm):
    """Every channel of every image normalised over its pixels; arguments as torch.nn.InstanceNorm2d.

    Arguments as InstanceNorm1d. Shapes: (N, C, H, W) or (C, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.InstanceNorm2d(3)(loopnest.tensor(np.ones((2, 3, 4, 4), np.float32))).shape == (2, 3, 4, 4)
      True
    """

    _ranks = (3, 4)
    _axes = "(N, C, H, W) or (C, H, W)"


class InstanceNorm3d(_InstanceNorm):
    """Every channel of every volume normalised over its places; arguments as torch.nn.InstanceNorm3d.

    Arguments as InstanceNorm1d. Shapes: (N, C, D, H, W) or (C, D, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.InstanceNorm3d(3)(loopnest.tensor(np.ones((3, 2, 4, 4), np.float32))).shape == (3, 2, 4, 4)
      True
    """

    _ranks = (4, 5)
    _axes = "(N, C, D, H, W) or (C, D, H, W)"


class GroupNorm(Module):
    """Groups of neighbouring channels of every image normalised; arguments and keys as torch.nn.GroupNorm.

    Args:
      num_groups: must divide num_channels. affine: have a weight and a bias for each channel.

    Shapes: input (N, C, ...); output the same.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.GroupNorm(2, 4)(loopnest.tensor(np.ones((2, 4, 3), np.float32))).shape == (2, 4, 3)
      True
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_groups = integer("GroupNorm", "num_groups", num_groups)
        self.num_channels = integer("GroupNorm", "num_channels", num_channels)
        if self.num_channels % self.num_groups:
            raise ValueError(
                f"GroupNorm: expected num_groups that divides num_channels = {num_channels}, got {num_groups}"
            )
        self.eps = _eps("GroupNorm", eps)
        self.affine = flag("GroupNorm", "affine", affine)
        check_device("GroupNorm", device)
        kind = float_dtype("GroupNorm", dtype)
        for name, there in (("weight", affine), ("bias", flag("GroupNorm", "bias", bias) and affine)):
            self.register_parameter(name, Parameter(np.empty(self.num_channels, kind)) if there else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.weight is not None:
            self.weight.data.fill_(1)
        if self.bias is not None:
            self.bias.data.zero_()

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) -> the same shape."""
        return functional.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


def _shape(who: str, shape: Any) -> tuple[int, ...]:
    given = tuple(shape) if isinstance(shape, Sequence) else (shape,)
    if not given:
        raise ValueError(f"{who}: expected normalized_shape of at least one axis, got {shape!r}")
    return tuple(integer(who, "normalized_shape", n) for n in given)


class LayerNorm(Module):
    """The last axes normalised; arguments and keys as torch.nn.LayerNorm.

    Args:
      normalized_shape: the lengths of the last axes, or one of them. elementwise_affine: have a weight, and
        if `bias` a bias, of that shape.

    Shapes: input (..., *normalized_shape); output the same.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> y = nn.LayerNorm(2)(loopnest.tensor(np.array([1.0, 3.0], np.float32)))
      >>> y.detach().numpy().round(3).tolist()
      [-1.0, 1.0]
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape("LayerNorm", normalized_shape)
        self.eps = _eps("LayerNorm", eps)
        self.elementwise_affine = flag("LayerNorm", "elementwise_affine", elementwise_affine)
        check_device("LayerNorm", device)
        kind, has_bias = float_dtype("LayerNorm", dtype), flag("LayerNorm", "bias", bias)
        for name, there in (("weight", elementwise_affine), ("bias", elementwise_affine and has_bias)):
            self.register_parameter(name, Parameter(np.empty(self.normalized_shape, kind)) if there else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.weight is not None:
            self.weight.data.fill_(1)
        if self.bias is not None:
            self.bias.data.zero_()

    def forward(self, input: Tensor) -> Tensor:
        """(..., *normalized_shape) -> the same shape."""
        return functional.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """The last axes divided by their root mean square; arguments and keys as torch.nn.RMSNorm.

    Args:
      normalized_shape: the lengths of the last axes, or one of them. eps: None for the dtype's (1.2e-7).

    Shapes: input (..., *normalized_shape); output the same.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> y = nn.RMSNorm(2, eps=0.0)(loopnest.tensor(np.array([3.0, -3.0], np.float32)))
      >>> y.detach().numpy().tolist()
      [1.0, -1.0]
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape("RMSNorm", normalized_shape)
        self.eps = None if eps is None else _eps("RMSNorm", eps)
        self.elementwise_affine = flag("RMSNorm", "elementwise_affine", elementwise_affine)
        check_device("RMSNorm", device)
        kind = float_dtype("RMSNorm", dtype)
        self.register_parameter(
            "weight", Parameter(np.empty(self.normalized_shape, kind)) if elementwise_affine else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1."""
        if self.weight is not None:
            self.weight.data.fill_(1)

    def forward(self, input: Tensor) -> Tensor:
        """(..., *normalized_shape) -> the same shape."""
        return functional.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class LocalResponseNorm(Module):
    """x / (k + alpha * mean of x^2 over `size` neighbouring channels) ** beta; as torch.nn.LocalResponseNorm.

    Shapes: input (N, C, ...); output the same.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> norm = nn.LocalResponseNorm(2, alpha=2.0, beta=1.0, k=0.0)
      >>> norm(loopnest.tensor([[[4.0], [0.0]]])).tolist()
      [[[0.25], [0.0]]]
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = integer("LocalResponseNorm", "size", size)
        self.alpha, self.beta, self.k = alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) -> the same shape."""
        return functional.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
