"""Tensor operations made of others, under PyTorch's names; most are methods of Tensor as well.

Names that end in _ change the tensor itself: recorded on the tape where it sees the tensor, otherwise in its
memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from loopnest.engine import custom, tensor_ops
from loopnest.engine.tape import Extreme, Tensor, become, cat, exp, log, randn, sqrt, stack, tensor, where

__all__ = [
    "addcdiv",
    "addcmul",
    "addmm",
    "clamp_max",
    "clamp_min",
    "clip",
    "cumprod",
    "diag",
    "hstack",
    "lerp",
    "median",
    "nan_to_num",
    "normal",
    "vstack",
]


def clip(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """clamp under NumPy's name.

    Example:
      >>> import loopnest
      >>> loopnest.clip(loopnest.tensor([-1.0, 0.5, 2.0]), 0, 1).tolist()
      [0.0, 0.5, 1.0]
    """
    return input.clamp(min, max)


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """The input, but no less than min.

    Example:
      >>> import loopnest
      >>> loopnest.clamp_min(loopnest.tensor([-1.0, 2.0]), 0).tolist()
      [0.0, 2.0]
    """
    return input.clamp(min=min)


def clamp_max(input: Tensor, max: Any) -> Tensor:
    """The input, but no more than max.

    Example:
      >>> import loopnest
      >>> loopnest.clamp_max(loopnest.tensor([-1.0, 2.0]), 1).tolist()
      [-1.0, 1.0]
    """
    return input.clamp(max=max)


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """input + value * tensor1 * tensor2, shapes broadcast.

    Example:
      >>> import loopnest
      >>> x = loopnest.tensor([1.0, 2.0])
      >>> loopnest.addcmul(x, x, x, value=2).tolist()
      [3.0, 10.0]
    """
    return input + (tensor1 * tensor2 if value == 1 else tensor1 * tensor2 * value)


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """input + value * tensor1 / tensor2, shapes broadcast.

    Example:
      >>> import loopnest
      >>> x = loopnest.tensor([1.0, 2.0])
      >>> loopnest.addcdiv(x, x, x).tolist()
      [2.0, 3.0]
    """
    return input + (tensor1 / tensor2 if value == 1 else tensor1 / tensor2 * value)


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2): (m, k) by (k, n), input broadcast to (m, n).

    Example:
      >>> import loopnest
      >>> loopnest.addmm(loopnest.ones(2), loopnest.eye(2), loopnest.eye(2)).tolist()
      [[2.0, 1.0], [1.0, 2.0]]
    """
    product = tensor_ops.mm(mat1, mat2)
    product = product if alpha == 1 else product * alpha
    return product if beta == 0 else product + (input if beta == 1 else input * beta)


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight * (end - input): a weight of 0 is input, 1 is end.

    Example:
      >>> import loopnest
      >>> loopnest.lerp(loopnest.zeros(2), loopnest.tensor([2.0, 4.0]), 0.5).tolist()
      [1.0, 2.0]
    """
    return input + (end - input) * weight


def nan_to_num(
    input: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """NaN and infinities replaced; those that are not given by the largest and smallest number of the dtype.

    Their gradient is 0.

    Example:
      >>> import loopnest
      >>> loopnest.nan_to_num(loopnest.tensor([float("nan"), 1.0, float("inf")]), posinf=9).tolist()
      [0.0, 1.0, 9.0]
    """
    if input.dtype.kind != "f":
        return input.clone()
    bounds = np.finfo(input.dtype)
    high = float(bounds.max) if posinf is None else posinf
    low = float(bounds.min) if neginf is None else neginf
    bad = tensor_ops.isinf(input)
    input = input.masked_fill(tensor_ops.isnan(input), nan)
    return input.masked_fill(bad & (input > 0), high).masked_fill(bad & (input < 0), low)


def cumprod(input: Tensor, dim: int) -> Tensor:
    """Products of all elements up to each, along dim.

    Example:
      >>> import loopnest
      >>> loopnest.cumprod(loopnest.tensor([2.0, 3.0, 4.0]), 0).tolist()
      [2.0, 6.0, 24.0]
    """
    if input.ndim == 0:
        return input.clone()
    products: list[Tensor] = []
    for part in input.unbind(dim):
        products.append(products[-1] * part if products else part.clone())
    return stack(products, dim) if products else input.clone()


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median (the lower one of two) of all elements; along dim: (values, indices). NaN wins.

    Example:
      >>> import loopnest
      >>> loopnest.median(loopnest.tensor([3.0, 1.0, 2.0, 9.0])).item()
      2.0
    """
    if dim is None:
        flat = input.reshape(-1)
        if flat.numel() == 0:
            raise ValueError(f"median of no elements (input {input.shape})")
        return shared_value("MedianBackward", input, median(flat.detach(), 0)[0])
    values, indices = tensor_ops.sort(input, dim)
    if input.ndim == 0:
        return values, indices
    count = input.shape[dim]
    if count == 0:
        raise IndexError(f"median along dim {dim} of no elements (input {input.shape})")
    at = (count - 1) // 2
    middle, places = tensor_ops.narrow(values, dim, at, 1), tensor_ops.narrow(indices, dim, at, 1)
    if input.dtype.kind == "f":  # sorted last, NaN is the median wherever there is one
        last = tensor_ops.narrow(values, dim, count - 1, 1)
        bad = tensor_ops.isnan(last)
        middle = where(bad, last, middle)
        places = where(bad, tensor_ops.narrow(indices, dim, count - 1, 1), places)
    found = (middle, places) if keepdim else (middle.squeeze(dim), places.squeeze(dim))
    return Extreme(found)


