"""Weights made of others before every forward: weight and spectral normalisation, as in torch.nn.utils."""

from __future__ import annotations

from typing import TypeVar

from loopnest.engine.tape import Tensor, no_grad
from loopnest.nn._check import integer
from loopnest.nn.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from loopnest.nn.functional.distance import normalize
from loopnest.nn.module import Module
from loopnest.nn.parameter import Parameter
from loopnest.nn.utils.parametrize import is_parametrized, type_before_parametrizations

M = TypeVar("M", bound=Module)


class _Made:
    """A forward pre-hook that puts a weight made of the module's own parameters in the place of `name`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, module: Module, args: tuple) -> None:
        setattr(module, self.name, self.weight(module, module.training))

    def weight(self, module: Module, training: bool) -> Tensor:
        raise NotImplementedError

    def names(self) -> tuple[str, ...]:
        """What stands in the module in the weight's stead."""
        raise NotImplementedError

    def take_out(self, module: Module) -> None:
        """Remove the weight, and what stands in its stead."""
        for old in (self.name, *self.names()):
            delattr(module, old)


def make_weights(module: Module) -> None:
    """Make the weights that are else made before every forward: a layer's step goes without one."""
    for hook, _ in module._forward_pre_hooks.values():
        if isinstance(hook, _Made):
            hook(module, ())


def parameter_to_make(who: str, module: Module, name: str) -> Parameter:
    """The parameter that is to be made of others."""
    hooks = [hook for hook, _ in module._forward_pre_hooks.values() if isinstance(hook, _Made)]
    if is_parametrized(module, name) or any(hook.name == name for hook in hooks):
        kind = type_before_parametrizations(module).__name__
        raise RuntimeError(f"{who}: '{name}' of this {kind} is already made of others")
    found = module._parameters.get(name)
    if found is None:
        raise ValueError(f"{who}: there is no parameter '{name}' in {type(module).__name__}")
    return found


def _unmake(kind: type[_Made], who: str, module: M, name: str) -> M:
    """Put the weight as it is now back as a parameter."""
    for key, (hook, _) in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and hook.name == name:
            with no_grad():
                weight = hook.weight(module, False)
            hook.take_out(module)
            module.register_parameter(name, Parameter(weight.detach()))
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"{who} of '{name}' not found in {module}")


def norm_except(v: Tensor, dim: int) -> Tensor:
    """The 2-norm over all axes but dim, which stay with length 1; -1: over all, of shape ()."""
    if dim == -1:
        return v.norm()
    others = tuple(axis for axis in range(v.ndim) if axis != dim)
    return v.norm(2, others, True) if others else v.abs()


def axis_of_lengths(weight: Tensor, dim: int | None) -> int:
    """weight_norm's `dim`, checked, as norm_except takes it."""
    return integer("weight_norm", "dim", -1 if dim is None else dim, at_least=-1, at_most=weight.ndim - 1)


