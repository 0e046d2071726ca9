"""Recurrent layers that PyTorch lacks, step by step as their papers write them.

Shapes: input (T, N, I), weight_ih (G H, I), weight_hh (G H, H), bias (G H,); states (N, H) or None: zeros.
"""

import numpy as np
from numpy.typing import ArrayLike

from ._args import Array, as_float64
from .activation import sigmoid, tanh


def _state(state: ArrayLike | None, n: int, h: int) -> Array:
    return np.zeros((n, h)) if state is None else as_float64(state)


def _normal(x: Array, gain: ArrayLike, shift: ArrayLike, eps: float) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * gain + shift


def lstm_variant(
    input: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias: ArrayLike,
    h_0: ArrayLike | None = None,
    c_0: ArrayLike | None = None,
    peephole: ArrayLike | None = None,
    coupled: bool = False,
    clip: float | None = None,
    norms: list[tuple[ArrayLike, ArrayLike]] | None = None,
    zoneout: tuple[float, float] = (0.0, 0.0),
    eps: float = 1e-5,
) -> tuple[Array, Array, Array]:
    """LSTM with peepholes (Gers, Schraudolph and Schmidhuber 2002), coupled gates f = 1 - i (Greff et al.
    2017, "CIFG"), cells clipped to +-clip (Sak et al. 2014), layer normalisation (Ba, Kiros and Hinton 2016,
    equations 20 to 22) and zoneout in expectation (Krueger et al. 2017).

    Rows i, f, g, o; coupled: i, g, o. peephole (3, H) for i, f, o. norms: (gain, shift) of the product with
    x, of that with h, and of the cell. Returns output, h_n, c_n.

    >>> import numpy as np
    >>> lstm_variant(np.ones((5, 2, 3)), np.ones((9, 3)), np.ones((9, 3)), np.ones(9), coupled=True)[0].shape
    (5, 2, 3)
    """
    x, w_ih, w_hh, b = map(as_float64, (input, weight_ih, weight_hh, bias))
    steps, n, hidden = len(x), x.shape[1], w_hh.shape[1]
    h, c = _state(h_0, n, hidden), _state(c_0, n, hidden)
    p = np.zeros((3, hidden)) if peephole is None else as_float64(peephole)
    output = np.empty((steps, n, hidden))
    for t in range(steps):
        a, r = x[t] @ w_ih.T, h @ w_hh.T
        if norms is not None:
            a, r = _normal(a, *norms[0], eps), _normal(r, *norms[1], eps)
        parts = np.split(a + r + b, 3 if coupled else 4, axis=1)
        i = sigmoid(parts[0] + p[0] * c)
        f = 1 - i if coupled else sigmoid(parts[1] + p[1] * c)
        new = f * c + i * tanh(parts[-2])
        if clip is not None:
            new = np.clip(new, -clip, clip)
        o = sigmoid(parts[-1] + p[2] * new)
        shown = new if norms is None else _normal(new, *norms[2], eps)
        new_h = o * tanh(shown)
        c = zoneout[1] * c + (1 - zoneout[1]) * new
        h = zoneout[0] * h + (1 - zoneout[0]) * new_h
        output[t] = h
    return output, h, c


def gru_variant(
    input: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias: ArrayLike,
    bias_n: ArrayLike,
    h_0: ArrayLike | None = None,
    norms: list[tuple[ArrayLike, ArrayLike]] | None = None,
    zoneout: float = 0.0,
    eps: float = 1e-5,
) -> tuple[Array, Array]:
    """GRU, rows r, z, n, with layer normalisation of the products with x and h, and zoneout in expectation.
    bias_n (H,) is added to the new gate's product with h. Returns output, h_n.

    >>> import numpy as np
    >>> gru_variant(np.ones((5, 2, 3)), np.ones((9, 3)), np.ones((9, 3)), np.ones(9), np.ones(3))[0].shape
    (5, 2, 3)
    """
    x, w_ih, w_hh, b, b_n = map(as_float64, (input, weight_ih, weight_hh, bias, bias_n))
    h = _state(h_0, x.shape[1], w_hh.shape[1])
    output = np.empty((len(x), *h.shape))
    for t in range(len(x)):
        a, r = x[t] @ w_ih.T, h @ w_hh.T
        if norms is not None:
            a, r = _normal(a, *norms[0], eps), _normal(r, *norms[1], eps)
        a = a + b
        ar, az, an = np.split(a, 3, axis=1)
        hr, hz, hn = np.split(r, 3, axis=1)
        z = sigmoid(az + hz)
        new = tanh(an + sigmoid(ar + hr) * (hn + b_n))
        h = zoneout * h + (1 - zoneout) * ((1 - z) * new + z * h)
        output[t] = h
    return output, h


