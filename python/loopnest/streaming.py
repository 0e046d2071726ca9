"""Models fed one step at a time: recurrent states and the past of causal convolutions in one object.

s = loopnest.stream(model)
for x_t in source:
    y_t = s(x_t)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from loopnest.engine.tape import Tensor, from_numpy, no_grad
from loopnest.nn import activation, functional
from loopnest.nn.container import Sequential
from loopnest.nn.conv import Conv1d
from loopnest.nn.dropout import Dropout
from loopnest.nn.embedding import Embedding
from loopnest.nn.linear import Identity, Linear
from loopnest.nn.module import Module
from loopnest.nn.norm import LayerNorm, RMSNorm
from loopnest.nn.parameter import memory

# Layers that treat every step by itself. Softmax and the like, which must know the axis, are not among them.
PLAIN = (
    *(getattr(activation, name) for name in ("ReLU", "Tanh", "Sigmoid", "ReLU6", "LeakyReLU", "ELU", "SELU")),
    *(getattr(activation, name) for name in ("CELU", "SiLU", "GELU", "Softplus", "Hardtanh", "Hardswish")),
    *(getattr(activation, name) for name in ("Hardsigmoid", "Mish", "LogSigmoid", "Softsign", "Tanhshrink")),
    *(Identity, Linear, LayerNorm, RMSNorm, Embedding),
)


class _Plain:
    """A layer without a past."""

    state: Any = None

    def __init__(self, layer: Module) -> None:
        self.layer = layer

    def step(self, x: Tensor) -> Tensor:
        return self.layer(x)


class _Recurrent:
    """A layer with `step(x, state) -> (y, state)`, whose states are new objects each time."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.state: Any = None

    def step(self, x: Tensor) -> Tensor:
        y, self.state = self.layer.step(x, self.state)
        return y


class _Causal:
    """A causal convolution: a buffer of the steps it still sees.

    The buffer (N, room, C) has room for many steps, and a step is written behind the last; when the room is
    used up, the past that is still seen moves to the front. So a step costs no copy of the past, and the
    kernel reads its taps in place.
    """

    def __init__(self, layer: Conv1d) -> None:
        (kernel,), (dilation,) = layer.kernel_size, layer.dilation
        self.reach = dilation * (kernel - 1)  # how far back it sees
        padding = layer.padding
        causal = (
            padding == "causal"
            or padding in ((self.reach, 0), ((self.reach, 0),))
            or (self.reach == 0 and padding in ((0,), "valid"))
        )
        if not causal or tuple(layer.stride) != (1,) or layer.padding_mode != "zeros":
            raise ValueError(
                f'stream: expected Conv1d with padding="causal", stride 1 and zeros as padding, got {layer}'
            )
        self.layer, self.dilation, self.room = layer, dilation, self.reach + max(64, self.reach)
        self.past: np.ndarray | None = None
        self.at = 0

    @property
    def state(self) -> Any:
        return None if self.past is None else self.past[:, self.at - self.reach : self.at].copy()

    @state.setter
    def state(self, saved: Any) -> None:
        self.past = None
        if saved is not None:
            self.begin(saved)

    def begin(self, past: np.ndarray) -> None:
        """past: (N, reach, C)"""
        self.past = np.zeros((len(past), self.room, past.shape[2]), past.dtype)
        self.past[:, : self.reach] = past
        self.at = self.reach

    def step(self, x: Tensor) -> Tensor:
        layer, now = self.layer, memory(x)
        single = now.ndim == 1
        now = now[None] if single else now
        if now.ndim != 2 or now.shape[1] != layer.in_channels:
            raise ValueError(
                f"stream: expected one step (N, C) with C = {layer.in_channels} for {layer}, got {x.shape}"
            )
        if now.dtype != layer.weight.dtype:
            raise TypeError(f"stream: expected a step of {layer.weight.dtype} for {layer}, got {now.dtype}")
        if self.past is None:
            self.begin(np.zeros((len(now), self.reach, now.shape[1]), now.dtype))
        past = self.past
        assert past is not None
        if len(past) != len(now):
            raise ValueError(f"stream: began with N = {len(past)}, got N = {len(now)}; reset() begins anew")
        if past.dtype != now.dtype:
            raise TypeError(f"stream: began with {past.dtype}, got {now.dtype}; reset() begins anew")
        if self.at == self.room:
            past[:, : self.reach] = past[:, self.at - self.reach : self.at].copy()
            self.at = self.reach
        past[:, self.at] = now
        self.at += 1
        taps = past[:, self.at - self.reach - 1 : self.at : self.dilation].transpose(0, 2, 1)  # (N, C, K)
        y = functional.conv1d(from_numpy(taps), layer.weight, layer.bias, 1, 0, 1, layer.groups)
        return y[0, :, 0] if single else y[:, :, 0]


