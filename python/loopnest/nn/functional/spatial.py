"""Images looked at where a grid of points says: affine_grid and grid_sample (Jaderberg and others, "Spatial
transformer networks", 2015), under torch.nn.functional's names. NumPy computes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopnest.engine import custom
from loopnest.engine.tape import Tensor, tensor

Array = NDArray[Any]
MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """Points of an affine map: for each place of an output of this size, where grid_sample is to look; as
    torch.nn.functional.affine_grid.

    Args:
      theta: (N, 2, 3) for images, (N, 3, 4) for volumes: rows of factors of (x, y, 1) or (x, y, z, 1).
      size: (N, C, H, W) or (N, C, D, H, W). align_corners: -1 and 1 are the centres of the outermost places,
        otherwise their outer edges.

    Returns (N, H, W, 2) or (N, D, H, W, 3), x first.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> same = loopnest.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
      >>> F.affine_grid(same, (1, 1, 1, 2), align_corners=False).tolist()
      [[[[-0.5, 0.0], [0.5, 0.0]]]]
    """
    axes = len(size) - 2
    if axes not in (2, 3) or theta.shape != (size[0], axes, axes + 1):
        raise ValueError(
            "affine_grid: expected theta (N, 2, 3) and size (N, C, H, W), or (N, 3, 4) and (N, C, D, H, W), "
            f"got {theta.shape} and {tuple(size)}"
        )
    if theta.dtype.kind != "f":
        raise TypeError(f"affine_grid: expected theta of float32 or float64, got {theta.dtype}")
    if min(size) < 1:
        raise ValueError(f"affine_grid: expected sizes of at least 1, got {tuple(size)}")
    points = []
    for n in size[2:]:
        at = np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
        points.append(at if align_corners else at * (n - 1) / n)
    last_first = reversed(np.meshgrid(*points, indexing="ij"))
    places = np.stack([*last_first, np.ones(tuple(size[2:]))], -1)
    base = tensor(places.reshape(1, -1, axes + 1).astype(theta.dtype))
    return (base @ theta.transpose(1, 2)).reshape((size[0], *size[2:], axes))


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """The input where the grid says, as torch.nn.functional.grid_sample.

    Args:
      input: (N, C, H, W) or (N, C, D, H, W).
      grid: (N, OH, OW, 2) or (N, OD, OH, OW, 3): for each place of the output x, y (and z), from -1 to 1.
      mode: between places "bilinear" (of volumes trilinear), "nearest", or "bicubic" for images.
      padding_mode: what lies outside: "zeros", "border" (the nearest place) or "reflection".
      align_corners: -1 and 1 are the centres of the outermost places, otherwise their outer edges.

    Returns (N, C, OH, OW) or (N, C, OD, OH, OW). Gradients go to input and grid.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor([[[[1.0, 3.0]]]])
      >>> F.grid_sample(x, loopnest.tensor([[[[0.0, 0.0], [0.5, 0.0]]]]), align_corners=False).tolist()
      [[[[2.0, 3.0]]]]
    """
    _check(input, grid, mode, padding_mode)
    sizes = input.shape[:1:-1]  # W, H (, D): in the grid's order
    numbers = custom.numbers(grid)
    values, slopes = [], []
    for axis, size in enumerate(sizes):
        scale = (size - 1) / 2 if align_corners else size / 2
        at = (numbers[..., axis] + 1) * grid.dtype.type(scale) - grid.dtype.type(0 if align_corners else 0.5)
        slope = np.full(at.shape, scale, at.dtype)
        if mode != "bicubic":  # which brings each of its 16 places inside
            at, turned = _inside(at, size, padding_mode, bool(align_corners))
            slope = slope * turned
        values.append(at)
        slopes.append(slope)
    taps = _taps(values, sizes, mode, padding_mode, bool(align_corners))
    return _sampled(input, grid, taps, slopes)


def _check(input: Tensor, grid: Tensor, mode: str, padding_mode: str) -> None:
    axes = input.ndim - 2
    wanted = (input.shape[0], *grid.shape[1:-1], axes)
    if axes not in (2, 3) or grid.ndim != input.ndim or grid.shape != wanted:
        raise ValueError(
            "grid_sample: expected input (N, C, H, W) and grid (N, OH, OW, 2), or (N, C, D, H, W) and "
            f"(N, OD, OH, OW, 3), got {input.shape} and {grid.shape}"
        )
    if input.dtype.kind != "f" or grid.dtype != input.dtype:
        raise TypeError(
            f"grid_sample: expected input and grid of one float dtype, got {input.dtype} and {grid.dtype}"
        )
    if mode not in MODES or (mode == "bicubic" and axes == 3):
        raise ValueError(f"grid_sample: expected mode to be one of {MODES[: 5 - axes]}, got {mode!r}")
    if padding_mode not in PADDINGS:
        raise ValueError(f"grid_sample: expected padding_mode of {PADDINGS}, got {padding_mode!r}")
    if 0 in input.shape[2:]:
        raise ValueError(f"grid_sample: expected places in the input, got {input.shape}")


def _inside(at: Array, size: int, padding_mode: str, align_corners: bool) -> tuple[Array, Array]:
    """Coordinates brought into 0 ... size - 1 as padding_mode says, and their slopes: 1, -1 or 0."""
    slope = np.ones_like(at)
    if padding_mode == "reflection":
        low, high = (0.0, size - 1.0) if align_corners else (-0.5, size - 0.5)
        if low == high:
            return np.zeros_like(at), np.zeros_like(at)
        away = at - low
        slope = np.where(away < 0, -slope, slope)
        away = np.abs(away)
        flips = np.floor(away / (high - low))
        rest = np.fmod(away, at.dtype.type(high - low))
        odd = flips % 2 == 1
        at = np.where(odd, (high - low) - rest + low, rest + low).astype(at.dtype)
        slope = np.where(odd, -slope, slope)
    if padding_mode != "zeros":
        slope = np.where((at <= 0) | (at >= size - 1), 0, slope).astype(at.dtype)
        at = np.clip(at, 0, size - 1)
    return at, slope


def _taps(values: list[Array], sizes: Any, mode: str, padding_mode: str, align_corners: bool) -> list[Any]:
    """Of each axis, a list of (whole places, weights, slopes of the weights)."""
    found = []
    for at, size in zip(values, sizes, strict=True):
        if mode == "nearest":
            found.append([(np.rint(at), np.ones_like(at), np.zeros_like(at))])
            continue
        floor = np.floor(at)
        part = at - floor
        if mode == "bilinear":
            ones = np.ones_like(at)
            found.append([(floor, 1 - part, -ones), (floor + 1, part, ones)])
            continue
        cubic = []
        for k in range(-1, 3):
            place = _inside(floor + k, size, padding_mode, align_corners)[0]
            cubic.append((np.rint(place), *_cubic(part - k)))
        found.append(cubic)
    return found


def _cubic(x: Array) -> tuple[Array, Array]:
    """Keys' weight (1981, A = -0.75) of a place at distance x, and its slope."""
    a, far = -0.75, np.abs(x)
    near = far <= 1
    weight = np.where(near, ((a + 2) * far - (a + 3)) * far**2 + 1, ((far - 5) * far + 8) * far * a - 4 * a)
    slope = np.where(near, (3 * (a + 2) * far - 2 * (a + 3)) * far, ((3 * far - 10) * far + 8) * a)
    return weight.astype(x.dtype), (slope * np.sign(x)).astype(x.dtype)


