"""Elman's network over a sequence, and its backward pass through time.

    h[t] = f(x[t] w_ih^T + b_ih + h[t-1] w_hh^T + b_hh),   f = tanh or max(., 0)

Source: Elman, "Finding structure in time", Cognitive Science 14(2), 1990. Backward: Werbos, "Backpropagation
through time: what it does and how to do it", Proceedings of the IEEE 78(10), 1990.

Shapes: input (T, N, I), weight_ih (H, I), weight_hh (H, H), biases (H,) or None, h_0 (N, H) or None (zeros).
lengths (N,) or None: sequence n has lengths[n] steps; beyond them the output is 0 and the state stays.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ._args import Array, as_float64
from ._steps import order, states_before, valid


class RnnGradients(NamedTuple):
    """dL/d of each argument of `rnn`; bias is the gradient of each of the two."""

    input: Array  # (T, N, I)
    weight_ih: Array  # (H, I)
    weight_hh: Array  # (H, H)
    bias: Array  # (H,)
    h_0: Array  # (N, H)


def rnn(
    input: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias_ih: ArrayLike | None = None,
    bias_hh: ArrayLike | None = None,
    h_0: ArrayLike | None = None,
    relu: bool = False,
    lengths: ArrayLike | None = None,
    reverse: bool = False,
) -> tuple[Array, Array]:
    """One layer, one direction. Returns output (T, N, H) and h_n (N, H), the state after the last valid step;
    reverse walks from the last step to the first.

    >>> y, h = rnn(np.ones((3, 1, 1)), [[1.0]], [[1.0]], relu=True, lengths=[2])
    >>> y[:, 0, 0], h[0]
    (array([1., 2., 0.]), array([2.]))
    """
    x, w_ih, w_hh = as_float64(input), as_float64(weight_ih), as_float64(weight_hh)
    (t_len, n, _), hidden = x.shape, w_hh.shape[1]
    bias = sum((as_float64(b) for b in (bias_ih, bias_hh) if b is not None), np.zeros(hidden))
    h = np.zeros((n, hidden)) if h_0 is None else as_float64(h_0).copy()
    output, counts = np.zeros((t_len, n, hidden)), valid(t_len, n, lengths)
    for t in order(t_len, reverse):
        on = counts[t, :, 0] > 0
        a = x[t, on] @ w_ih.T + h[on] @ w_hh.T + bias
        h[on] = output[t, on] = np.maximum(a, 0) if relu else np.tanh(a)
    return output, h


def rnn_backward(
    grad_output: ArrayLike | None,
    grad_h_n: ArrayLike | None,
    input: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    output: ArrayLike,
    h_0: ArrayLike | None = None,
    relu: bool = False,
    lengths: ArrayLike | None = None,
    reverse: bool = False,
) -> RnnGradients:
    """Gradients of `rnn` from dL/doutput (T, N, H), dL/dh_n (N, H), each may be None (zeros), and its output.

    For each valid step from the last, dh being what arrives at h[t]:

        dh += dL/doutput[t],   d = dh (1 - h[t]^2)   (relu: dh where h[t] > 0)
        dx[t] = d w_ih,  dw_ih += d^T x[t],  dw_hh += d^T h[t-1],  dbias += sum over n of d,  dh = d w_hh

    >>> one = np.ones((1, 1, 1))
    >>> rnn_backward(one, None, one, [[2.0]], [[3.0]], one, relu=True).input
    array([[[2.]]])
    """
    x, w_ih, w_hh, y = (as_float64(a) for a in (input, weight_ih, weight_hh, output))
    (t_len, n, _), hidden = x.shape, w_hh.shape[1]
    dh = np.zeros((n, hidden)) if grad_h_n is None else as_float64(grad_h_n).copy()
    dy = np.zeros(y.shape) if grad_output is None else as_float64(grad_output)
    dx, dw_ih, dw_hh, dbias = np.zeros_like(x), np.zeros_like(w_ih), np.zeros_like(w_hh), np.zeros(hidden)
    before = states_before(y, h_0, lengths, reverse)
    counts = valid(t_len, n, lengths)
    for t in reversed(order(t_len, reverse)):
        on = counts[t, :, 0] > 0
        arrived = dh[on] + dy[t, on]
        d = np.where(y[t, on] > 0, arrived, 0) if relu else arrived * (1 - y[t, on] ** 2)
        dx[t, on] = d @ w_ih
        dw_ih += d.T @ x[t, on]
        dw_hh += d.T @ before[t, on]
        dbias += d.sum(axis=0)
        dh[on] = d @ w_hh
    return RnnGradients(dx, dw_ih, dw_hh, dbias, dh)
