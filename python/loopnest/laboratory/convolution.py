"""Inputs of convolutions over one to three axes, and of their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from loopnest.laboratory.draw import Array, Draw, Inputs
from loopnest.shapes import ConvShape


def _drawn(draw: Draw, s: ConvShape) -> tuple[Array, Array, Array, dict[str, Any]]:
    """x, weight, bias, options."""
    fan = int(np.prod(s.w[1:]))
    x = draw.image(*s.x)
    w, b = draw.weights(fan, *s.w), draw.weights(fan, s.oc)
    return x, w, b, {"stride": s.stride, "padding": s.pads, "dilation": s.dilation, "groups": s.g}


def forward(draw: Draw, s: ConvShape, op: str) -> Inputs:
    x, w, b, how = _drawn(draw, s)
    return (x, w, b), how


def backward_input(draw: Draw, s: ConvShape, op: str) -> Inputs:
    _, w, _, how = _drawn(draw, s)
    return (s.x, w, draw.image(*s.y)), how


def backward_weight(draw: Draw, s: ConvShape, op: str) -> Inputs:
    x, _, _, how = _drawn(draw, s)
    return (x, s.w, draw.image(*s.y)), how
