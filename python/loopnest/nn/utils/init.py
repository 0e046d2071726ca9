"""Layers whose first weights nobody needs."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

from loopnest.nn.module import Module

M = TypeVar("M", bound=Module)


def skip_init(module_cls: type[M], *args: Any, **kwargs: Any) -> M:
    """A layer with any numbers in its parameters and buffers, as torch.nn.utils.skip_init: for weights that
    are loaded or drawn by a rule of their own anyway. Random numbers are what costs most in making a layer.

    Args:
      module_cls: a class of layers that takes `device`, and gives its parameters their first values in
        reset_parameters, which is left out. Layers within it are made as ever.
      args, kwargs: what the class is called with.

    Raises TypeError for what is no class of modules, ValueError for one that takes no `device`.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> layer = nn.utils.skip_init(nn.Linear, 3, 2)
      >>> _ = nn.init.eye_(layer.weight), nn.init.zeros_(layer.bias)
      >>> layer(loopnest.ones(3)).tolist()
      [1.0, 1.0]
    """
    if not isinstance(module_cls, type) or not issubclass(module_cls, Module):
        raise TypeError(f"skip_init: expected a class of modules, got {module_cls!r}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise ValueError(
            f"skip_init: expected a class that takes device, got {module_cls.__name__}; call it as it is"
        )
    # For as long as it is being made the layer is of a class that sets no values.
    quiet = type(module_cls.__name__, (module_cls,), {"reset_parameters": lambda self: None})
    module: Any = quiet(*args, **kwargs)
    module.__class__ = module_cls
    return module  # type: ignore[no-any-return]
