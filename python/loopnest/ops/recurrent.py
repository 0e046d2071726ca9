"""Recurrent layers over whole sequences, one LSTM cell, and their gradients."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from loopnest import _core, reference
from loopnest.ops.ready import Array, Choice, Ready, operator


def _in_order_taken(kept: Array, reverse: bool) -> Array:
    """What the formulas keep of each place, in the order of the steps; and the other way round."""
    return kept[::-1] if reverse else kept


# ---- LSTM ----


@operator
def lstm(
    input,
    weight_ih,
    weight_hh,
    bias_ih=None,
    bias_hh=None,
    h_0=None,
    c_0=None,
    keep=False,
    lengths=None,
    reverse=False,
    **choice: Unpack[Choice],
) -> Ready[tuple[Array, ...]]:
    """One layer and direction of an LSTM over a whole sequence (the formula: csrc/ops/lstm/lstm.h).

    input (T, N, I), weight_ih (4H, I), weight_hh (4H, H) with the rows of i, f, g, o in this order, biases
    (4H,) both or none, states (N, H) both or none. Returns (y (T, N, H), h_n (N, H), c_n (N, H)), and with
    keep=True also the gates (T, N, 4H) after their functions and the cells (T, N, H), which the backward pass
    reads (in the order of the steps taken). lengths (N,) int64, from 0 to T: beyond its length a sequence's
    output is 0 and its states stay. reverse: from the last step to the first.

    >>> y, h, c = lstm(np.ones((3, 1, 2), "f"), np.ones((4, 2), "f"), np.zeros((4, 1), "f"))
    >>> y.shape, h.shape, bool(h[0, 0] == y[2, 0, 0])
    ((3, 1, 1), (1, 1), True)
    """
    arrays = (input, weight_ih, weight_hh, bias_ih, bias_hh, h_0, c_0)

    def formula() -> tuple[Array, ...]:
        steps = reference.lstm_steps(*arrays, reverse, lengths)
        kept = (_in_order_taken(a, reverse) for a in (steps.gates, steps.cells))
        return (*steps[:3], *kept) if keep else steps[:3]

    return _core.lstm(*arrays, keep, lengths, reverse, **choice), formula


@operator
def lstm_backward(
    input,
    weight_ih,
    weight_hh,
    h_0,
    c_0,
    output,
    gates,
    cells,
    grad_output,
    grad_h_n=None,
    grad_c_n=None,
    lengths=None,
    reverse=False,
    **choice: Unpack[Choice],
) -> Ready[tuple[Array, ...]]:
    """Gradients of lstm, backward through time, from what lstm(..., keep=True) returned.

    grad_output (T, N, H), grad_h_n and grad_c_n (N, H), each may be None for zeros. Returns dL/d of (input,
    weight_ih, weight_hh, bias (the same for both), h_0, c_0). The formulas:
    csrc/ops/lstm_backward/lstm_backward.h.

    >>> x, w_ih, w_hh = np.ones((3, 1, 2), "f"), np.ones((4, 2), "f"), np.zeros((4, 1), "f")
    >>> y, _, _, gates, cells = lstm(x, w_ih, w_hh, keep=True)
    >>> gradients = lstm_backward(x, w_ih, w_hh, None, None, y, gates, cells, np.ones_like(y))
    >>> [g.shape for g in gradients]
    [(3, 1, 2), (4, 2), (4, 1), (4,), (1, 1), (1, 1)]
    """
    forward = (input, weight_ih, weight_hh, h_0, c_0, output, gates, cells)
    call = _core.lstm_backward(*forward, grad_output, grad_h_n, grad_c_n, lengths, reverse, **choice)

    def formula() -> tuple[Array, ...]:
        kept = (_in_order_taken(a, reverse) for a in (gates, cells))
        steps = reference.LstmSteps(*(np.asarray(a, np.float64) for a in (output, output, cells, *kept)))
        gradient = np.zeros(output.shape) if grad_output is None else grad_output
        found = reference.lstm_backward_steps(
            gradient, grad_h_n, grad_c_n, input, weight_ih, weight_hh, steps, h_0, c_0, reverse, lengths
        )
        return found.input, found.weight_ih, found.weight_hh, found.bias_ih, found.h_0, found.c_0

    return call, formula


@operator
def lstm_cell(sums, c0=None, more=None, **choice: Unpack[Choice]) -> Ready[tuple[Array, ...]]:
    """What an LSTM does with the sums of its gates (the formula: csrc/ops/lstm_cell/lstm_cell.h).

    sums (M, 4H), blocks in the order i, f, g, o, and more (M, 4H) or None, added to them; c0 (M, H) or None:
    zeros; float32 or float64. Returns (y (M, H), c (M, H), gates (M, 4H) after their functions).

    >>> y, c, gates = lstm_cell(np.zeros((1, 4), "f"), np.full((1, 1), 8, "f"))
    >>> c  # all gates 1/2, g = 0: the cell halves
    array([[4.]], dtype=float32)
    """
    return _core.lstm_cell(sums, c0, more, **choice), lambda: tuple(reference.lstm_cell(sums, c0, more))


@operator
def lstm_cell_backward(
    gates, c, c0=None, grad_y=None, grad_c=None, **choice: Unpack[Choice]
) -> Ready[tuple[Array, ...]]:
    """Gradients of lstm_cell from what it returned, its c0, and what arrives at y and c (None: zeros).

    Returns dL/d of (sums (M, 4H), which is that of more as well, c0 (M, H)).

    >>> y, c, gates = lstm_cell(np.zeros((1, 4), "f"), np.full((1, 1), 8, "f"))
    >>> lstm_cell_backward(gates, c, grad_c=np.ones((1, 1), "f"))[1]  # the forget gate is 1/2
    array([[0.5]], dtype=float32)
    """
    args = gates, c, c0, grad_y, grad_c
    return _core.lstm_cell_backward(*args, **choice), lambda: reference.lstm_cell_backward(*args)


# ---- Elman's network ----


@operator
def rnn(
    input,
    weight_ih,
    weight_hh,
    bias_ih=None,
    bias_hh=None,
    h_0=None,
    relu=False,
    lengths=None,
    reverse=False,
    **choice: Unpack[Choice],
) -> Ready[tuple[Array, ...]]:
    """One layer and direction of Elman's network over a whole sequence (the formula: csrc/ops/rnn/rnn.h).

    input (T, N, I), weight_ih (H, I), weight_hh (H, H), biases (H,) both or none, h_0 (N, H) or None. relu:
    max(., 0) in place of tanh. lengths (N,) int64, from 0 to T: beyond its length a sequence's output is 0
    and its state stays. reverse: from the last step to the first. Returns (y (T, N, H), h_n (N, H)).

    >>> y, h = rnn(np.ones((3, 1, 1), "f"), np.ones((1, 1), "f"), np.ones((1, 1), "f"), relu=True)
    >>> y[:, 0, 0]
    array([1., 2., 3.], dtype=float32)
    """
    args = (input, weight_ih, weight_hh, bias_ih, bias_hh, h_0, relu, lengths, reverse)
    return _core.rnn(*args, **choice), lambda: reference.rnn(*args)


@operator
def rnn_backward(
    input,
    weight_ih,
    weight_hh,
    h_0,
    output,
    grad_output,
    grad_h_n=None,
    relu=False,
    lengths=None,
    reverse=False,
    **choice: Unpack[Choice],
) -> Ready[tuple[Array, ...]]:
    """Gradients of rnn, backward through time, from its output.

    grad_output (T, N, H) and grad_h_n (N, H), each may be None for zeros. Returns dL/d of (input, weight_ih,
    weight_hh, bias (the same for both), h_0). The formulas: csrc/ops/rnn_backward/rnn_backward.h.

    >>> x, one = np.ones((2, 1, 1), "f"), np.ones((1, 1), "f")
    >>> y, _ = rnn(x, one, one, relu=True)
    >>> rnn_backward(x, one, one, None, y, np.ones_like(y), relu=True)[0][:, 0, 0]
    array([2., 1.], dtype=float32)
    """
    arriving, how = (grad_output, grad_h_n), (relu, lengths, reverse)
    call = _core.rnn_backward(input, weight_ih, weight_hh, h_0, output, *arriving, *how, **choice)
    return call, lambda: tuple(
        reference.rnn_backward(*arriving, input, weight_ih, weight_hh, output, h_0, *how)
    )


# ---- GRU ----


@operator
def gru(
    input,
    weight_ih,
    weight_hh,
    bias_ih=None,
    bias_hh=None,
    h_0=None,
    keep=False,
    before=False,
    lengths=None,
    reverse=False,
    **choice: Unpack[Choice],
) -> Ready[tuple[Array, ...]]:
    """One layer and direction of gated recurrent units over a whole sequence (csrc/ops/gru/gru.h).

    input (T, N, I), weight_ih (3H, I), weight_hh (3H, H) with the rows of r, z, n in this order, biases (3H,)
    both or none, h_0 (N, H) or None. before: the reset gate acts before the product with w_hn (Cho et al.
    2014), not after it (PyTorch). lengths (N,) int64, from 0 to T: beyond its length a sequence's output is 0
    and its state stays. reverse: from the last step to the first. Returns (y (T, N, H), h_n (N, H)), and with
    keep=True also r z n q (T, N, 4H), in the order of the steps taken, which the backward pass reads.

    >>> w = np.zeros((3, 1), "f")  # all gates 1/2, n = 0: the state halves
    >>> y, h = gru(np.ones((2, 1, 1), "f"), w, w, h_0=np.full((1, 1), 8, "f"))
    >>> y[:, 0, 0]
    array([4., 2.], dtype=float32)
    """
    arrays, how = (input, weight_ih, weight_hh, bias_ih, bias_hh, h_0), (before, lengths, reverse)

    def formula() -> tuple[Array, ...]:
        steps = reference.gru_steps(*arrays, *how)
        ends = (steps.output, steps.h_n)
        return (*ends, _in_order_taken(steps.gates, reverse)) if keep else ends

    return _core.gru(*arrays, keep, *how, **choice), formula


@operator
def gru_backward(
    input,
    weight_ih,
    weight_hh,
    h_0,
    output,
    gates,
    grad_output,
    grad_h_n=None,
    before=False,
    lengths=None,
    reverse=False,
    **choice: Unpack[Choice],
) -> Ready[tuple[Array, ...]]:
    """Gradients of gru, backward through time, from what gru(..., keep=True) returned.

    grad_output (T, N, H) and grad_h_n (N, H), each may be None for zeros. Returns dL/d of (input, weight_ih,
    weight_hh, bias_ih, bias_hh, h_0). The formulas: csrc/ops/gru_backward/gru_backward.h.

    >>> x, w_ih, w_hh = np.ones((3, 1, 2), "f"), np.ones((3, 2), "f"), np.zeros((3, 1), "f")
    >>> y, _, gates = gru(x, w_ih, w_hh, keep=True)
    >>> [g.shape for g in gru_backward(x, w_ih, w_hh, None, y, gates, np.ones_like(y))]
    [(3, 1, 2), (3, 2), (3, 1), (3,), (3,), (1, 1)]
    """
    arriving, how = (grad_output, grad_h_n), (before, lengths, reverse)
    call = _core.gru_backward(input, weight_ih, weight_hh, h_0, output, gates, *arriving, *how, **choice)

    def formula() -> tuple[Array, ...]:
        kept = _in_order_taken(gates, reverse)
        return tuple(reference.gru_backward(*arriving, input, weight_ih, weight_hh, output, kept, h_0, *how))

    return call, formula
