"""Inputs of functions of one number after the other, and of their gradients."""

from __future__ import annotations

from loopnest import ops
from loopnest.laboratory.draw import Draw, Inputs
from loopnest.shapes import CountShape


def forward(draw: Draw, s: CountShape, op: str) -> Inputs:
    return (draw.normal(s.n),), {}


def backward(draw: Draw, s: CountShape, op: str) -> Inputs:
    y = getattr(ops, op.removesuffix("_backward"))(draw.normal(s.n))
    return (y, draw.normal(s.n)), {}


def gelu(draw: Draw, s: CountShape, op: str) -> Inputs:
    return (draw.normal(s.n), "gelu"), {}


def gelu_backward(draw: Draw, s: CountShape, op: str) -> Inputs:
    return (draw.normal(s.n), draw.normal(s.n), "gelu"), {}
