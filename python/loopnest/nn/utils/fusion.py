"""A batch norm folded into the layer before it, for evaluation; torch.nn.utils' names.

loopnest.compile does this by itself; these functions give an ordinary layer back.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from loopnest.engine.tape import Tensor, no_grad, zeros_like
from loopnest.nn.conv import _ConvNd
from loopnest.nn.linear import Linear
from loopnest.nn.module import Module
from loopnest.nn.norm import _BatchNorm
from loopnest.nn.parameter import Parameter

L = TypeVar("L", bound=Module)


def fuse_conv_bn_eval(conv: L, bn: Any, transpose: bool = False) -> L:
    """A new convolution that does what `conv` and the batch norm behind it do in evaluation; as
    torch.nn.utils.fuse_conv_bn_eval.

    Args: conv, bn: in evaluation mode, bn with running statistics. transpose: conv is a transposed one.

    Raises ValueError if one is in training mode, bn has no running statistics, or channels do not fit.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
      >>> x = loopnest.tensor(np.random.default_rng(0).standard_normal((2, 3, 5, 5)).astype("f"))
      >>> _ = net(x)  # the running statistics move
      >>> fused = nn.utils.fuse_conv_bn_eval(*net.eval())
      >>> bool(np.allclose(fused(x).detach(), net(x).detach(), atol=1e-5))
      True
    """
    who = "fuse_conv_bn_eval"
    if not isinstance(conv, _ConvNd):
        raise TypeError(f"{who}: expected conv to be a convolution, got {type(conv).__name__}")
    _need_eval(who, conv, bn)
    if conv.transposed != transpose:
        raise ValueError(
            f"{who}: expected transpose={conv.transposed} for {type(conv).__name__}, got {transpose}"
        )
    if transpose and conv.groups > 1:
        raise ValueError(f"{who}: a transposed convolution of groups = {conv.groups} cannot be fused")
    if conv.out_channels != bn.num_features:
        raise ValueError(
            f"{who}: expected a batch norm of {conv.out_channels} channels, as conv gives, got "
            f"{bn.num_features}"
        )
    return _with_parameters(
        conv,
        fuse_conv_bn_weights(
            conv.weight, conv.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose
        ),
    )


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """The weight and the bias of the fused convolution: with s = bn_w / sqrt(bn_rv + bn_eps), conv_w s and
    (conv_b - bn_rm) s + bn_b.

    Args:
      conv_w: (O, ...), or (I, O, ...) with transpose.
      conv_b, bn_rm, bn_rv, bn_w, bn_b: (O,); None: zeros, and ones for bn_w.

    Example:
      >>> import loopnest
      >>> from loopnest.nn.utils import fuse_conv_bn_weights
      >>> one, four = loopnest.ones(1), loopnest.tensor([4.0])
      >>> w, b = fuse_conv_bn_weights(loopnest.ones(1, 1, 1), None, one, four, 0.0, four, None)
      >>> w.item(), b.item()
      (2.0, -2.0)
    """
    axes = conv_w.ndim
    shape = tuple(-1 if axis == int(transpose) else 1 for axis in range(axes))
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape)


def fuse_linear_bn_eval(linear: L, bn: Any) -> L:
    """A new linear layer that does what `linear` and the batch norm behind it, over (N, C), do in
    evaluation; as torch.nn.utils.fuse_linear_bn_eval.

    Raises ValueError as fuse_conv_bn_eval does; bn may also have a single feature, for all of linear's.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).eval()
      >>> x = loopnest.ones(2, 3)
      >>> bool(np.allclose(nn.utils.fuse_linear_bn_eval(*net)(x).detach(), net(x).detach(), atol=1e-6))
      True
    """
    who = "fuse_linear_bn_eval"
    if not isinstance(linear, Linear):
        raise TypeError(f"{who}: expected linear to be a Linear, got {type(linear).__name__}")
    _need_eval(who, linear, bn)
    if bn.num_features not in (1, linear.out_features):
        raise ValueError(
            f"{who}: expected a batch norm of {linear.out_features} features, as linear gives, or of 1, got "
            f"{bn.num_features}"
        )
    return _with_parameters(
        linear,
        fuse_linear_bn_weights(
            linear.weight, linear.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
        ),
    )


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """The weight and the bias of the fused linear layer; as fuse_conv_bn_weights, linear_w (O, I).

    Example:
      >>> import loopnest
      >>> from loopnest.nn.utils import fuse_linear_bn_weights
      >>> one, four = loopnest.ones(1), loopnest.tensor([4.0])
      >>> w, b = fuse_linear_bn_weights(loopnest.ones(1, 3), one, one, four, 0.0, one, one)
      >>> w.tolist(), b.tolist()
      ([[0.5, 0.5, 0.5]], [1.0])
    """
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, (-1, 1))


def _fused(
    w: Tensor,
    b: Tensor | None,
    mean: Tensor,
    var: Tensor,
    eps: float,
    gain: Tensor | None,
    shift: Tensor | None,
    shape: tuple[int, ...],
) -> tuple[Parameter, Parameter]:
    learns = w.requires_grad, b is not None and b.requires_grad
    with no_grad():
        scale = 1 / (var + eps).sqrt()
        scale = scale if gain is None else scale * gain
        weight = (w * scale.reshape(shape)).to(w.dtype)
        bias = (-mean if b is None else b - mean) * scale
        bias = (bias if shift is None else bias + shift).to(w.dtype if b is None else b.dtype)
        if bias.shape[0] != weight.shape[shape.index(-1)]:  # one feature of the norm for all
            bias = bias + zeros_like(weight[:, 0])
    return Parameter(weight, learns[0]), Parameter(bias, learns[1])


def _need_eval(who: str, layer: Module, bn: Any) -> None:
    if not isinstance(bn, _BatchNorm):
        raise TypeError(f"{who}: expected bn to be a batch norm, got {type(bn).__name__}")
    if layer.training or bn.training:
        raise ValueError(f"{who}: expected both layers in evaluation mode; call their eval() first")
    if bn.running_mean is None or bn.running_var is None:
        raise ValueError(f"{who}: expected a batch norm with running statistics, got {bn}")


def _with_parameters(layer: L, parameters: tuple[Parameter, Parameter]) -> L:
    made: Any = copy.deepcopy(layer)
    made.weight, made.bias = parameters
    return made  # type: ignore[no-any-return]