def shared_value(title: str, input: Tensor, value: Tensor) -> Tensor:
    """`value`, an element of the input: all elements that equal it share its gradient, as in PyTorch."""

    def grad(g: Any, a: Any) -> tuple[Any]:
        same = np.isnan(a) if np.isnan(chosen) else a == chosen
        return (np.where(same, g / max(int(same.sum()), 1), 0).astype(a.dtype),)

    chosen = custom.numbers(value)
    return custom.recorded(title, chosen, (input,), grad, (input,))


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A matrix with these numbers on a diagonal (input of 1 axis), or the diagonal of a matrix.

    Example:
      >>> import loopnest
      >>> loopnest.diag(loopnest.tensor([1.0, 2.0])).tolist()
      [[1.0, 0.0], [0.0, 2.0]]
    """
    if input.ndim == 2:
        return tensor_ops.diagonal(input, diagonal).clone()
    if input.ndim != 1:
        raise ValueError(f"diag: expected input of 1 or 2 axes, got shape {input.shape}")
    n = input.shape[0] + abs(diagonal)
    at = np.arange(input.shape[0]) * (n + 1) + (diagonal if diagonal >= 0 else -diagonal * n)
    flat = tensor(np.zeros(n * n, input.dtype))
    return tensor_ops.scatter_add(flat, 0, tensor(at), input).reshape(n, n)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors side by side: along axis 1, or axis 0 where they have one.

    Example:
      >>> import loopnest
      >>> loopnest.hstack([loopnest.tensor([1.0]), loopnest.tensor([2.0, 3.0])]).tolist()
      [1.0, 2.0, 3.0]
    """
    tensors = [t.reshape(1) if t.ndim == 0 else t for t in tensors]
    return cat(tensors, 0 if tensors and tensors[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors one below the other, vectors as rows.

    Example:
      >>> import loopnest
      >>> loopnest.vstack([loopnest.tensor([1.0, 2.0]), loopnest.tensor([3.0, 4.0])]).tolist()
      [[1.0, 2.0], [3.0, 4.0]]
    """
    return cat([t.reshape(1, -1) if t.ndim < 2 else t for t in tensors], 0)


def normal(mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Any = None) -> Tensor:
    """Normal numbers of a mean and a standard deviation, each a number or a tensor; size if both are numbers.

    Example:
      >>> import loopnest
      >>> loopnest.normal(5.0, 0.0, (2,)).tolist()
      [5.0, 5.0]
    """
    if size is None:
        size = np.broadcast_shapes(np.shape(mean), np.shape(std))
    if np.any(np.asarray(std) < 0):
        raise ValueError(f"normal: expected std >= 0, got {std}")
    return randn(size, generator=generator) * std + mean


def in_place(name: str, function: Callable[..., Tensor], example: str, result: str) -> Callable[..., Tensor]:
    """The method `name`, which changes its tensor to what `function` gives."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        new = function(self, *args, **kwargs)
        if new.dtype.kind == "f" and self.dtype.kind != "f":
            raise TypeError(f"{name} keeps its dtype {self.dtype}, the result has {new.dtype}")
        return become(self, new)

    method.__name__ = name
    method.__doc__ = f"""{name[:-1]}, in place. Returns self.

    Example:
      >>> import loopnest
      >>> {example}
      tensor({result})
    """
    return method


IN_PLACE: dict[str, tuple[Callable[..., Tensor], str, str]] = {
    "abs_": (Tensor.abs, "loopnest.tensor([-1.0, 2.0]).abs_()", "[1., 2.]"),
    "addcdiv_": (addcdiv, "loopnest.ones(2).addcdiv_(loopnest.ones(2), loopnest.ones(2))", "[2., 2.]"),
    "addcmul_": (addcmul, "loopnest.ones(2).addcmul_(loopnest.ones(2), loopnest.ones(2))", "[2., 2.]"),
    "clamp_max_": (clamp_max, "loopnest.tensor([1.0, 3.0]).clamp_max_(2)", "[1., 2.]"),
    "clamp_min_": (clamp_min, "loopnest.tensor([1.0, 3.0]).clamp_min_(2)", "[2., 3.]"),
    "clip_": (clip, "loopnest.tensor([1.0, 5.0]).clip_(2, 4)", "[2., 4.]"),
    "exp_": (exp, "loopnest.zeros(2).exp_()", "[1., 1.]"),
    "lerp_": (lerp, "loopnest.zeros(2).lerp_(loopnest.ones(2), 0.5)", "[0.5000, 0.5000]"),
    "log_": (log, "loopnest.ones(2).log_()", "[0., 0.]"),
    "masked_fill_": (
        tensor_ops.masked_fill,
        "loopnest.ones(2).masked_fill_(loopnest.tensor([True, False]), 5)",
        "[5., 1.]",
    ),
    "neg_": (Tensor.neg, "loopnest.ones(2).neg_()", "[-1., -1.]"),
    "pow_": (Tensor.pow, "loopnest.tensor([1.0, 3.0]).pow_(2)", "[1., 9.]"),
    "relu_": (Tensor.relu, "loopnest.tensor([-1.0, 2.0]).relu_()", "[0., 2.]"),
    "scatter_": (
        tensor_ops.scatter,
        "loopnest.zeros(3).scatter_(0, loopnest.tensor([2]), 5)",
        "[0., 0., 5.]",
    ),
    "scatter_add_": (
        tensor_ops.scatter_add,
        "loopnest.ones(2).scatter_add_(0, loopnest.tensor([1, 1]), loopnest.ones(2))",
        "[1., 3.]",
    ),
    "sigmoid_": (Tensor.sigmoid, "loopnest.zeros(2).sigmoid_()", "[0.5000, 0.5000]"),
    "sqrt_": (sqrt, "loopnest.tensor([4.0, 9.0]).sqrt_()", "[2., 3.]"),
    "tanh_": (Tensor.tanh, "loopnest.zeros(2).tanh_()", "[0., 0.]"),
}

tensor_ops.attach(
    addcdiv=addcdiv,
    addcmul=addcmul,
    addmm=addmm,
    clamp_max=clamp_max,
    clamp_min=clamp_min,
    clip=clip,
    cumprod=cumprod,
    diag=diag,
    lerp=lerp,
    median=median,
    nan_to_num=nan_to_num,
    **{name: in_place(name, *how) for name, how in IN_PLACE.items()},
)
