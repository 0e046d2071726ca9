"""Inputs of the recurrent layers over whole sequences, of one cell, and of their gradients."""

from __future__ import annotations

from loopnest import ops
from loopnest.laboratory.draw import Array, Draw, Inputs
from loopnest.shapes import CellShape, RecurrentShape


def _drawn(draw: Draw, s: RecurrentShape) -> tuple[Array, Array, Array, Array, Array]:
    """x, w_ih, w_hh, b_ih, b_hh."""
    rows = s.gates * s.h
    x, w_ih, w_hh = draw.normal(s.t, s.n, s.i), draw.weights(s.h, rows, s.i), draw.weights(s.h, rows, s.h)
    return x, w_ih, w_hh, draw.weights(s.h, rows), draw.weights(s.h, rows)


def forward(draw: Draw, s: RecurrentShape, op: str) -> Inputs:
    return _drawn(draw, s), {}


def lstm_backward(draw: Draw, s: RecurrentShape, op: str) -> Inputs:
    x, w_ih, w_hh, b_ih, b_hh = _drawn(draw, s)
    y, _, _, gates, cells = ops.lstm(x, w_ih, w_hh, b_ih, b_hh, keep=True)
    return (x, w_ih, w_hh, None, None, y, gates, cells, draw.normal(s.t, s.n, s.h)), {}


def gru_backward(draw: Draw, s: RecurrentShape, op: str) -> Inputs:
    x, w_ih, w_hh, b_ih, b_hh = _drawn(draw, s)
    y, _, gates = ops.gru(x, w_ih, w_hh, b_ih, b_hh, keep=True)
    return (x, w_ih, w_hh, None, y, gates, draw.normal(s.t, s.n, s.h)), {}


def rnn_backward(draw: Draw, s: RecurrentShape, op: str) -> Inputs:
    x, w_ih, w_hh, b_ih, b_hh = _drawn(draw, s)
    return (x, w_ih, w_hh, None, ops.rnn(x, w_ih, w_hh, b_ih, b_hh)[0], draw.normal(s.t, s.n, s.h)), {}


def lstm_cell(draw: Draw, s: CellShape, op: str) -> Inputs:
    return (draw.normal(s.m, 4 * s.h), draw.normal(s.m, s.h)), {}


def lstm_cell_backward(draw: Draw, s: CellShape, op: str) -> Inputs:
    sums, c0 = draw.normal(s.m, 4 * s.h), draw.normal(s.m, s.h)
    c, _, gates = ops.lstm_cell(sums, c0)
    return (gates, c, c0, draw.normal(s.m, s.h), draw.normal(s.m, s.h)), {}
