"""Inputs of what looks along rows or over sets: norms, softmax, sums, cross entropy."""

from __future__ import annotations

from typing import Any

from loopnest import ops
from loopnest.laboratory.draw import Draw, Inputs
from loopnest.shapes import AxisShape, ClassesShape, NormShape


def _sets(s: NormShape) -> dict[str, Any]:
    return {"groups": s.g, "over_n": bool(s.batch)}


def norm(draw: Draw, s: NormShape, op: str) -> Inputs:
    return (draw.normal(s.n, s.s, s.c), draw.normal(s.c), draw.normal(s.c)), _sets(s)


def norm_backward(draw: Draw, s: NormShape, op: str) -> Inputs:
    (x, weight, bias), how = norm(draw, s, op)
    _, mean, var = ops.norm(x, weight, bias, **how)
    return (draw.normal(s.n, s.s, s.c), x, weight, mean, var), how


def softmax(draw: Draw, s: AxisShape, op: str) -> Inputs:
    return (draw.normal(s.o, s.d, s.i),), {"dim": 1}


def softmax_backward(draw: Draw, s: AxisShape, op: str) -> Inputs:
    y = ops.softmax(draw.normal(s.o, s.d, s.i), dim=1)
    return (draw.normal(s.o, s.d, s.i), y), {"dim": 1}


def reduce(draw: Draw, s: AxisShape, op: str) -> Inputs:
    return (draw.normal(s.o, s.d, s.i),), {"dim": 1}


def cross_entropy(draw: Draw, s: ClassesShape, op: str) -> Inputs:
    return (draw.normal(s.n, s.c, s.s), draw.below(s.c, s.n, s.s)), {}


def cross_entropy_backward(draw: Draw, s: ClassesShape, op: str) -> Inputs:
    (logits, target), _ = cross_entropy(draw, s, op)
    log_sum_exp = ops.call("cross_entropy", logits, target)
    log_sum_exp.run()
    return (logits, target, log_sum_exp.result[1], draw.normal(s.n, s.s)), {}
