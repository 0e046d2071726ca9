"""Padding layers: zeros, a constant, reflection, replication and circular, in 1, 2 and 3 dimensions."""

from collections.abc import Sequence
from typing import ClassVar

from loopnest.engine.tape import Tensor
from loopnest.nn import functional
from loopnest.nn._check import integer, number
from loopnest.nn.module import Module


class _Pad(Module):
    _dimensions: ClassVar[int]
    _mode: ClassVar[str]

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        who, count = type(self).__name__, 2 * self._dimensions
        given = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,) * count
        if len(given) != count:
            raise ValueError(f"{who}: expected padding to be one number or {count}, got {padding!r}")
        self.padding = tuple(integer(who, "padding", p, at_least=-(2**62)) for p in given)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) or (C, ...) -> the same with longer last axes."""
        axes = self._dimensions
        if self._mode != "constant" and input.ndim not in (axes + 1, axes + 2):
            raise ValueError(
                f"{type(self).__name__}: expected input of {axes + 1} or {axes + 2} axes, got {input.shape}"
            )
        return functional.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    _mode = "constant"

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = number(type(self).__name__, "value", value, lambda v: True, "")

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) or (C, ...) -> the same with longer last axes."""
        return functional.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ConstantPad1d(_ConstantPad):
    """A border of `value`; arguments as torch.nn.ConstantPad1d.

    padding: one number, or (left, right); negative numbers crop.
    Shapes: (N, C, L) or (C, L).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.array([1.0, 2.0]).reshape(1, 1, 2))
      >>> nn.ConstantPad1d((1, 1), 9.0)(x).numpy().ravel().tolist()
      [9.0, 1.0, 2.0, 9.0]
    """

    _dimensions = 1


class ConstantPad2d(_ConstantPad):
    """A border of `value`; arguments as torch.nn.ConstantPad2d.

    padding: one number, or (left, right, top, bottom); negative numbers crop.
    Shapes: (N, C, H, W) or (C, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.array([1.0, 2.0]).reshape(1, 1, 1, 2))
      >>> nn.ConstantPad2d((1, 1, 0, 0), 9.0)(x).numpy().ravel().tolist()
      [9.0, 1.0, 2.0, 9.0]
    """

    _dimensions = 2


class ConstantPad3d(_ConstantPad):
    """A border of `value`; arguments as torch.nn.ConstantPad3d.

    padding: one number, or (left, right, top, bottom, front, back); negative numbers crop.
    Shapes: (N, C, D, H, W) or (C, D, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.array([1.0, 2.0]).reshape(1, 1, 1, 1, 2))
      >>> nn.ConstantPad3d((1, 1, 0, 0, 0, 0), 9.0)(x).numpy().ravel().tolist()
      [9.0, 1.0, 2.0, 9.0]
    """

    _dimensions = 3


class ZeroPad1d(_ZeroPad):
    """A border of zeros; arguments as torch.nn.ZeroPad1d.

    padding: one number, or (left, right); negative numbers crop.
    Shapes: (N, C, L) or (C, L).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.array([1.0, 2.0]).reshape(1, 1, 2))
      >>> nn.ZeroPad1d((1, 1))(x).numpy().ravel().tolist()
      [0.0, 1.0, 2.0, 0.0]
    """

    _dimensions = 1


class ZeroPad2d(_ZeroPad):
    """A border of zeros; arguments as torch.nn.ZeroPad2d.

    padding: one number, or (left, right, top, bottom); negative numbers crop.
    Shapes: (N, C, H, W) or (C, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.array([1.0, 2.0]).reshape(1, 1, 1, 2))
      >>> nn.ZeroPad2d((1, 1, 0, 0))(x).numpy().ravel().tolist()
      [0.0, 1.0, 2.0, 0.0]
    """

    _dimensions = 2


class ZeroPad3d(_ZeroPad):
    """A border of zeros; arguments as torch.nn.ZeroPad3d.

    padding: one number, or (left, right, top, bottom, front, back); negative numbers crop.
    Shapes: (N, C, D, H, W) or (C, D, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.array([1.0, 2.0]).reshape(1, 1, 1, 1, 2))
      >>> nn.ZeroPad3d((1, 1, 0, 0, 0, 0))(x).numpy().ravel().tolist()
      [0.0, 1.0, 2.0, 0.0]
    """

    _dimensions = 3


class ReflectionPad1d(_Pad):
    """A border that mirrors the inside, without the edge itself; arguments as torch.nn.ReflectionPad1d.

    padding: one number, or (left, right); negative numbers crop.
    Shapes: (N, C, L) or (C, L).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.array([1.0, 2.0]).reshape(1, 1, 2))
      >>> nn.ReflectionPad1d((1, 1))(x).numpy().ravel().tolist()
      [2.0, 1.0, 2.0, 1.0]
    """

    _dimensions = 1
    _mode = "reflect"


