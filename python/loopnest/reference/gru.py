"""Gated recurrent units over a sequence, and their backward pass through time.

    r = sigmoid(x[t] w_ir^T + b_ir + h w_hr^T + b_hr)          h = h[t-1]; rows of w in the order r, z, n
    z = sigmoid(x[t] w_iz^T + b_iz + h w_hz^T + b_hz)
    n = tanh(x[t] w_in^T + b_in + r * q),  q = h w_hn^T + b_hn          (PyTorch, Keras, cuDNN)
    n = tanh(x[t] w_in^T + b_in + q w_hn^T + b_hn),  q = r * h          if before
    h[t] = (1 - z) * n + z * h

Source: Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine
translation", EMNLP 2014, equations 5 to 8 (the reset gate before the product); the other form is that of
cuDNN, chosen so that one product serves all three gates.

Shapes: input (T, N, I), weight_ih (3H, I), weight_hh (3H, H), biases (3H,) or None, h_0 (N, H) or None
(zeros). lengths (N,) or None: sequence n has lengths[n] steps; beyond them output and gates are 0 and the
state stays.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ._args import Array, as_float64
from ._steps import order, states_before, valid
from .activation import sigmoid


class GruSteps(NamedTuple):
    """All that a forward pass computes. gates: r z n q."""

    output: Array  # (T, N, H)
    h_n: Array  # (N, H)
    gates: Array  # (T, N, 4H)


class GruGradients(NamedTuple):
    """dL/d of each argument of `gru`; biases even where it had none."""

    input: Array  # (T, N, I)
    weight_ih: Array  # (3H, I)
    weight_hh: Array  # (3H, H)
    bias_ih: Array  # (3H,)
    bias_hh: Array  # (3H,)
    h_0: Array  # (N, H)


def gru_steps(
    input: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias_ih: ArrayLike | None = None,
    bias_hh: ArrayLike | None = None,
    h_0: ArrayLike | None = None,
    before: bool = False,
    lengths: ArrayLike | None = None,
    reverse: bool = False,
) -> GruSteps:
    """One layer, one direction, with everything that backward needs. reverse walks from the last step to the
    first.

    >>> zero = gru_steps(np.ones((2, 1, 1)), np.zeros((3, 1)), np.zeros((3, 1)), h_0=[[8.0]])
    >>> zero.output[:, 0, 0]  # all gates 1/2, n = 0: the state halves
    array([4., 2.])
    """
    x, w_ih, w_hh = as_float64(input), as_float64(weight_ih), as_float64(weight_hh)
    (t_len, n_len, _), hidden = x.shape, w_hh.shape[1]
    b_ih, b_hh = (np.zeros(3 * hidden) if b is None else as_float64(b) for b in (bias_ih, bias_hh))
    w_rz, w_n = w_hh[: 2 * hidden], w_hh[2 * hidden :]
    b_rz, b_n = b_hh[: 2 * hidden], b_hh[2 * hidden :]
    h = np.zeros((n_len, hidden)) if h_0 is None else as_float64(h_0).copy()
    output, gates = np.zeros((t_len, n_len, hidden)), np.zeros((t_len, n_len, 4 * hidden))
    counts = valid(t_len, n_len, lengths)
    for t in order(t_len, reverse):
        on = counts[t, :, 0] > 0
        sums = x[t, on] @ w_ih.T + b_ih
        r, z = np.split(sigmoid(sums[:, : 2 * hidden] + h[on] @ w_rz.T + b_rz), 2, axis=1)
        q = r * h[on] if before else h[on] @ w_n.T + b_n
        n = np.tanh(sums[:, 2 * hidden :] + (q @ w_n.T + b_n if before else r * q))
        h[on] = output[t, on] = (1 - z) * n + z * h[on]
        gates[t, on] = np.concatenate((r, z, n, q), axis=1)
    return GruSteps(output, h, gates)


def gru(
    input: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias_ih: ArrayLike | None = None,
    bias_hh: ArrayLike | None = None,
    h_0: ArrayLike | None = None,
    before: bool = False,
    lengths: ArrayLike | None = None,
    reverse: bool = False,
) -> tuple[Array, Array]:
    """One layer, one direction. Returns output (T, N, H) and h_n (N, H), the state after the last valid step.

    >>> y, h = gru(np.ones((3, 1, 1)), np.zeros((3, 1)), np.zeros((3, 1)), h_0=[[8.0]], lengths=[1])
    >>> y[:, 0, 0], h[0]
    (array([4., 0., 0.]), array([4.]))
    """
    steps = gru_steps(input, weight_ih, weight_hh, bias_ih, bias_hh, h_0, before, lengths, reverse)
    return steps.output, steps.h_n


def gru_backward(
    grad_output: ArrayLike | None,
    grad_h_n: ArrayLike | None,
    input: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    output: ArrayLike,
    gates: ArrayLike,
    h_0: ArrayLike | None = None,
    before: bool = False,
    lengths: ArrayLike | None = None,
    reverse: bool = False,
) -> GruGradients:
    """Gradients of `gru` from dL/doutput (T, N, H), dL/dh_n (N, H), each may be None (zeros), and from what
    `gru_steps` has kept. The formulas, for each valid step from the last, dh being what arrives at h[t]:

        dh += dL/doutput[t]
        dn = dh (1 - z) (1 - n^2),   dz = dh (h - n) z (1 - z)       (before the gates' functions)
        after the product:   dq = dn r,       dr = dn q r (1 - r),   dh = dh z + [dr dz dq] w_hh
        before the product:  dq = dn w_hn,    dr = dq h r (1 - r),   dh = dh z + dq r + [dr dz] [w_hr; w_hz]
        dx[t] = [dr dz dn] w_ih

    >>> zero = np.zeros((3, 1))
    >>> steps = gru_steps(np.ones((1, 1, 1)), zero, zero, h_0=[[8.0]])
    >>> gru_backward(None, [[1.0]], np.ones((1, 1, 1)), zero, zero, steps.output, steps.gates, [[8.0]]).h_0
    array([[0.5]])
    """
    x, w_ih, w_hh, y, kept = (as_float64(a) for a in (input, weight_ih, weight_hh, output, gates))
    (t_len, n_len, _), hidden = x.shape, w_hh.shape[1]
    dh = np.zeros((n_len, hidden)) if grad_h_n is None else as_float64(grad_h_n).copy()
    dy = np.zeros(y.shape) if grad_output is None else as_float64(grad_output)
    dx, dw_ih, dw_hh = np.zeros_like(x), np.zeros_like(w_ih), np.zeros_like(w_hh)
    db_ih, db_hh = np.zeros(3 * hidden), np.zeros(3 * hidden)
    h_before, counts = states_before(y, h_0, lengths, reverse), valid(t_len, n_len, lengths)
    rz, last = slice(0, 2 * hidden), slice(2 * hidden, 3 * hidden)
    for t in reversed(order(t_len, reverse)):
        on = counts[t, :, 0] > 0
        r, z, n, q = np.split(kept[t, on], 4, axis=1)
        h = h_before[t, on]
        arrived = dh[on] + dy[t, on]
        dn, dz = arrived * (1 - z) * (1 - n * n), arrived * (h - n) * z * (1 - z)
        dq = dn @ w_hh[last] if before else dn * r
        dr = dq * h * r * (1 - r) if before else dn * q * r * (1 - r)
        d_rz, through_n = np.concatenate((dr, dz), axis=1), dn if before else dq
        d = np.concatenate((d_rz, dn), axis=1)
        dx[t, on] = d @ w_ih
        dw_ih += d.T @ x[t, on]
        dw_hh[rz] += d_rz.T @ h
        dw_hh[last] += through_n.T @ (q if before else h)
        db_ih += d.sum(axis=0)
        db_hh += np.concatenate((d_rz, through_n), axis=1).sum(axis=0)
        dh[on] = arrived * z + d_rz @ w_hh[rz] + (dq * r if before else dq @ w_hh[last])
    return GruGradients(dx, dw_ih, dw_hh, db_ih, db_hh, dh)