class _WeightNorm(_Made):
    def __init__(self, name: str, dim: int) -> None:
        super().__init__(name)
        self.dim = dim

    def names(self) -> tuple[str, ...]:
        return self.name + "_g", self.name + "_v"

    def weight(self, module: Module, training: bool) -> Tensor:
        g, v = (getattr(module, name) for name in self.names())
        return v * (g / norm_except(v, self.dim))


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """A weight as direction and length: g v / |v| (Salimans and Kingma 2016); as torch.nn.utils.weight_norm.

    The parameter `name` becomes two, name_g and name_v, of which the weight is made before every forward. Of
    a recurrent layer it may be any weight, one call for each: weight_norm(lstm, "weight_hh_l0").

    Args:
      dim: the axis along which every slice has a length of its own; None: one length for the whole weight.

    Returns the module. Raises ValueError if it has no such parameter, RuntimeError if that is made of others
    already.

    Example:
      >>> from loopnest import nn
      >>> layer = nn.utils.weight_norm(nn.Linear(3, 2))
      >>> [(name, p.shape) for name, p in layer.named_parameters()]
      [('bias', (2,)), ('weight_g', (2, 1)), ('weight_v', (2, 3))]
    """
    weight = parameter_to_make("weight_norm", module, name)
    hook = _WeightNorm(name, axis_of_lengths(weight, dim))
    with no_grad():
        g = Parameter(norm_except(weight.detach(), hook.dim))
    delattr(module, name)
    for part, parameter in zip(hook.names(), (g, Parameter(weight.detach())), strict=True):
        module.register_parameter(part, parameter)
    setattr(module, name, hook.weight(module, module.training))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Take weight_norm back: the weight as it is now becomes a parameter again. Returns the module.

    Raises ValueError if there is none.

    Example:
      >>> from loopnest import nn
      >>> layer = nn.utils.remove_weight_norm(nn.utils.weight_norm(nn.Linear(3, 2)))
      >>> [name for name, _ in layer.named_parameters()]
      ['bias', 'weight']
    """
    return _unmake(_WeightNorm, "weight_norm", module, name)


class _SpectralNorm(_Made):
    def __init__(self, name: str, n_power_iterations: int, eps: float, dim: int) -> None:
        super().__init__(name)
        self.n_power_iterations, self.eps, self.dim = n_power_iterations, eps, dim

    def names(self) -> tuple[str, ...]:
        return self.name + "_orig", self.name + "_u", self.name + "_v"

    def matrix(self, weight: Tensor) -> Tensor:
        """(length of dim, everything else)."""
        rest = [axis for axis in range(weight.ndim) if axis != self.dim]
        return weight.permute(self.dim, *rest).reshape(weight.shape[self.dim], -1)

    def weight(self, module: Module, training: bool) -> Tensor:
        weight, u, v = (getattr(module, name) for name in self.names())
        matrix = self.matrix(weight)
        if training:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(normalize(matrix.t().mv(u), dim=0, eps=self.eps))
                    u.copy_(normalize(matrix.mv(v), dim=0, eps=self.eps))
        # Copies: backward of this forward must not see what the next one makes of the vectors.
        return weight / u.clone().dot(matrix.mv(v.clone()))


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """A weight divided by its largest singular value (Miyato and others 2018), as
    torch.nn.utils.spectral_norm.

    The parameter `name` becomes name_orig; buffers name_u and name_v approach its first singular vectors by
    power iteration, n_power_iterations times before every forward in training.

    Args:
      dim: the axis of outputs, which makes the rows of the matrix; None: 1 for transposed convolutions,
        else 0.

    Returns the module. Raises ValueError and RuntimeError as weight_norm does.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> layer = nn.utils.spectral_norm(nn.Linear(2, 2, bias=False), n_power_iterations=50)
      >>> _ = nn.init.constant_(layer.weight_orig, 3.0)  # its singular values are 6 and 0
      >>> [round(y, 4) for y in layer(loopnest.ones(2)).tolist()]
      [1.0, 1.0]
      >>> list(layer.state_dict())
      ['weight_orig', 'weight_u', 'weight_v']
    """
    weight = parameter_to_make("spectral_norm", module, name)
    iterations = integer("spectral_norm", "n_power_iterations", n_power_iterations)
    if dim is None:
        dim = int(isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)))
    hook = _SpectralNorm(name, iterations, eps, dim)
    rows, columns = hook.matrix(weight.detach()).shape
    delattr(module, name)
    module.register_parameter(name + "_orig", weight)
    setattr(module, name, weight.detach())
    for letter, length in (("_u", rows), ("_v", columns)):
        vector = weight.new_zeros(length).normal_()
        module.register_buffer(name + letter, normalize(vector, dim=0, eps=eps))
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Take spectral_norm back: the weight as it is now becomes a parameter again. Returns the module.

    Raises ValueError if there is none.

    Example:
      >>> from loopnest import nn
      >>> layer = nn.utils.remove_spectral_norm(nn.utils.spectral_norm(nn.Linear(3, 2)))
      >>> list(layer.state_dict())
      ['bias', 'weight']
    """
    return _unmake(_SpectralNorm, "spectral_norm", module, name)
