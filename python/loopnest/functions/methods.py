"""Methods of Tensor as functions: loopnest.sum(x, 1) is x.sum(1), as in PyTorch."""

from __future__ import annotations

from typing import Any

from loopnest.engine import tensor_ops
from loopnest.engine.tape import Tensor, tensor

Dims = Any  # None, an axis, or several


def abs(input: Tensor) -> Tensor:
    """|x|, element by element; the gradient at 0 is 0.

    Example:
      >>> import loopnest
      >>> loopnest.abs(loopnest.tensor([-1.0, 2.0]))
      tensor([1., 2.])
    """
    return input.abs()


def add(input: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """input + alpha * other, element by element; other is broadcast: a Tensor, an array or a number.

    Example:
      >>> import loopnest
      >>> loopnest.add(loopnest.tensor([1.0, 2.0]), 3, alpha=10)
      tensor([31., 32.])
    """
    return input.add(other, alpha)


def sub(input: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """input - alpha * other, element by element; other is broadcast: a Tensor, an array or a number.

    Example:
      >>> import loopnest
      >>> loopnest.sub(loopnest.tensor([1.0, 2.0]), 3, alpha=10)
      tensor([-29., -28.])
    """
    return input.sub(other, alpha)


def mul(input: Tensor, other: Any) -> Tensor:
    """input * other, element by element; other is broadcast: a Tensor, an array or a number.

    Example:
      >>> import loopnest
      >>> loopnest.mul(loopnest.tensor([1.0, 2.0]), loopnest.tensor([3.0, 4.0]))
      tensor([3., 8.])
    """
    return input * other


def neg(input: Tensor) -> Tensor:
    """-input, element by element.

    Example:
      >>> import loopnest
      >>> loopnest.neg(loopnest.tensor([1.0, -2.0]))
      tensor([-1.,  2.])
    """
    return -input


def pow(input: Any, exponent: Any) -> Tensor:
    """input ** exponent, element by element; one of both may be a number.

    Example:
      >>> import loopnest
      >>> loopnest.pow(2, loopnest.tensor([1.0, 2.0, 3.0]))
      tensor([2., 4., 8.])
    """
    return input**exponent


def square(input: Tensor) -> Tensor:
    """input * input, element by element.

    Example:
      >>> import loopnest
      >>> loopnest.square(loopnest.tensor([1.0, 2.0, 3.0]))
      tensor([1., 4., 9.])
    """
    return input.square()


def sum(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The sum along dim, or of all elements.

    Example:
      >>> import loopnest
      >>> loopnest.sum(loopnest.tensor([[1.0, 2.0], [3.0, 4.0]]), 0).tolist()
      [4.0, 6.0]
    """
    return input.sum(dim, keepdim)


def mean(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The mean along dim (an axis, several, or all); keepdim leaves them at length 1. TypeError for ints.

    Example:
      >>> import loopnest
      >>> loopnest.mean(loopnest.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
      tensor([1.5000, 3.5000])
    """
    return input.mean(dim, keepdim)


def var(
    input: Tensor, dim: Dims = None, unbiased: bool = True, keepdim: bool = False, *, correction: Any = None
) -> Tensor:
    """The variance along dim, or of all elements; unbiased divides by one less than there are, correction by
    so many less.

    Example:
      >>> import loopnest
      >>> loopnest.var(loopnest.tensor([1.0, 3.0]))
      tensor(2.)
    """
    return input.var(dim, unbiased, keepdim, correction)


def std(
    input: Tensor, dim: Dims = None, unbiased: bool = True, keepdim: bool = False, *, correction: Any = None
) -> Tensor:
    """The square root of var, with the same arguments.

    Example:
      >>> import loopnest
      >>> loopnest.std(loopnest.tensor([1.0, 3.0]), unbiased=False)
      tensor(1.)
    """
    return input.std(dim, unbiased, keepdim, correction)


def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element; along dim: (values, indices); of two tensors: maximum.

    Example:
      >>> import loopnest
      >>> loopnest.max(loopnest.tensor([1.0, 5.0]), loopnest.tensor([3.0, 2.0])).tolist()
      [3.0, 5.0]
    """
    return tensor_ops.maximum(input, dim) if isinstance(dim, Tensor) else input.max(dim, keepdim)


def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element; along dim: (values, indices); of two tensors: minimum.

    Example:
      >>> import loopnest
      >>> loopnest.min(loopnest.tensor([[1, 5], [7, 3]]), 1)
      (values=tensor([1, 3]), indices=tensor([0, 1]))
    """
    return tensor_ops.minimum(input, dim) if isinstance(dim, Tensor) else input.min(dim, keepdim)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The place of the largest element along dim, or in all of them in C order; int64, no gradient.

    Example:
      >>> import loopnest
      >>> loopnest.argmax(loopnest.tensor([[1, 5], [7, 3]]), 1)
      tensor([1, 0])
    """
    return input.argmax(dim, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The place of the smallest element along dim, or in all of them in C order; int64, no gradient.

    Example:
      >>> import loopnest
      >>> loopnest.argmin(loopnest.tensor([[1, 5], [7, 3]]))
      tensor(0)
    """
    return input.argmin(dim, keepdim)


def numel(input: Tensor) -> int:
    """How many elements there are.

    Example:
      >>> import loopnest
      >>> loopnest.numel(loopnest.zeros(2, 3))
      6
    """
    return input.numel()


def clone(input: Tensor) -> Tensor:
    """A copy with memory of its own; gradients pass through.

    Example:
      >>> import loopnest
      >>> x = loopnest.tensor([1, 2])
      >>> loopnest.clone(x).zero_().tolist(), x.tolist()
      ([0, 0], [1, 2])
    """
    return input.clone()


def is_tensor(obj: Any) -> bool:
    """True for a Tensor.

    Example:
      >>> import loopnest
      >>> loopnest.is_tensor(loopnest.zeros(2)), loopnest.is_tensor([0, 0])
      (True, False)
    """
    return isinstance(obj, Tensor)


def scalar_tensor(value: float, dtype: Any = None) -> Tensor:
    """A tensor of no axes; float32, int64 or bool as the value is, unless dtype is given.

    Example:
      >>> import loopnest
      >>> loopnest.scalar_tensor(2.5)
      tensor(2.5000)
    """
    return tensor(value, dtype=dtype)
