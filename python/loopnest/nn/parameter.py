"""Parameter: a tensor that a Module finds by itself."""

from typing import Any

import numpy as np

from loopnest.engine.tape import Tensor


class Parameter(Tensor):
    """A tensor that is registered when it is assigned to an attribute of a Module.

    Args:
      data: Tensor or NumPy array, float32 or float64, of any shape. Its memory is shared, not copied.
      requires_grad: whether backward() leaves a gradient in `.grad`.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn
      >>> p = nn.Parameter(np.zeros((2, 3), np.float32))
      >>> p.requires_grad, p.is_leaf
      (True, True)
    """

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(data, requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


def memory(data: Any) -> np.ndarray:
    """The array behind a Tensor, writable in place and unseen by the tape; an array is returned as it is."""
    return data.detach().numpy() if isinstance(data, Tensor) else np.asarray(data)
