"""Gradient clipping, parameters as a vector, normalised weights, packed sequences: torch.nn.utils' names."""

import math
from collections.abc import Iterable

import numpy as np

from loopnest.engine import gradients
from loopnest.engine.tape import Tensor, cat, tensor
from loopnest.nn.parameter import memory
from loopnest.nn.utils import parametrizations as parametrizations
from loopnest.nn.utils import parametrize as parametrize
from loopnest.nn.utils import rnn as rnn
from loopnest.nn.utils.fusion import fuse_conv_bn_eval as fuse_conv_bn_eval
from loopnest.nn.utils.fusion import fuse_conv_bn_weights as fuse_conv_bn_weights
from loopnest.nn.utils.fusion import fuse_linear_bn_eval as fuse_linear_bn_eval
from loopnest.nn.utils.fusion import fuse_linear_bn_weights as fuse_linear_bn_weights
from loopnest.nn.utils.init import skip_init as skip_init
from loopnest.nn.utils.reparametrized import remove_spectral_norm as remove_spectral_norm
from loopnest.nn.utils.reparametrized import remove_weight_norm as remove_weight_norm
from loopnest.nn.utils.reparametrized import spectral_norm as spectral_norm
from loopnest.nn.utils.reparametrized import weight_norm as weight_norm
from loopnest.nn.utils.truncated import detach as detach
from loopnest.nn.utils.truncated import truncated as truncated


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    params = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p.grad for p in params if p.grad is not None]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float | str = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients in place by min(1, max_norm / (norm + 1e-6)); returns the norm before, shape ().

    The norm is that of all gradients as one vector, summed in float64; norm_type may be "inf". foreach is
    PyTorch's choice of implementation, taken and ignored. Against torch.nn.utils.clip_grad_norm_
    one thing differs: gradients whose norm is NaN or infinite are left alone, so that they stay in sight.

    Raises ValueError if error_if_nonfinite and the norm is NaN or infinite.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> p = nn.Parameter(np.array([3.0, 4.0]))
      >>> (p * p).sum().backward()
      >>> float(nn.utils.clip_grad_norm_([p], 1.0))
      10.0
      >>> p.grad.numpy().round(4).tolist()
      [0.6, 0.8]
    """
    grads = _gradients(parameters)
    norm = _norm(grads, float(norm_type))
    if error_if_nonfinite and not math.isfinite(norm):
        raise ValueError(f"clip_grad_norm_: the norm of the gradients is {norm}")
    _shorten(grads, max_norm, norm)
    return tensor(np.asarray(norm, grads[0].dtype if grads else np.float32))


def _norm(tensors: list[Tensor], norm_type: float) -> float:
    """That of all tensors as one vector."""
    if math.isinf(norm_type):
        return max((float(np.abs(memory(g)).max(initial=0)) for g in tensors), default=0.0)
    if norm_type == 2:
        return math.sqrt(gradients.square_sum(tensors))
    total = sum(float((np.abs(memory(g)) ** norm_type).sum(dtype=np.float64)) for g in tensors)
    return float(total ** (1 / norm_type))


def _shorten(grads: list[Tensor], max_norm: float, norm: float) -> None:
    scale = max_norm / (norm + 1e-6)
    if scale < 1 and math.isfinite(norm):
        gradients.scale(grads, scale)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float | str = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors as one vector, shape (), as torch.nn.utils.get_total_norm; what clip_grad_norm_
    asks of gradients.

    Raises ValueError if error_if_nonfinite and it is NaN or infinite.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> nn.utils.get_total_norm([loopnest.tensor([3.0]), loopnest.tensor([[4.0]])]).item()
      5.0
    """
    given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    norm = _norm(given, float(norm_type))
    if error_if_nonfinite and not math.isfinite(norm):
        raise ValueError(f"get_total_norm: the norm of the tensors is {norm}")
    return tensor(np.asarray(norm, given[0].dtype if given else np.float32))


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor | float,
    foreach: bool | None = None,
) -> None:
    """Scale all gradients in place by min(1, max_norm / (total_norm + 1e-6)), as
    torch.nn.utils.clip_grads_with_norm_: clip_grad_norm_ where the norm is known, or that of more tensors.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn
      >>> p = nn.Parameter(np.array([3.0, 4.0]))
      >>> (p * p).sum().backward()
      >>> nn.utils.clip_grads_with_norm_(p, 1.0, 20.0)
      >>> p.grad.numpy().round(4).tolist()
      [0.3, 0.4]
    """
    _shorten(_gradients(parameters), max_norm, float(total_norm))


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Clip every gradient in place to [-clip_value, clip_value]; NaN stays NaN. foreach: as clip_grad_norm_.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn
      >>> p = nn.Parameter(np.array([3.0, -0.1]))
      >>> (p * p).sum().backward()
      >>> nn.utils.clip_grad_value_(p, 1.0)
      >>> p.grad.numpy().tolist()
      [1.0, -0.2]
    """
    for g in _gradients(parameters):
        np.clip(memory(g), -clip_value, clip_value, out=memory(g))
        g.bump_version()


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters one behind the other, as one vector; gradients pass through.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> nn.utils.parameters_to_vector([loopnest.ones(1, 2), loopnest.zeros(1)]).tolist()
      [1.0, 1.0, 0.0]
    """
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Make the parameters slices of a vector, one behind the other. They share its memory.

    Raises ValueError if the vector is too short; the parameters are then unchanged.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> layer = nn.Linear(2, 1)
      >>> nn.utils.vector_to_parameters(loopnest.tensor([1.0, 2.0, 3.0]), layer.parameters())
      >>> layer.weight.tolist(), layer.bias.tolist()
      ([[1.0, 2.0]], [3.0])
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: expected vec to be a Tensor, got {type(vec).__name__}")
    params = list(parameters)
    needed = sum(p.numel() for p in params)
    if vec.numel() < needed:
        raise ValueError(f"vector_to_parameters: expected vec of {needed} numbers, got {vec.numel()}")
    values, begin = vec.detach(), 0
    for p in params:
        p.data = values[begin : begin + p.numel()].reshape(p.shape)
        begin += p.numel()
