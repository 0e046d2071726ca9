"""How much of its input an output of a network sees, found by asking the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from loopnest._precision import precision
from loopnest.engine.tape import Tensor, no_grad, tensor
from loopnest.nn.module import Module


@dataclass(frozen=True)
class ReceptiveField:
    """What the output in the middle sees, by axis of space.

    size: places of the input. start: the first of them. stride: how far the field moves from one output to
    the next (0: there is one output only). position: which output was asked. clipped: whether the field
    ends at the input's edge, so that a larger input might show a larger one.
    """

    size: tuple[int, ...]
    start: tuple[int, ...]
    stride: tuple[int, ...]
    position: tuple[int, ...]
    clipped: tuple[bool, ...]


def receptive_field(
    model: Callable[[Tensor], Any], input_size: Sequence[int], dtype: Any = np.float32
) -> ReceptiveField:
    """The receptive field of a model of convolutions, pools and whatever works place by place.

    The model is asked, not read: NaN is put into all places of the input before (or behind) some place, and
    it is looked whether the output in the middle becomes NaN. So branches, residual connections and
    functions count, and it does not matter what the weights are (0 * NaN is NaN). What looks at all places,
    such as a layer norm, a global pool or a recurrent layer along that axis, has all of them as its field,
    which is true.

    Args:
      model: called with a Tensor (1, *input_size); a Module is in eval mode meanwhile. If it returns a
        tuple, the first part counts.
      input_size: (C, L), (C, H, W) or (C, D, H, W), large enough that the field does not reach the edge.

    Raises ValueError if the result has another number of axes, or no places.

    Example:
      >>> from loopnest import nn, receptive_field
      >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, dilation=2))
      >>> field = receptive_field(net, (1, 40, 40))
      >>> field.size, field.stride
      ((12, 12), (2, 2))
    """
    size = tuple(int(i) for i in input_size)
    if len(size) not in (2, 3, 4) or min(size) < 1:
        raise ValueError(
            f"receptive_field: expected input_size (C, L), (C, H, W) or (C, D, H, W), got {tuple(input_size)}"
        )
    modules = list(model.modules()) if isinstance(model, Module) else []
    training = [module.training for module in modules]  # some may be frozen
    try:
        for module in modules:
            module.training = False
        with no_grad(), precision("exact"):  # Winograd's tiles mix neighbours, which cancel; NaN does not
            return _ask(model, size, np.dtype(dtype))
    finally:
        for module, mode in zip(modules, training, strict=True):
            module.training = mode


def _ask(model: Callable[[Tensor], Any], size: tuple[int, ...], dtype: np.dtype[Any]) -> ReceptiveField:
    axes = len(size) - 1

    def seen(axis: int, places: slice, output: int) -> bool:
        """Does this output (along the axis) see any of these places of the input?"""
        x = np.zeros((1, *size), dtype)
        x[(slice(None), slice(None), *(places if a == axis else slice(None) for a in range(axes)))] = np.nan
        y = run(x)
        line = np.isnan(y).any(axis=tuple(a for a in range(y.ndim) if a != 2 + axis))
        return bool(line[output])

    def run(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        y = model(tensor(x))
        y = y[0] if isinstance(y, tuple) else y
        return y.detach().numpy()  # type: ignore[no-any-return]

    def ends(axis: int, output: int) -> tuple[int, int]:
        """The first and the last place that this output sees: by halves, since more places are never seen
        less."""
        low, high = 0, size[1 + axis] - 1  # the smallest r of which places [0, r] are seen
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if seen(axis, slice(0, middle + 1), output) else (middle + 1, high)
        first, low, high = low, 0, size[1 + axis] - 1  # the largest r of which places [r, end) are seen
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if seen(axis, slice(middle, None), output) else (low, middle - 1)
        return first, low

    shape = run(np.zeros((1, *size), dtype)).shape
    if len(shape) != 2 + axes or 0 in shape:
        raise ValueError(
            f"receptive_field: expected the model to give {2 + axes} axes with places for an input of shape "
            f"{(1, *size)}, got {shape}"
        )
    position = tuple(n // 2 for n in shape[2:])
    fields, strides = [], []
    for axis, output in enumerate(position):
        first, last = ends(axis, output)
        fields.append((first, last))
        neighbour = output + 1 if output + 1 < shape[2 + axis] else output - 1
        strides.append(abs(ends(axis, neighbour)[0] - first) if neighbour >= 0 else 0)
    return ReceptiveField(
        size=tuple(last - first + 1 for first, last in fields),
        start=tuple(first for first, _ in fields),
        stride=tuple(strides),
        position=position,
        clipped=tuple(first == 0 or last == n - 1 for (first, last), n in zip(fields, size[1:], strict=True)),
    )