def _computes_as(layer: Any, kind: type[Module]) -> bool:
    """Is it one of this kind, without a forward of its own?"""
    return isinstance(layer, kind) and type(layer).forward is kind.forward


class Stream:
    """A model fed one step at a time; it keeps what its layers must remember.

    Args:
      model: a Sequential (nested at will) of LSTM, GRU and RNN in one direction, Conv1d with
        padding="causal", Linear, Embedding, LayerNorm, RMSNorm, element-wise activations and Dropout (which
        must be in eval mode); one such layer; or any Module of your own with a method
        `step(x, state) -> (y, state)` that takes None as the first state (nn.ConvLSTMCell is one). What a
        Sequential or Conv1d computes in a forward of its own, or in hooks, cannot be streamed.

    A call takes one step (N, F), or (F,), and returns one. T calls equal one call of the model with T steps:
    in recurrent layers with the same bits, in convolutions and Linear within rounding, because for one step
    another kernel may be chosen, and so in an LSTM with proj_size. Nothing is recorded for backward().

    `state` is a list, one entry per layer; what was read from it can be assigned later, to this stream or to
    another of the same model. `reset()` forgets everything.

    Raises TypeError for a layer that cannot be streamed, ValueError for one with the wrong arguments.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> model = nn.Sequential(nn.Conv1d(3, 8, 4, padding="causal"), nn.ReLU(), nn.Conv1d(8, 2, 1))
      >>> x = np.random.default_rng(0).standard_normal((1, 3, 20)).astype(np.float32)
      >>> s = loopnest.stream(model)
      >>> y = np.stack([s(loopnest.tensor(x[:, :, t])).numpy() for t in range(20)], axis=2)
      >>> bool(np.allclose(y, model(loopnest.tensor(x)).detach().numpy(), atol=1e-6))
      True
    """

    def __init__(self, model: Module) -> None:
        self._parts: list[Any] = []
        self._collect(model)

    def _collect(self, layer: Any) -> None:
        if isinstance(layer, PLAIN):
            self._parts.append(_Plain(layer))
        elif isinstance(layer, Module) and (layer._forward_hooks or layer._forward_pre_hooks):
            raise TypeError(
                f"stream: cannot feed {type(layer).__name__} step by step with its hooks, which only a call "
                "of the layer runs; remove them"
            )
        elif _computes_as(layer, Sequential):
            for inner in layer:
                self._collect(inner)
        elif _computes_as(layer, Conv1d):
            self._parts.append(_Causal(layer))
        elif isinstance(layer, Dropout):
            if layer.training and layer.p > 0:
                raise ValueError("stream: Dropout is in training mode; call model.eval() first")
        elif isinstance(layer, Module) and callable(getattr(layer, "step", None)):
            if getattr(layer, "bidirectional", False):
                raise ValueError(
                    f"stream: {layer} reads backwards as well; a stream has no end to start from"
                )
            self._parts.append(_Recurrent(layer))
        else:
            raise TypeError(
                f"stream: cannot feed {type(layer).__name__} step by step; expected recurrent layers, causal "
                "Conv1d, Linear, element-wise layers, a Sequential of them (without a forward of its own), "
                "or a Module with step(x, state)"
            )

    def __call__(self, x: Tensor) -> Tensor:
        """One step (N, F) or (F,)."""
        if not isinstance(x, Tensor):
            raise TypeError(f"stream: expected a step as a loopnest.Tensor, got {type(x).__name__}")
        with no_grad():
            for part in self._parts:
                x = part.step(x)
        return x

    @property
    def state(self) -> list[Any]:
        """What each layer remembers."""
        return [part.state for part in self._parts]

    @state.setter
    def state(self, saved: list[Any]) -> None:
        if len(saved) != len(self._parts):
            raise ValueError(f"stream: expected the states of {len(self._parts)} layers, got {len(saved)}")
        for part, state in zip(self._parts, saved, strict=True):
            part.state = state

    def reset(self) -> None:
        """Back to the beginning."""
        self.state = [None] * len(self._parts)


def stream(model: Module) -> Stream:
    """A `Stream` of the model: call it with one step after the other.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> s = loopnest.stream(nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2)))
      >>> tuple(s(loopnest.tensor(np.array([3]))).shape)
      (1, 2)
    """
    return Stream(model)
