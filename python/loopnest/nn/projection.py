"""LSTM with a projected state, h = W_hr m with m = o * tanh(c), by way of a plain LSTM over m.

h[t-1] W_hh^T is m[t-1] (W_hh W_hr)^T: with the product of both matrices as its recurrent weights, a plain
LSTM computes m, and the outputs are one matrix product behind it. Only h_0 is not a projection of any m: its
product with W_hh enters the first step as further input features, which are 0 at all other steps. The price:
4H * H numbers of recurrent weights in place of 4H * P.

Source: Sak, Senior and Beaufays, "Long short-term memory based recurrent neural network architectures for
large vocabulary speech recognition", 2014, arXiv:1402.1128.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from loopnest.engine import recurrent
from loopnest.engine.tape import Tensor, cat, stack, tensor, where
from loopnest.nn import functional

if TYPE_CHECKING:
    from loopnest.nn.rnn import LSTM


def projected_lstm(
    layer: "LSTM", input: Tensor, hx: Any, lengths: NDArray[np.int64] | None
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """`layer`'s forward pass; arguments are checked."""
    single = input.ndim == 2
    if single:
        input, hx = input.unsqueeze(1), None if hx is None else tuple(s.unsqueeze(1) for s in hx)
    x = input.transpose(0, 1) if layer.batch_first and not single else input
    directions, every = (2 if layer.bidirectional else 1), layer.all_weights
    h_all: list[Tensor] = []
    c_all: list[Tensor] = []
    for k in range(layer.num_layers):
        part = slice(k * directions, (k + 1) * directions)
        states = None if hx is None else (hx[0][part], hx[1][part])
        x, h, c = _one_layer(x, states, every[part], layer.bias, lengths)
        h_all, c_all = [*h_all, *h], [*c_all, *c]
        if layer.dropout > 0 and k < layer.num_layers - 1:
            x = functional.dropout(x, layer.dropout, layer.training)
    h_n, c_n = stack(h_all), stack(c_all)
    if single:
        return x.squeeze(1), (h_n.squeeze(1), c_n.squeeze(1))
    return x.transpose(0, 1) if layer.batch_first else x, (h_n, c_n)


def _one_layer(
    x: Tensor, hx: Any, weights: list[Any], bias: bool, lengths: NDArray[np.int64] | None
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """x (T, N, I), hx (D, N, P) and (D, N, H) or None -> output (T, N, D * P), h and c by direction."""
    steps, batch = x.shape[:2]
    last = np.full(batch, steps) if lengths is None else lengths
    params: list[Any] = []
    for d, (w_ih, w_hh, *rest) in enumerate(weights):
        if hx is not None:  # columns for h_0 of each direction
            others = tensor(np.zeros(w_hh.shape, w_hh.dtype))
            w_ih = cat([w_ih, *(w_hh if e == d else others for e in range(len(weights)))], 1)
        params += [w_ih, w_hh @ rest[-1], *rest[:-1]]
    plain, c_0 = x, None
    if hx is not None:
        features = [x]
        for d in range(len(weights)):
            first = (
                np.zeros(batch, np.int64) if d == 0 else last - 1
            )  # the step that each sequence begins with
            here = (np.arange(steps)[:, None] == first)[:, :, None].astype(x.dtype)
            features.append(tensor(here) * hx[0][d].unsqueeze(0))
        plain = cat(features, 2)
        c_0 = (tensor(np.zeros(hx[1].shape, hx[1].dtype)), hx[1])
    m, m_n, c_n = recurrent.lstm(plain, c_0, params, bias, 1, 0.0, False, len(weights) == 2, False, lengths)
    hidden = c_n.shape[-1]
    outputs = [
        functional.linear(m[:, :, d * hidden : (d + 1) * hidden], w[-1]) for d, w in enumerate(weights)
    ]
    h = [functional.linear(m_n[d], w[-1]) for d, w in enumerate(weights)]
    if hx is not None and lengths is not None and (lengths == 0).any():  # no step: the state that came
        none = tensor((lengths == 0)[:, None])
        h = [where(none, hx[0][d], h[d]) for d in range(len(weights))]
    return outputs[0] if len(outputs) == 1 else cat(outputs, 2), h, [c_n[d] for d in range(len(weights))]
