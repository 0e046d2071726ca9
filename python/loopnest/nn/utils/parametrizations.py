"""Weight normalisation with the names and state_dict keys of torch.nn.utils.parametrizations."""

from __future__ import annotations

from loopnest.nn.utils.reparametrized import M, _norm_weight, _ParametrizedWeightNorm, _unmake


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """A weight as direction and length, g v / |v|; as torch.nn.utils.parametrizations.weight_norm.

    What loopnest.nn.utils.weight_norm does, with g and v under other keys. The weight is made before every
    forward; PyTorch makes it whenever it is looked at.

    Returns the module. Raises ValueError and RuntimeError as that does.

    Example:
      >>> from loopnest import nn
      >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
      >>> list(layer.state_dict())
      ['bias', 'parametrizations.weight.original0', 'parametrizations.weight.original1']
    """
    return _norm_weight(module, _ParametrizedWeightNorm(name, -1 if dim is None else dim))


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Take weight_norm back: the weight as it is now becomes a parameter again. Returns the module.

    PyTorch's name for it is torch.nn.utils.parametrize.remove_parametrizations. ValueError if there is none.

    Example:
      >>> from loopnest import nn
      >>> from loopnest.nn.utils import parametrizations
      >>> layer = parametrizations.remove_weight_norm(parametrizations.weight_norm(nn.Linear(3, 2)))
      >>> list(layer.state_dict())
      ['bias', 'weight']
    """
    return _unmake(_ParametrizedWeightNorm, "weight_norm", module, name)
