"""Inputs of the optimisers' steps."""

from __future__ import annotations

from loopnest.laboratory.draw import Draw, Inputs
from loopnest.shapes import CountShape


def step(draw: Draw, s: CountShape, op: str) -> Inputs:
    """Parameters, their gradient, and what the optimiser remembers of earlier steps."""
    param, grad = draw.normal(s.n), draw.normal(s.n)
    if op == "sgd_step":
        return (param, grad, draw.normal(s.n)), {"lr": 0.01, "momentum": 0.9}
    if op == "adam_step":
        return (param, grad, draw.normal(s.n), draw.squares(s.n)), {"step": 10}
    if op == "adadelta_step":
        return (param, grad, draw.squares(s.n), draw.squares(s.n)), {}
    return (param, grad, draw.squares(s.n)), {}