class ReflectionPad2d(_Pad):
    """A border that mirrors the inside, without the edge itself; arguments as torch.nn.ReflectionPad2d.

    padding: one number, or (left, right, top, bottom); negative numbers crop.
    Shapes: (N, C, H, W) or (C, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.array([1.0, 2.0]).reshape(1, 1, 1, 2))
      >>> nn.ReflectionPad2d((1, 1, 0, 0))(x).numpy().ravel().tolist()
      [2.0, 1.0, 2.0, 1.0]
    """

    _dimensions = 2
    _mode = "reflect"


class ReflectionPad3d(_Pad):
    """A border that mirrors the inside, without the edge itself; arguments as torch.nn.ReflectionPad3d.

    padding: one number, or (left, right, top, bottom, front, back); negative numbers crop.
    Shapes: (N, C, D, H, W) or (C, D, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.array([1.0, 2.0]).reshape(1, 1, 1, 1, 2))
      >>> nn.ReflectionPad3d((1, 1, 0, 0, 0, 0))(x).numpy().ravel().tolist()
      [2.0, 1.0, 2.0, 1.0]
    """

    _dimensions = 3
    _mode = "reflect"


class ReplicationPad1d(_Pad):
    """A border that repeats the edge; arguments as torch.nn.ReplicationPad1d.

    padding: one number, or (left, right); negative numbers crop.
    Shapes: (N, C, L) or (C, L).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.array([1.0, 2.0]).reshape(1, 1, 2))
      >>> nn.ReplicationPad1d((1, 1))(x).numpy().ravel().tolist()
      [1.0, 1.0, 2.0, 2.0]
    """

    _dimensions = 1
    _mode = "replicate"


class ReplicationPad2d(_Pad):
    """A border that repeats the edge; arguments as torch.nn.ReplicationPad2d.

    padding: one number, or (left, right, top, bottom); negative numbers crop.
    Shapes: (N, C, H, W) or (C, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.array([1.0, 2.0]).reshape(1, 1, 1, 2))
      >>> nn.ReplicationPad2d((1, 1, 0, 0))(x).numpy().ravel().tolist()
      [1.0, 1.0, 2.0, 2.0]
    """

    _dimensions = 2
    _mode = "replicate"


class ReplicationPad3d(_Pad):
    """A border that repeats the edge; arguments as torch.nn.ReplicationPad3d.

    padding: one number, or (left, right, top, bottom, front, back); negative numbers crop.
    Shapes: (N, C, D, H, W) or (C, D, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.array([1.0, 2.0]).reshape(1, 1, 1, 1, 2))
      >>> nn.ReplicationPad3d((1, 1, 0, 0, 0, 0))(x).numpy().ravel().tolist()
      [1.0, 1.0, 2.0, 2.0]
    """

    _dimensions = 3
    _mode = "replicate"


class CircularPad1d(_Pad):
    """A border that goes on at the other edge; arguments as torch.nn.CircularPad1d.

    padding: one number, or (left, right); negative numbers crop.
    Shapes: (N, C, L) or (C, L).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.array([1.0, 2.0]).reshape(1, 1, 2))
      >>> nn.CircularPad1d((1, 1))(x).numpy().ravel().tolist()
      [2.0, 1.0, 2.0, 1.0]
    """

    _dimensions = 1
    _mode = "circular"


class CircularPad2d(_Pad):
    """A border that goes on at the other edge; arguments as torch.nn.CircularPad2d.

    padding: one number, or (left, right, top, bottom); negative numbers crop.
    Shapes: (N, C, H, W) or (C, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.array([1.0, 2.0]).reshape(1, 1, 1, 2))
      >>> nn.CircularPad2d((1, 1, 0, 0))(x).numpy().ravel().tolist()
      [2.0, 1.0, 2.0, 1.0]
    """

    _dimensions = 2
    _mode = "circular"


class CircularPad3d(_Pad):
    """A border that goes on at the other edge; arguments as torch.nn.CircularPad3d.

    padding: one number, or (left, right, top, bottom, front, back); negative numbers crop.
    Shapes: (N, C, D, H, W) or (C, D, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> x = loopnest.tensor(np.array([1.0, 2.0]).reshape(1, 1, 1, 1, 2))
      >>> nn.CircularPad3d((1, 1, 0, 0, 0, 0))(x).numpy().ravel().tolist()
      [2.0, 1.0, 2.0, 1.0]
    """

    _dimensions = 3
    _mode = "circular"
