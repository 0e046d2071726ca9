"""Inputs of products of matrices."""

from __future__ import annotations

from loopnest.laboratory.draw import Draw, Inputs
from loopnest.shapes import GemmShape


def gemm(draw: Draw, s: GemmShape, op: str) -> Inputs:
    second = draw.normal(s.k, s.n)
    return (draw.normal(s.m, s.k), second), {}


def linear(draw: Draw, s: GemmShape, op: str) -> Inputs:
    second = draw.normal(s.n, s.k)
    return (draw.normal(s.m, s.k), second), {}
