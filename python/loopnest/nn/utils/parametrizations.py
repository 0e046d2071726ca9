"""Weight normalisation with the names and state_dict keys of torch.nn.utils.parametrizations."""

from __future__ import annotations

from typing import TypeVar

from loopnest.engine.tape import Tensor
from loopnest.nn.module import Module
from loopnest.nn.utils.parametrize import (
    is_parametrized,
    register_parametrization,
    remove_parametrizations,
)
from loopnest.nn.utils.reparametrized import axis_of_lengths, norm_except, parameter_to_make

M = TypeVar("M", bound=Module)


class _WeightNorm(Module):
    """g and v -> the weight."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, g: Tensor, v: Tensor) -> Tensor:
        return v * (g / norm_except(v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except(weight, self.dim), weight


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """A weight as direction and length, g v / |v|; as torch.nn.utils.parametrizations.weight_norm.

    What loopnest.nn.utils.weight_norm does, as a parametrization (see nn.utils.parametrize): with g and v
    under other keys, and the weight made whenever it is looked at.

    Returns the module. Raises ValueError and RuntimeError as that does.

    Example:
      >>> from loopnest import nn
      >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
      >>> list(layer.state_dict())
      ['bias', 'parametrizations.weight.original0', 'parametrizations.weight.original1']
    """
    weight = parameter_to_make("weight_norm", module, name)
    return register_parametrization(module, name, _WeightNorm(axis_of_lengths(weight, dim)))


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Take weight_norm back: the weight as it is now becomes a parameter again. Returns the module.

    PyTorch's name for it is torch.nn.utils.parametrize.remove_parametrizations, which is here, too.
    ValueError if there is none.

    Example:
      >>> from loopnest import nn
      >>> from loopnest.nn.utils import parametrizations
      >>> layer = parametrizations.remove_weight_norm(parametrizations.weight_norm(nn.Linear(3, 2)))
      >>> list(layer.state_dict())
      ['bias', 'weight']
    """
    if not is_parametrized(module, name) or not isinstance(module.parametrizations[name][0], _WeightNorm):
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    return remove_parametrizations(module, name)
