"""Functions of torch.nn.functional that are others under another name, or change their input: relu_ and its
kin, pools with indices, upsampling; and gumbel_softmax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from loopnest.engine import custom
from loopnest.engine.tape import Tensor, become, default_generator, max_pool2d, relu, tensor
from loopnest.nn.functional import activation, pooling
from loopnest.nn.functional.resize import upsample


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """softmax((logits + noise) / tau) with Gumbel's noise: samples of the classes that can be
    differentiated; as torch.nn.functional.gumbel_softmax.

    Args:
      tau: > 0; the smaller, the nearer to one class. hard: exactly one class, with the gradient of the soft
        result. eps: PyTorch's, without effect.

    Source: Jang, Gu and Poole, "Categorical reparameterization with Gumbel-softmax", 2017.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> F.gumbel_softmax(loopnest.tensor([[0.0, 100.0]]), hard=True).tolist()
      [[0.0, 1.0]]
    """
    if not tau > 0:
        raise ValueError(f"gumbel_softmax: expected tau > 0, got {tau}")
    if logits.dtype.kind != "f":
        raise TypeError(f"gumbel_softmax: expected logits of float32 or float64, got {logits.dtype}")
    noise = default_generator().gumbel(size=logits.shape).astype(logits.dtype)
    soft = activation.softmax((logits + tensor(noise)) / tau, dim)
    if not hard:
        return soft
    y = custom.numbers(soft)
    one = np.zeros_like(y)
    np.put_along_axis(one, y.argmax(dim, keepdims=True), 1, dim)
    return custom.recorded("StraightThroughBackward", one, (soft,), lambda g: (g,))


def _changing(name: str, function: Callable[..., Tensor], example: str, result: str) -> Callable[..., Tensor]:
    def changing(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return become(input, function(input, *args, **kwargs))

    changing.__name__ = changing.__qualname__ = name
    changing.__doc__ = f"""{name[:-1]}, with its arguments, which changes its input; returns it.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> F.{name}(loopnest.tensor([-1.0, 2.0]){example}).tolist()
      {result}
    """
    return changing


relu_ = _changing("relu_", relu, "", "[0.0, 2.0]")
leaky_relu_ = _changing("leaky_relu_", activation.leaky_relu, ", 0.5", "[-0.5, 2.0]")
elu_ = _changing("elu_", activation.elu, ").clamp(min=0", "[0.0, 2.0]")
celu_ = _changing("celu_", activation.celu, ").clamp(min=0", "[0.0, 2.0]")
selu_ = _changing("selu_", activation.selu, ").sign(", "[-1.0, 1.0]")
hardtanh_ = _changing("hardtanh_", activation.hardtanh, "", "[-1.0, 1.0]")
threshold_ = _changing("threshold_", activation.threshold, ", 0.0, 5.0", "[5.0, 2.0]")
rrelu_ = _changing("rrelu_", activation.rrelu, ", 0.5, 0.5", "[-0.5, 2.0]")


def _with_indices(name: str, pool: Callable[..., Any], axes: int, size: str) -> Callable[..., Any]:
    def pooled(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        return pool(input, *args, **{**kwargs, "return_indices": True})

    pooled.__name__ = pooled.__qualname__ = name
    pooled.__doc__ = f"""{name.removesuffix("_with_indices")}, with its arguments: (values, indices).

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> values, indices = F.{name}(loopnest.ones({", ".join(["1", "1", *["4"] * axes])}), 2)
      >>> indices.dtype, values.shape
      (dtype('int64'), {size})
    """
    return pooled


max_pool1d_with_indices = _with_indices("max_pool1d_with_indices", pooling.max_pool1d, 1, "(1, 1, 2)")
max_pool2d_with_indices = _with_indices("max_pool2d_with_indices", max_pool2d, 2, "(1, 1, 2, 2)")
max_pool3d_with_indices = _with_indices("max_pool3d_with_indices", pooling.max_pool3d, 3, "(1, 1, 2, 2, 2)")
adaptive_max_pool1d_with_indices = _with_indices(
    "adaptive_max_pool1d_with_indices", pooling.adaptive_max_pool1d, 1, "(1, 1, 2)"
)
adaptive_max_pool2d_with_indices = _with_indices(
    "adaptive_max_pool2d_with_indices", pooling.adaptive_max_pool2d, 2, "(1, 1, 2, 2)"
)
adaptive_max_pool3d_with_indices = _with_indices(
    "adaptive_max_pool3d_with_indices", pooling.adaptive_max_pool3d, 3, "(1, 1, 2, 2, 2)"
)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """interpolate(mode="nearest"), PyTorch's older name.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> F.upsample_nearest(loopnest.tensor([[[1.0, 2.0]]]), scale_factor=2).tolist()
      [[[1.0, 1.0, 2.0, 2.0]]]
    """
    return upsample(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """interpolate(mode="bilinear", align_corners=True), PyTorch's older name.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> F.upsample_bilinear(loopnest.tensor([[[[1.0, 3.0]]]]), size=(1, 3)).tolist()
      [[[[1.0, 2.0, 3.0]]]]
    """
    return upsample(input, size, scale_factor, mode="bilinear", align_corners=True)
