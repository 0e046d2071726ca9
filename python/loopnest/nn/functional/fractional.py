"""Maximum pools whose windows begin at random, nearly regular places, under torch.nn.functional's names.

Source: Graham, "Fractional max-pooling", 2014.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopnest.engine import custom, tensor_ops
from loopnest.engine.tape import Tensor, default_generator, tensor
from loopnest.nn._check import integer

Array = NDArray[Any]


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest element of every window, windows between 1 and 2 times as far apart as is regular; as
    torch.nn.functional.fractional_max_pool2d.

    Args:
      input: (N, C, H, W) or (C, H, W). kernel_size: of the windows.
      output_size: (OH, OW); or output_ratio, between 0 and 1, of the input's size.
      return_indices: give a pair (values, indices into H * W).
      _random_samples: where the windows begin, (N, C, 2) in 0 ... 1; drawn if None.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> F.fractional_max_pool2d(loopnest.ones(1, 1, 7, 7), 2, output_size=4).shape
      (1, 1, 4, 4)
    """
    options = kernel_size, output_size, output_ratio, return_indices, _random_samples
    return _pooled("fractional_max_pool2d", 2, input, *options)


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """fractional_max_pool2d of volumes (N, C, D, H, W) or (C, D, H, W), _random_samples (N, C, 3).

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> F.fractional_max_pool3d(loopnest.ones(1, 1, 5, 7, 7), 2, output_ratio=0.5).shape
      (1, 1, 2, 3, 3)
    """
    options = kernel_size, output_size, output_ratio, return_indices, _random_samples
    return _pooled("fractional_max_pool3d", 3, input, *options)


def each(who: str, name: str, value: Any, axes: int) -> tuple[int, ...]:
    """One whole number for all axes, or one for each."""
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes
    if len(given) != axes:
        raise ValueError(f"{who}: expected {name} of one number or {axes}, got {value!r}")
    return tuple(integer(who, name, v) for v in given)


def need_size_or_ratio(who: str, axes: int, output_size: Any, output_ratio: Any) -> tuple[float, ...] | None:
    """The ratios, or None if there is a size."""
    if (output_size is None) == (output_ratio is None):
        raise ValueError(f"{who}: expected either output_size or output_ratio")
    if output_ratio is None:
        return None
    ratios = tuple(output_ratio) if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * axes
    if len(ratios) != axes or not all(0 < r < 1 for r in ratios):
        raise ValueError(
            f"{who}: expected output_ratio of {axes} numbers between 0 and 1, got {output_ratio}"
        )
    return ratios


def _pooled(
    who: str,
    axes: int,
    input: Tensor,
    kernel_size: Any,
    output_size: Any,
    output_ratio: Any,
    return_indices: bool,
    samples: Tensor | None,
) -> Any:
    kernel = each(who, "kernel_size", kernel_size, axes)
    ratios = need_size_or_ratio(who, axes, output_size, output_ratio)
    if input.ndim not in (axes + 1, axes + 2):
        raise ValueError(f"{who}: expected input of {axes + 1} or {axes + 2} axes, got {input.shape}")
    x = input if input.ndim == axes + 2 else input.unsqueeze(0)
    space = x.shape[2:]
    if ratios is None:
        sizes = each(who, "output_size", output_size, axes)
    else:
        sizes = tuple(int(n * r) for n, r in zip(space, ratios, strict=True))
    for n, out, k in zip(space, sizes, kernel, strict=True):
        if out < 1 or out + k - 1 > n:
            raise ValueError(f"{who}: {sizes} windows of {kernel} do not fit an input of {tuple(space)}")
    batch, channels = x.shape[:2]
    if samples is None:
        drawn = default_generator().random((batch, channels, axes)).astype(x.dtype)
    elif samples.shape != (batch, channels, axes):
        raise ValueError(f"{who}: expected _random_samples {(batch, channels, axes)}, got {samples.shape}")
    else:
        drawn = custom.numbers(samples)
    at = _largest_places(custom.numbers(x), kernel, sizes, drawn)
    index = tensor(at.reshape(batch, channels, -1) if at.size else at.reshape(batch, channels, 0))
    shape = (*input.shape[:-axes], *sizes)
    values = tensor_ops.gather(x.flatten(2), 2, index).reshape(shape)
    return (values, index.reshape(shape)) if return_indices else values


def _begins(sample: Array, size: int, count: int, kernel: int) -> Array:
    """Where `count` windows begin, (N, C, count): steps of alpha, rounded down, from a random fraction on;
    the last one at the end."""
    last = np.full((*sample.shape, 1), size - kernel, np.int64)
    if count == 1:
        return last
    alpha = sample.dtype.type((size - kernel) / (count - 1))
    first = sample[..., None]
    steps = ((np.arange(count - 1, dtype=sample.dtype) + first) * alpha).astype(np.int64)
    return np.concatenate([steps - (first * alpha).astype(np.int64), last], -1)


def _largest_places(x: Array, kernel: tuple[int, ...], sizes: tuple[int, ...], samples: Array) -> Array:
    """The flat index of each window's largest element, (N, C, *sizes); NaN wins."""
    axes, space = len(kernel), x.shape[2:]
    flat: Any = 0
    for axis in range(axes):
        sample = samples[..., 1 - axis if axes == 2 else axis]  # PyTorch's of images have the width first
        begins = _begins(sample, space[axis], sizes[axis], kernel[axis])
        places = begins[..., None] + np.arange(kernel[axis])  # (N, C, count, k)
        shape = [1] * (2 * axes)
        shape[axis], shape[axes + axis] = sizes[axis], kernel[axis]
        flat = flat * space[axis] + places.reshape(*x.shape[:2], *shape)
    flat = flat.reshape(*x.shape[:2], int(np.prod(sizes)), int(np.prod(kernel)))
    rows = x.reshape(*x.shape[:2], int(np.prod(space)))
    windows = np.take_along_axis(rows[:, :, None, :], flat, 3)
    best = windows.argmax(-1)[..., None]
    return np.take_along_axis(flat, best, 3).reshape(*x.shape[:2], *sizes)
