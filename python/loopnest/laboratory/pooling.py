"""Inputs of the pools over windows, and of their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from loopnest import ops
from loopnest.laboratory.draw import Draw, Inputs
from loopnest.shapes import Pool2dShape


def _options(op: str, s: Pool2dShape) -> dict[str, Any]:
    how: dict[str, Any] = {"kernel_size": s.kernel, "stride": s.stride, "padding": s.padding}
    how["ceil_mode"] = bool(s.ceil)
    if op.startswith("max"):
        how["dilation"] = s.dilation
    elif s.dilation != (1, 1):
        raise ValueError(f"{op}: has no dilation, got {s}")
    return how


def forward(draw: Draw, s: Pool2dShape, op: str) -> Inputs:
    return (draw.image(*s.x),), _options(op, s)


def max_backward(draw: Draw, s: Pool2dShape, op: str) -> Inputs:
    how = _options(op, s)
    y, indices = ops.max_pool2d(draw.image(*s.x), **how)
    return (np.ones_like(y), indices, s.x), how


def avg_backward(draw: Draw, s: Pool2dShape, op: str) -> Inputs:
    return (draw.image(*s.y), s.x), _options(op, s)