def mgu(
    input: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias: ArrayLike,
    h_0: ArrayLike | None = None,
) -> tuple[Array, Array]:
    """Minimal gated unit (Zhou et al. 2016, arXiv:1603.09420, equations 9 to 11), rows f, h. Returns output,
    h_n.

    >>> import numpy as np
    >>> mgu(np.ones((1, 1, 1)), np.zeros((2, 1)), np.zeros((2, 1)), np.zeros(2), np.ones((1, 1)))[0].item()
    0.5
    """
    x, w_ih, w_hh, b = map(as_float64, (input, weight_ih, weight_hh, bias))
    hidden = w_hh.shape[1]
    h = _state(h_0, x.shape[1], hidden)
    output = np.empty((len(x), *h.shape))
    for t in range(len(x)):
        a = x[t] @ w_ih.T + b
        f = sigmoid(a[:, :hidden] + h @ w_hh[:hidden].T)
        h = (1 - f) * h + f * tanh(a[:, hidden:] + (f * h) @ w_hh[hidden:].T)
        output[t] = h
    return output, h


def indrnn(
    input: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias: ArrayLike,
    h_0: ArrayLike | None = None,
    nonlinearity: str = "relu",
) -> tuple[Array, Array]:
    """Independently recurrent network (Li et al. 2018, arXiv:1803.04831, equation 2); weight_hh (H,).

    >>> import numpy as np
    >>> indrnn(np.ones((3, 1, 1)), np.ones((1, 1)), np.ones(1), np.zeros(1))[0].ravel().tolist()
    [1.0, 2.0, 3.0]
    """
    x, w_ih, u, b = map(as_float64, (input, weight_ih, weight_hh, bias))
    h = _state(h_0, x.shape[1], len(u))
    output = np.empty((len(x), *h.shape))
    for t in range(len(x)):
        a = x[t] @ w_ih.T + b + u * h
        h = np.maximum(a, 0) if nonlinearity == "relu" else np.tanh(a)
        output[t] = h
    return output, h


def sru(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike,
    c_0: ArrayLike | None = None,
) -> tuple[Array, Array]:
    """Simple recurrent unit (Lei and Zhang 2017, arXiv:1709.02755v1, equations 3 to 7): weight (4 H, I), rows
    x~, f, r and the highway; bias (2 H,) of f and r. Returns output, c_n.

    >>> import numpy as np
    >>> sru(np.ones((5, 2, 3)), np.ones((8, 3)), np.ones(4))[0].shape
    (5, 2, 2)
    """
    x, w, b = map(as_float64, (input, weight, bias))
    hidden = len(w) // 4
    c = _state(c_0, x.shape[1], hidden)
    output = np.empty((len(x), *c.shape))
    for t in range(len(x)):
        new, f, r, way = np.split(x[t] @ w.T, 4, axis=1)
        f, r = sigmoid(f + b[:hidden]), sigmoid(r + b[hidden:])
        c = f * c + (1 - f) * new
        output[t] = r * tanh(c) + (1 - r) * way
    return output, c


def qrnn(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike,
    c_0: ArrayLike | None = None,
) -> tuple[Array, Array]:
    """Quasi-recurrent network with fo-pooling (Bradbury et al. 2016, arXiv:1611.01576, equations 1 and 4):
    weight (3 H, I, K), a causal convolution over time giving z, f, o. Returns output, c_n.

    >>> import numpy as np
    >>> qrnn(np.ones((5, 2, 3)), np.ones((6, 3, 2)), np.ones(6))[0].shape
    (5, 2, 2)
    """
    x, w, b = map(as_float64, (input, weight, bias))
    hidden, width = len(w) // 3, w.shape[2]
    padded = np.concatenate([np.zeros((width - 1, *x.shape[1:])), x])
    c = _state(c_0, x.shape[1], hidden)
    output = np.empty((len(x), *c.shape))
    for t in range(len(x)):
        gates = b + sum(padded[t + k] @ w[:, :, k].T for k in range(width))
        z, f, o = (
            tanh(gates[:, :hidden]),
            sigmoid(gates[:, hidden : 2 * hidden]),
            sigmoid(gates[:, 2 * hidden :]),
        )
        c = f * c + (1 - f) * z
        output[t] = o * c
    return output, c
