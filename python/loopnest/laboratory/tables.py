"""Inputs of what reads by tables: rows of an embedding, taps of a resampled image."""

from __future__ import annotations

import numpy as np

from loopnest.laboratory.draw import Array, Draw, Inputs
from loopnest.shapes import LookupShape, ResizeShape


def embedding(draw: Draw, s: LookupShape, op: str) -> Inputs:
    return (draw.below(s.v, s.m), draw.normal(s.v, s.d)), {}


def embedding_backward(draw: Draw, s: LookupShape, op: str) -> Inputs:
    return (draw.below(s.v, s.m), draw.normal(s.m, s.d), s.v), {}


def resample(draw: Draw, s: ResizeShape, op: str) -> Inputs:
    """Bilinear, as torch's interpolate with align_corners=False."""
    x = draw.image(s.n, s.c, 1, s.ih, s.iw)
    return (x, tuple(_linear(*size, draw.dtype) for size in ((1, 1), (s.ih, s.oh), (s.iw, s.ow)))), {}


def _linear(size: int, out: int, dtype: np.dtype) -> tuple[Array, Array, Array]:
    """Two taps for each output: the inputs on both sides of its middle, or the last one twice."""
    middle = np.clip((np.arange(out) + 0.5) * size / max(out, 1) - 0.5, 0, size - 1)
    left = middle.astype(np.int64)
    index = np.stack([left, np.minimum(left + 1, size - 1)], 1).reshape(-1)
    weight = np.stack([1 - (middle - left), middle - left], 1).reshape(-1).astype(dtype)
    return np.arange(0, 2 * out + 1, 2), index, weight