def _sampled(input: Tensor, grid: Tensor, taps: list[Any], slopes: list[Array]) -> Tensor:
    """The sum over all combinations of an axis' places, of their weights' product times the input there."""
    x = custom.numbers(input)
    batch, channels, *space = x.shape
    count, many = math.prod(space), math.prod(grid.shape[1:-1])  # places of the input, of the output
    rows = x.reshape(batch, channels, count)
    out = np.zeros((batch, channels, *grid.shape[1:-1]), x.dtype)
    flat = out.reshape(batch, channels, many)
    combined = []
    for chosen in itertools.product(*taps):
        at: Any = 0
        there = np.ones(grid.shape[:-1], bool)
        for (place, _, _), size in zip(chosen[::-1], space, strict=True):
            there &= (place >= 0) & (place < size)
            at = at * size + np.where((place >= 0) & (place < size), place, 0).astype(np.int64)
        product = math.prod([w for _, w, _ in chosen])
        weight = np.where(there, product, 0).astype(x.dtype).reshape(batch, 1, many)
        at = at.reshape(batch, 1, many)
        flat += np.take_along_axis(rows, at, 2) * weight
        combined.append((chosen, at, there, weight))

    def grads(g: Array, x: Array, _: Array) -> tuple[Array, Array]:
        dy = g.reshape(batch, channels, many)
        first = (np.arange(batch * channels) * count).reshape(batch, channels, 1)
        dx = np.zeros(batch * channels * count)
        dgrid = np.zeros(grid.shape, x.dtype)
        rows = x.reshape(batch, channels, count)
        for chosen, at, there, weight in combined:
            dx += np.bincount((first + at).reshape(-1), (dy * weight).reshape(-1), len(dx))
            seen = (dy * np.take_along_axis(rows, at, 2)).sum(1).reshape(there.shape) * there
            for axis in range(len(chosen)):
                others = math.prod([w for i, (_, w, _) in enumerate(chosen) if i != axis])
                dgrid[..., axis] += seen * others * chosen[axis][2] * slopes[axis]
        return dx.reshape(x.shape).astype(x.dtype), dgrid

    return custom.recorded("GridSampleBackward", out, (input, grid), grads, (input, grid))
