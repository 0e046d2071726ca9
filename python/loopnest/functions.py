"""Methods of Tensor as functions: loopnest.sum(x, 1) is x.sum(1), as in PyTorch."""

from __future__ import annotations

from typing import Any

from loopnest.engine import tensor_ops
from loopnest.engine.tape import Tensor, tensor

Dims = Any  # None, an axis, or several


def abs(input: Tensor) -> Tensor:
    """|x|, element by element."""
    return input.abs()


def add(input: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """input + alpha * other"""
    return input.add(other, alpha)


def sub(input: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """input - alpha * other"""
    return input.sub(other, alpha)


def mul(input: Tensor, other: Any) -> Tensor:
    """input * other"""
    return input * other


def div(input: Tensor, other: Any) -> Tensor:
    """input / other"""
    return input / other


def neg(input: Tensor) -> Tensor:
    """-input"""
    return -input


def pow(input: Any, exponent: Any) -> Tensor:
    """input ** exponent; one of both may be a number."""
    return input**exponent


def square(input: Tensor) -> Tensor:
    """input * input"""
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
    """The mean along dim, or of all elements."""
    return input.mean(dim, keepdim)


def var(input: Tensor, dim: Dims = None, unbiased: bool = True, keepdim: bool = False) -> Tensor:
    """The variance along dim, or of all elements; unbiased divides by one less than there are."""
    return input.var(dim, unbiased, keepdim)


def std(input: Tensor, dim: Dims = None, unbiased: bool = True, keepdim: bool = False) -> Tensor:
    """The square root of var."""
    return input.std(dim, unbiased, keepdim)


def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element; along dim: (values, indices); of two tensors: maximum.

    Example:
      >>> import loopnest
      >>> loopnest.max(loopnest.tensor([1.0, 5.0]), loopnest.tensor([3.0, 2.0])).tolist()
      [3.0, 5.0]
    """
    return tensor_ops.maximum(input, dim) if isinstance(dim, Tensor) else input.max(dim, keepdim)


def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element; along dim: (values, indices); of two tensors: minimum."""
    return tensor_ops.minimum(input, dim) if isinstance(dim, Tensor) else input.min(dim, keepdim)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The place of the largest element along dim, or in all of them."""
    return input.argmax(dim, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The place of the smallest element along dim, or in all of them."""
    return input.argmin(dim, keepdim)


def numel(input: Tensor) -> int:
    """How many elements there are."""
    return input.numel()


def clone(input: Tensor) -> Tensor:
    """A copy; gradients pass through."""
    return input.clone()


def is_tensor(obj: Any) -> bool:
    """True for a Tensor."""
    return isinstance(obj, Tensor)


def scalar_tensor(value: float, dtype: Any = None) -> Tensor:
    """A tensor of no axes."""
    return tensor(value, dtype=dtype)
