"""Parameter: a tensor that a Module finds by itself; and those whose shape is not known yet."""

from typing import Any, ClassVar

import numpy as np

from loopnest.engine import custom, tape
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


class Buffer(Tensor):
    """A tensor that is registered as a buffer when it is assigned to an attribute of a Module: state that is
    not trained.

    Args:
      data: Tensor or NumPy array of any dtype and shape. Its memory is shared, not copied.
      persistent: whether it is part of the module's state_dict.

    Example:
      >>> import numpy as np
      >>> from loopnest import nn
      >>> m = nn.Module()
      >>> m.steps = nn.Buffer(np.zeros(1, np.int64))
      >>> m.seen = nn.Buffer(np.zeros(1, np.float32), persistent=False)
      >>> [name for name, _ in m.named_buffers()], list(m.state_dict())
      (['steps', 'seen'], ['steps'])
    """

    def __init__(self, data: Any, *, persistent: bool = True) -> None:
        super().__init__(data)
        self.persistent = persistent


def memory(data: Any) -> np.ndarray:
    """The array behind a Tensor, writable in place and unseen by the tape; an array is returned as it is."""
    return data.detach().numpy() if isinstance(data, Tensor) else np.asarray(data)


class UninitializedError(ValueError, RuntimeError):
    """A parameter or buffer is used that has no shape and no numbers yet."""


def _no_numbers() -> UninitializedError:
    return UninitializedError(
        "a parameter or buffer of a lazy layer is used that has no shape yet: call the network once with an "
        "input (of any batch size), or load its state_dict, and then go on"
    )


class _Lazy:
    """What UninitializedParameter and UninitializedBuffer do alike. Whoever reads the numbers is refused by
    the engine, whoever asks for the shape here."""

    _becomes: ClassVar[type[Tensor]]

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Make this the tensor of a shape, with any numbers in it; it is lazy no more. device must be the
        CPU."""
        me: Any = self
        me.__class__ = self._becomes
        custom.sealed_as(me, np.empty(shape, me.dtype if dtype is None else dtype), True)

    def recast(self, dtype: Any) -> None:
        """Another dtype for what is to come."""
        me: Any = self
        custom.sealed_as(me, np.empty(0, dtype), False)

    @property
    def shape(self) -> Any:
        raise _no_numbers()

    def size(self, dim: Any = None) -> Any:
        raise _no_numbers()

    def numel(self) -> int:
        raise _no_numbers()

    nelement = numel

    @property
    def ndim(self) -> int:
        raise _no_numbers()

    def dim(self) -> int:
        raise _no_numbers()

    def __len__(self) -> int:
        raise _no_numbers()

    def numpy(self) -> Any:
        raise _no_numbers()

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise _no_numbers()

    def detach(self) -> Any:
        """Itself: there is nothing to share yet, and a state_dict is to say so."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        kind, arguments = self.__reduce__()
        memo[id(self)] = copy = kind(*arguments)
        return copy

    def __reduce__(self) -> Any:
        me: Any = self
        return type(self), (me.requires_grad, None, me.dtype)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(_Lazy, Parameter):
    """A Parameter of a lazy layer before its shape is known, as torch.nn.UninitializedParameter.

    Only requires_grad, dtype, grad and is_leaf can be asked for; everything else raises a ValueError.
    `materialize(shape)` makes it a Parameter, the same object: an optimizer that has it keeps it.

    Example:
      >>> from loopnest import nn
      >>> p = nn.UninitializedParameter()
      >>> p.materialize((2, 3))
      >>> type(p).__name__, p.shape, p.requires_grad
      ('Parameter', (2, 3), True)
    """

    _becomes = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        return tape._sealed(cls, Tensor(np.empty(0, np.float32 if dtype is None else dtype)), _no_numbers)

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        self.requires_grad = requires_grad


class _Buffer(Tensor):
    """A Tensor with room for attributes, as UninitializedBuffer has it: Python changes the class of one into
    the other."""


class UninitializedBuffer(_Lazy, _Buffer):
    """A buffer of a lazy layer before its shape is known, as torch.nn.UninitializedBuffer; see
    UninitializedParameter.

    Example:
      >>> from loopnest import nn
      >>> b = nn.UninitializedBuffer()
      >>> b.materialize((2,))
      >>> b.shape, b.requires_grad
      ((2,), False)
    """

    _becomes = _Buffer

    def __new__(cls, requires_grad: bool = False, device: Any = None, dtype: Any = None) -> Any:
        return tape._sealed(cls, Tensor(np.empty(0, np.float32 if dtype is None else dtype)), _no_numbers)

    def __init__(self, requires_grad: bool = False, device: Any = None, dtype: Any = None) -> None:
        self.requires_grad = requires_grad


def is_lazy(param: Any) -> bool:
    """Is this a parameter or buffer without a shape yet?

    Example:
      >>> from loopnest import nn
      >>> from loopnest.nn.parameter import is_lazy
      >>> is_lazy(nn.LazyLinear(3).weight), is_lazy(nn.Linear(2, 3).weight)
      (True, False)
    """
    return isinstance(param, _Lazy)
