"""Long short-term memory over a sequence, and its backward pass through time.

    [i f g o] = x[t] w_ih^T + b_ih + h[t-1] w_hh^T + b_hh      (4H rows of w in PyTorch's order: i, f, g, o)
    i, f, o   = sigmoid(i), sigmoid(f), sigmoid(o);  g = tanh(g)
    c[t]      = f * c[t-1] + i * g
    h[t]      = o * tanh(c[t])

Sources: Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997; Gers,
Schmidhuber and Cummins, "Learning to forget", Neural Computation 12(10), 2000 (the forget gate). Backward:
Graves and Schmidhuber, "Framewise phoneme classification with bidirectional LSTM", 2005, appendix A,
without peepholes.

Shapes: input (T, N, I), weight_ih (4H, I), weight_hh (4H, H), biases (4H,) or None, h_0 and c_0 (N, H) or
None (zeros). lengths (N,) or None: sequence n has lengths[n] steps; beyond them output, gates and cells are 0
and the states stay.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ._args import Array, as_float64
from ._steps import order, states_before, valid
from .activation import sigmoid, tanh


class LstmSteps(NamedTuple):
    """All that a forward pass computes. gates: i f g o after sigmoid and tanh; cells: c[t]."""

    output: Array  # (T, N, H)
    h_n: Array  # (N, H)
    c_n: Array  # (N, H)
    gates: Array  # (T, N, 4H)
    cells: Array  # (T, N, H)


class LstmGradients(NamedTuple):
    """dL/d of each argument of `lstm`; biases (equal to each other) even where it had none."""

    input: Array  # (T, N, I)
    weight_ih: Array  # (4H, I)
    weight_hh: Array  # (4H, H)
    bias_ih: Array  # (4H,)
    bias_hh: Array  # (4H,)
    h_0: Array  # (N, H)
    c_0: Array  # (N, H)


def lstm_steps(
    input: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias_ih: ArrayLike | None = None,
    bias_hh: ArrayLike | None = None,
    h_0: ArrayLike | None = None,
    c_0: ArrayLike | None = None,
    reverse: bool = False,
    lengths: ArrayLike | None = None,
) -> LstmSteps:
    """One layer, one direction, with everything that backward needs. reverse walks from the last step to
    the first.

    >>> zeros = lstm_steps(np.ones((3, 2, 1)), np.zeros((4, 1)), np.zeros((4, 1)), c_0=np.full((2, 1), 8.0))
    >>> zeros.cells[:, 0, 0]  # all gates 1/2, g = 0: the cell halves
    array([4., 2., 1.])
    """
    x, w_ih, w_hh = as_float64(input), as_float64(weight_ih), as_float64(weight_hh)
    (t_len, n, _), hidden = x.shape, w_hh.shape[1]
    bias = sum((as_float64(b) for b in (bias_ih, bias_hh) if b is not None), np.zeros(4 * hidden))
    h = np.zeros((n, hidden)) if h_0 is None else as_float64(h_0)
    c = np.zeros((n, hidden)) if c_0 is None else as_float64(c_0)

    h, c = h.copy(), c.copy()
    output, cells = np.zeros((t_len, n, hidden)), np.zeros((t_len, n, hidden))
    gates, counts = np.zeros((t_len, n, 4 * hidden)), valid(t_len, n, lengths)
    for t in order(t_len, reverse):
        on = counts[t, :, 0] > 0
        i, f, g, o = np.split(x[t, on] @ w_ih.T + h[on] @ w_hh.T + bias, 4, axis=1)
        i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
        c[on] = f * c[on] + i * g
        h[on] = o * tanh(c[on])
        output[t, on], cells[t, on], gates[t, on] = h[on], c[on], np.concatenate((i, f, g, o), axis=1)
    return LstmSteps(output, h.copy(), c.copy(), gates, cells)


def lstm(
    input: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias_ih: ArrayLike | None = None,
    bias_hh: ArrayLike | None = None,
    h_0: ArrayLike | None = None,
    c_0: ArrayLike | None = None,
    reverse: bool = False,
    lengths: ArrayLike | None = None,
) -> tuple[Array, tuple[Array, Array]]:
    """One layer, one direction. Returns output (T, N, H) and (h_n, c_n), each (N, H): the state after the
    last step.

    >>> y, (h, c) = lstm(np.ones((3, 2, 1)), np.zeros((4, 1)), np.zeros((4, 1)), c_0=np.full((2, 1), 8.0))
    >>> y.shape, c[0]
    ((3, 2, 1), array([1.]))
    """
    steps = lstm_steps(input, weight_ih, weight_hh, bias_ih, bias_hh, h_0, c_0, reverse, lengths)
    return steps.output, (steps.h_n, steps.c_n)


def lstm_backward(
    grad_output: ArrayLike,
    grad_h_n: ArrayLike | None,
    grad_c_n: ArrayLike | None,
    input: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias_ih: ArrayLike | None = None,
    bias_hh: ArrayLike | None = None,
    h_0: ArrayLike | None = None,
    c_0: ArrayLike | None = None,
    reverse: bool = False,
    lengths: ArrayLike | None = None,
) -> LstmGradients:
    """Gradients of `lstm` from dL/doutput (T, N, H), dL/dh_n and dL/dc_n (N, H) or None (zeros).

    With dh, dc the gradients that arrive at h[t] and c[t], and a = tanh(c[t]), for each step from the last:

        dc += dh * o * (1 - a^2)
        before the gates' functions:  di = dc g i (1 - i),  df = dc c[t-1] f (1 - f),
                                      dg = dc i (1 - g^2),  do = dh a o (1 - o)
        dx[t] = [di df dg do] w_ih,   dh = dL/doutput[t-1] + [di df dg do] w_hh,   dc = dc * f
        dw_ih += [...]^T x[t],        dw_hh += [...]^T h[t-1],        dbias += sum over n of [...]

    >>> x, w = np.ones((1, 1, 1)), np.zeros((4, 1))
    >>> lstm_backward(np.zeros((1, 1, 1)), None, np.ones((1, 1)), x, w, w).c_0  # dc_n * f, f = 1/2
    array([[0.5]])
    """
    steps = lstm_steps(input, weight_ih, weight_hh, bias_ih, bias_hh, h_0, c_0, reverse, lengths)
    return lstm_backward_steps(
        grad_output, grad_h_n, grad_c_n, input, weight_ih, weight_hh, steps, h_0, c_0, reverse, lengths
    )


def lstm_backward_steps(
    grad_output: ArrayLike,
    grad_h_n: ArrayLike | None,
    grad_c_n: ArrayLike | None,
    input: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    steps: LstmSteps,
    h_0: ArrayLike | None = None,
    c_0: ArrayLike | None = None,
    reverse: bool = False,
    lengths: ArrayLike | None = None,
) -> LstmGradients:
    """`lstm_backward` from what a forward pass has kept (its output, gates and cells).

    >>> x, w = np.ones((1, 1, 1)), np.zeros((4, 1))
    >>> lstm_backward_steps(np.zeros((1, 1, 1)), None, np.ones((1, 1)), x, w, w, lstm_steps(x, w, w)).c_0
    array([[0.5]])
    """
    x, w_ih, w_hh = as_float64(input), as_float64(weight_ih), as_float64(weight_hh)
    (t_len, n, _), hidden = x.shape, w_hh.shape[1]
    h_0 = np.zeros((n, hidden)) if h_0 is None else as_float64(h_0)
    c_0 = np.zeros((n, hidden)) if c_0 is None else as_float64(c_0)
    dy = as_float64(grad_output)
    dh = np.zeros((n, hidden)) if grad_h_n is None else as_float64(grad_h_n)
    dc = np.zeros((n, hidden)) if grad_c_n is None else as_float64(grad_c_n)

    dx, dw_ih, dw_hh, dbias = np.zeros_like(x), np.zeros_like(w_ih), np.zeros_like(w_hh), np.zeros(4 * hidden)
    h_before = states_before(as_float64(steps.output), h_0, lengths, reverse)
    c_before = states_before(as_float64(steps.cells), c_0, lengths, reverse)
    dh, dc, counts = dh.copy(), dc.copy(), valid(t_len, n, lengths)
    for t in reversed(order(t_len, reverse)):
        on = counts[t, :, 0] > 0
        i, f, g, o = np.split(steps.gates[t, on], 4, axis=1)
        a = np.tanh(steps.cells[t, on])
        arrived = dh[on] + dy[t, on]
        dc_now = dc[on] + arrived * o * (1 - a * a)
        di, df, dg, do = (
            dc_now * g * i * (1 - i),
            dc_now * c_before[t, on] * f * (1 - f),
            dc_now * i * (1 - g * g),
            arrived * a * o * (1 - o),
        )
        d_gates = np.concatenate((di, df, dg, do), axis=1)  # (N, 4H), before sigmoid and tanh
        dx[t, on] = d_gates @ w_ih
        dw_ih += d_gates.T @ x[t, on]
        dw_hh += d_gates.T @ h_before[t, on]
        dbias += d_gates.sum(axis=0)
        dh[on], dc[on] = d_gates @ w_hh, dc_now * f
    return LstmGradients(dx, dw_ih, dw_hh, dbias, dbias.copy(), dh, dc)


def lstm_stack(
    input: ArrayLike,
    weights: list[tuple[ArrayLike, ArrayLike, ArrayLike | None, ArrayLike | None]],
    h_0: ArrayLike | None = None,
    c_0: ArrayLike | None = None,
    bidirectional: bool = False,
) -> tuple[Array, tuple[Array, Array]]:
    """Several layers, in one or both directions, as `torch.nn.LSTM` without dropout.

    weights: (w_ih, w_hh, b_ih, b_hh) per layer and direction in the order of torch's state_dict: layer 0,
    layer 0 reverse, layer 1, ... A layer's output is both directions side by side (T, N, D * H), and the
    next layer's input. h_0, c_0 (L * D, N, H) or None. Returns output (T, N, D * H) and (h_n, c_n), each (L
    * D, N, H).

    >>> w = (np.zeros((4, 2)), np.zeros((4, 1)), None, None)
    >>> y, (h, c) = lstm_stack(np.ones((3, 2, 2)), [w, w, w, w], bidirectional=True)
    >>> y.shape, h.shape
    ((3, 2, 2), (4, 2, 1))
    """
    directions = 2 if bidirectional else 1
    y, h_n, c_n = as_float64(input), [], []
    for layer in range(len(weights) // directions):
        outputs = []
        for direction in range(directions):
            at = layer * directions + direction
            h = None if h_0 is None else as_float64(h_0)[at]
            c = None if c_0 is None else as_float64(c_0)[at]
            out, (h, c) = lstm(y, *weights[at], h, c, reverse=direction == 1)
            outputs.append(out)
            h_n.append(h)
            c_n.append(c)
        y = np.concatenate(outputs, axis=2)
    return y, (np.stack(h_n), np.stack(c_n))
