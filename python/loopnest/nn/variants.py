"""Recurrent layers that PyTorch lacks: variants of LSTM and GRU, MGU, IndRNN, SRU and QRNN.

The product with the input is one product for all steps. VariantLSTM, VariantGRU and MGU then go through the
steps by operations of the engine; the recurrences of IndRNN, SRU and QRNN are element-wise and run as one
loop over time (engine/scan.pyx). Formulas and sources: loopnest/reference/variants.py.
"""

import math
from typing import Any, ClassVar

import numpy as np

from loopnest.engine import scan
from loopnest.engine.tape import Tensor, linear, stack, zeros
from loopnest.nn import functional, init
from loopnest.nn._check import flag, float_dtype, integer, number
from loopnest.nn.dropout import Dropout
from loopnest.nn.module import Module
from loopnest.nn.norm import LayerNorm
from loopnest.nn.parameter import Parameter


class _Variant(Module):
    """One layer, one direction: input (T, N, I), or (N, T, I) if batch_first; states (N, H)."""

    _defaults: ClassVar[dict[str, Any]] = {"batch_first": False, "learn_initial": False}  # repr omits these

    def __init__(
        self,
        rows: int,
        input_size: int,
        hidden_size: int,
        batch_first: bool,
        learn_initial: bool,
        states: int,
        dtype: Any,
    ) -> None:
        super().__init__()
        name = self._get_name()
        self.input_size = integer(name, "input_size", input_size)
        self.hidden_size = integer(name, "hidden_size", hidden_size)
        self.batch_first = flag(name, "batch_first", batch_first)
        self.learn_initial = flag(name, "learn_initial", learn_initial)
        real = float_dtype(name, dtype)
        self.weight_ih = Parameter(np.zeros((rows * self.hidden_size, self.input_size), real))
        for state in ("h_0", "c_0")[:states] if learn_initial else ():
            self.register_parameter(state, self._new(self.hidden_size))

    def _new(self, *shape: int) -> Parameter:
        return Parameter(np.zeros(shape, self.weight_ih.dtype))

    def reset_parameters(self) -> None:
        """Weights and biases uniform on +-1 / sqrt(hidden_size), gains of norms 1, learnt states 0."""
        bound = 1 / math.sqrt(self.hidden_size)
        for name, parameter in self._parameters.items():
            if name in ("h_0", "c_0"):
                init.zeros_(parameter)
            elif parameter is not None:
                init.uniform_(parameter, -bound, bound)
        for norm in self.children():
            norm.reset_parameters()

    def _input(self, input: Any) -> Tensor:
        """(T, N, I)"""
        name, order = self._get_name(), "(N, T, I)" if self.batch_first else "(T, N, I)"
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}: expected input to be a loopnest.Tensor, got {type(input).__name__}")
        if input.ndim != 3 or input.shape[2] != self.input_size:
            raise ValueError(
                f"{name}: expected input {order} with I = {self.input_size}, got {tuple(input.shape)}"
            )
        x = input.transpose(0, 1) if self.batch_first else input
        if x.shape[0] < 1:
            raise ValueError(f"{name}: expected at least one step, got input {tuple(input.shape)}")
        return x

    def _output(self, y: Tensor) -> Tensor:
        return y.transpose(0, 1) if self.batch_first else y

    def _state(self, which: str, given: Tensor | None, n: int) -> Tensor:
        """The state before the first step: given, learnt, or zeros."""
        if given is not None:
            if not isinstance(given, Tensor):
                raise TypeError(
                    f"{self._get_name()}: expected {which} to be a Tensor, got {type(given).__name__}"
                )
            if tuple(given.shape) != (n, self.hidden_size):
                raise ValueError(
                    f"{self._get_name()}: expected {which} of shape (N, H) = {(n, self.hidden_size)}, "
                    f"got {tuple(given.shape)}"
                )
            return given
        start = zeros((n, self.hidden_size), dtype=self.weight_ih.dtype)
        return start + getattr(self, which) if self.learn_initial else start

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + "".join(
            f", {k}={getattr(self, k)!r}" for k, v in self._defaults.items() if getattr(self, k) != v
        )


def _chance(who: str, name: str, value: Any) -> float:
    return number(who, name, value, lambda v: 0.0 <= v <= 1.0, "to be a probability between 0 and 1")


def _mask(like: Tensor, p: float) -> Tensor:
    """For dropout that stays the same through time: 0, or 1 / (1 - p)."""
    return Dropout(p)(like.detach() * 0 + 1)


def _zone(old: Tensor, new: Tensor, p: float, training: bool) -> Tensor:
    """Zoneout: each unit keeps its old value with probability p; outside of training their mean."""
    if p == 0:
        return new
    if not training:
        return p * old + (1 - p) * new
    keep = (Dropout(p)(new.detach() * 0 + 1) == 0).to(new.dtype)
    return keep * old + (1 - keep) * new


class VariantLSTM(_Variant):
    """An LSTM with what torch.nn.LSTM lacks; everything may be combined. One layer, one direction.

      i, f, o = sigmoid(W x + U h + b + p * c),  g = tanh(W x + U h + b)
      c' = f * c + i * g,  h' = o * tanh(c')

    Args:
      input_size, hidden_size: I and H. batch_first: input and output are (N, T, ...).
      peephole: the gates see the cell through weights p (3, H) for i, f, o (o sees the new one). coupled:
      f = 1 - i, and no weights for f. clip: cells stay within +-clip. layer_norm: the products with x and h,
      and the cell on its way to h', are normalised, each with its own gain and shift. zoneout: probabilities
      (of h, of c) that a unit keeps its old value. dropout: variational, of x and of h: one mask for all
      steps. learn_initial: h_0 and c_0 (H,) are parameters.

    Shapes: input (T, N, I); output (T, N, H), (h_n, c_n) each (N, H); weight_ih (4H, I), weight_hh (4H, H),
    bias (4H,), rows i, f, g, o; 3H and i, g, o if coupled.
    Sources: Gers et al. 2002 (peepholes), Greff et al. 2017 (coupled), Sak et al. 2014 (clip), Ba et al. 2016
    (layer norm), Krueger et al. 2017 (zoneout), Gal and Ghahramani 2016 (variational dropout).
    Raises ValueError and TypeError for arguments and inputs that do not fit.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> lstm = nn.VariantLSTM(3, 4, peephole=True, coupled=True, layer_norm=True, learn_initial=True)
      >>> output, (h, c) = lstm(loopnest.tensor(np.ones((5, 2, 3), np.float32)))
      >>> tuple(output.shape), tuple(c.shape)
      ((5, 2, 4), (2, 4))
    """

    _defaults: ClassVar[dict[str, Any]] = {
        **_Variant._defaults,
        "coupled": False,
        "clip": None,
        "layer_norm": False,
        "zoneout": (0.0, 0.0),
        "dropout": 0.0,
    }

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        batch_first: bool = False,
        *,
        peephole: bool = False,
        coupled: bool = False,
        clip: float | None = None,
        layer_norm: bool = False,
        zoneout: tuple[float, float] = (0.0, 0.0),
        dropout: float = 0.0,
        learn_initial: bool = False,
        dtype: Any = None,
    ) -> None:
        who = "VariantLSTM"
        rows = 3 if flag(who, "coupled", coupled) else 4
        super().__init__(rows, input_size, hidden_size, batch_first, learn_initial, 2, dtype)
        if not isinstance(zoneout, tuple | list):
            raise TypeError(
                f"{who}: expected zoneout to be a pair of probabilities (of h, of c), got {zoneout!r}"
            )
        if len(zoneout) != 2:
            raise ValueError(f"{who}: expected zoneout of 2 probabilities (of h, of c), got {len(zoneout)}")
        self.coupled = coupled
        self.clip = None if clip is None else number(who, "clip", clip, lambda v: v > 0, "above 0, or None")
        self.zoneout = (_chance(who, "zoneout", zoneout[0]), _chance(who, "zoneout", zoneout[1]))
        self.dropout = _chance(who, "dropout", dropout)
        self.layer_norm = flag(who, "layer_norm", layer_norm)
        self.weight_hh = self._new(rows * self.hidden_size, self.hidden_size)
        self.bias = self._new(rows * self.hidden_size)
        self.register_parameter(
            "peephole", self._new(3, self.hidden_size) if flag(who, "peephole", peephole) else None
        )
        if layer_norm:
            wide = rows * self.hidden_size
            self.norm_ih, self.norm_hh = LayerNorm(wide, dtype=dtype), LayerNorm(wide, dtype=dtype)
            self.norm_cell = LayerNorm(self.hidden_size, dtype=dtype)
        self.reset_parameters()

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """input (T, N, I), hx (h_0, c_0) each (N, H) -> output, (h_n, c_n)."""
        x = self._input(input)
        if hx is not None and (not isinstance(hx, tuple | list) or len(hx) != 2):
            raise TypeError("VariantLSTM: expected hx to be a pair (h_0, c_0)")
        h = self._state("h_0", None if hx is None else hx[0], x.shape[1])
        c = self._state("c_0", None if hx is None else hx[1], x.shape[1])
        dropping = self.training and self.dropout > 0
        if dropping:
            x = x * _mask(x[0], self.dropout)
            mask = _mask(h, self.dropout)
        a = linear(x, self.weight_ih)
        a = (self.norm_ih(a) if self.layer_norm else a) + self.bias
        outputs = []
        for t in range(x.shape[0]):
            r = linear(h * mask if dropping else h, self.weight_hh)
            h, c = self._step(a[t] + (self.norm_hh(r) if self.layer_norm else r), h, c)
            outputs.append(h)
        return self._output(stack(outputs)), (h, c)

    def _step(self, a: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        width, p = self.hidden_size, self.peephole
        parts = [a[:, k * width : (k + 1) * width] for k in range(3 if self.coupled else 4)]
        i = (parts[0] if p is None else parts[0] + p[0] * c).sigmoid()
        f = 1 - i if self.coupled else (parts[1] if p is None else parts[1] + p[1] * c).sigmoid()
        new = f * c + i * parts[-2].tanh()
        if self.clip is not None:
            new = new.clamp(-self.clip, self.clip)
        o = (parts[-1] if p is None else parts[-1] + p[2] * new).sigmoid()
        new_h = o * (self.norm_cell(new) if self.layer_norm else new).tanh()
        return (
            _zone(h, new_h, self.zoneout[0], self.training),
            _zone(c, new, self.zoneout[1], self.training),
        )

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.peephole is None else ", peephole=True")


class VariantGRU(_Variant):
    """A GRU with layer normalisation, zoneout, variational dropout and learnt h_0; see VariantLSTM.

      r, z = sigmoid(W x + U h + b),  n = tanh(W x + b + r * (U h + bias_n)),  h' = (1 - z) * n + z * h

    Args: as VariantLSTM's; zoneout is one probability.

    Shapes: input (T, N, I); output (T, N, H), h_n (N, H); weight_ih (3H, I), weight_hh (3H, H), bias (3H,),
    rows r, z, n; bias_n (H,).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> output, h = nn.VariantGRU(3, 4, layer_norm=True)(loopnest.tensor(np.ones((5, 2, 3), np.float32)))
      >>> tuple(output.shape), tuple(h.shape)
      ((5, 2, 4), (2, 4))
    """

    _defaults: ClassVar[dict[str, Any]] = {
        **_Variant._defaults,
        "layer_norm": False,
        "zoneout": 0.0,
        "dropout": 0.0,
    }

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        batch_first: bool = False,
        *,
        layer_norm: bool = False,
        zoneout: float = 0.0,
        dropout: float = 0.0,
        learn_initial: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__(3, input_size, hidden_size, batch_first, learn_initial, 1, dtype)
        self.zoneout = _chance("VariantGRU", "zoneout", zoneout)
        self.dropout = _chance("VariantGRU", "dropout", dropout)
        self.layer_norm = flag("VariantGRU", "layer_norm", layer_norm)
        self.weight_hh = self._new(3 * self.hidden_size, self.hidden_size)
        self.bias, self.bias_n = self._new(3 * self.hidden_size), self._new(self.hidden_size)
        if layer_norm:
            wide = 3 * self.hidden_size
            self.norm_ih, self.norm_hh = LayerNorm(wide, dtype=dtype), LayerNorm(wide, dtype=dtype)
        self.reset_parameters()

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """input (T, N, I), hx (N, H) -> output, h_n."""
        x = self._input(input)
        h, width = self._state("h_0", hx, x.shape[1]), self.hidden_size
        dropping = self.training and self.dropout > 0
        if dropping:
            x = x * _mask(x[0], self.dropout)
            mask = _mask(h, self.dropout)
        a = linear(x, self.weight_ih)
        a = (self.norm_ih(a) if self.layer_norm else a) + self.bias
        outputs = []
        for t in range(x.shape[0]):
            u = linear(h * mask if dropping else h, self.weight_hh)
            u, now = self.norm_hh(u) if self.layer_norm else u, a[t]
            gates = (now[:, : 2 * width] + u[:, : 2 * width]).sigmoid()
            z = gates[:, width:]
            n = (now[:, 2 * width :] + gates[:, :width] * (u[:, 2 * width :] + self.bias_n)).tanh()
            h = _zone(h, n + z * (h - n), self.zoneout, self.training)
            outputs.append(h)
        return self._output(stack(outputs)), h


class MGU(_Variant):
    """Minimal gated unit: one gate. f = sigmoid(W x + U h + b), h' = (1 - f) h + f tanh(W x + U (f h) + b).

    Args: input_size, hidden_size: I and H. batch_first: input and output are (N, T, ...). learn_initial: h_0
      (H,) is a parameter.

    Shapes: input (T, N, I); output (T, N, H), h_n (N, H); weight_ih (2H, I), weight_hh (2H, H), bias (2H,),
    rows f, h. Source: Zhou et al. 2016, arXiv:1603.09420.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> tuple(nn.MGU(3, 4)(loopnest.tensor(np.ones((5, 2, 3), np.float32)))[0].shape)
      (5, 2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        batch_first: bool = False,
        *,
        learn_initial: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__(2, input_size, hidden_size, batch_first, learn_initial, 1, dtype)
        self.weight_hh = self._new(2 * self.hidden_size, self.hidden_size)
        self.bias = self._new(2 * self.hidden_size)
        self.reset_parameters()

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """input (T, N, I), hx (N, H) -> output, h_n."""
        x = self._input(input)
        h, width = self._state("h_0", hx, x.shape[1]), self.hidden_size
        a = linear(x, self.weight_ih, self.bias)
        to_f, to_h = self.weight_hh[:width], self.weight_hh[width:]
        outputs = []
        for t in range(x.shape[0]):
            now = a[t]
            f = (now[:, :width] + linear(h, to_f)).sigmoid()
            h = h + f * ((now[:, width:] + linear(f * h, to_h)).tanh() - h)
            outputs.append(h)
        return self._output(stack(outputs)), h


class IndRNN(_Variant):
    """Independently recurrent network: each unit sees its own past only. h' = act(W x + b + u * h).

    Args: as MGU's. nonlinearity: "relu" or "tanh".

    Shapes: input (T, N, I); output (T, N, H), h_n (N, H); weight_ih (H, I), weight_hh (H,), bias (H,).
    Source: Li et al. 2018, arXiv:1803.04831.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> tuple(nn.IndRNN(3, 4)(loopnest.tensor(np.ones((5, 2, 3), np.float32)))[0].shape)
      (5, 2, 4)
    """

    _defaults: ClassVar[dict[str, Any]] = {**_Variant._defaults, "nonlinearity": "relu"}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        batch_first: bool = False,
        *,
        nonlinearity: str = "relu",
        learn_initial: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__(1, input_size, hidden_size, batch_first, learn_initial, 1, dtype)
        if nonlinearity not in ("relu", "tanh"):
            raise ValueError(f'IndRNN: expected nonlinearity "relu" or "tanh", got {nonlinearity!r}')
        self.nonlinearity = nonlinearity
        self.weight_hh, self.bias = self._new(self.hidden_size), self._new(self.hidden_size)
        self.reset_parameters()

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """input (T, N, I), hx (N, H) -> output, h_n."""
        x = self._input(input)
        h = self._state("h_0", hx, x.shape[1])
        y = scan.independent(linear(x, self.weight_ih, self.bias), self.weight_hh, h, self.nonlinearity)
        return self._output(y), y[-1]


class SRU(_Variant):
    """Simple recurrent unit: no product with h, so only element-wise work is left to go step by step.

      f, r = sigmoid(W x + b),  c' = f * c + (1 - f) * W x,  h' = r * tanh(c') + (1 - r) * W x

    Args: as MGU's; learn_initial makes c_0 (H,) a parameter.

    Shapes: input (T, N, I); output (T, N, H), c_n (N, H); weight_ih (4H, I), rows x~, f, r and the highway
    around; bias (2H,) of f and r. Source: Lei and Zhang 2017, arXiv:1709.02755v1.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> tuple(nn.SRU(3, 4)(loopnest.tensor(np.ones((5, 2, 3), np.float32)))[0].shape)
      (5, 2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        batch_first: bool = False,
        *,
        learn_initial: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__(4, input_size, hidden_size, batch_first, False, 0, dtype)
        self.learn_initial = flag("SRU", "learn_initial", learn_initial)
        if learn_initial:
            self.register_parameter("c_0", self._new(self.hidden_size))
        self.bias = self._new(2 * self.hidden_size)
        self.reset_parameters()

    def forward(self, input: Tensor, c_0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """input (T, N, I), c_0 (N, H) -> output, c_n."""
        x = self._input(input)
        start, width = self._state("c_0", c_0, x.shape[1]), self.hidden_size
        a = linear(x, self.weight_ih)
        gates = (a[:, :, width : 3 * width] + self.bias).sigmoid()
        f, r = gates[:, :, :width], gates[:, :, width:]
        c = scan.linear_scan(f, (1 - f) * a[:, :, :width], start)
        way = a[:, :, 3 * width :]
        return self._output(way + r * (c.tanh() - way)), c[-1]


class QRNN(_Variant):
    """Quasi-recurrent network with fo-pooling: a causal convolution, then an element-wise recurrence.

      z, f, o = tanh, sigmoid, sigmoid(W * x + b),  c' = f * c + (1 - f) * z,  h' = o * c'

    Args: as SRU's. kernel_size: how many steps the convolution sees, this one and those before.

    Shapes: input (T, N, I); output (T, N, H), c_n (N, H); weight_ih (3H, I, K), rows z, f, o; bias (3H,).
    Source: Bradbury et al. 2016, arXiv:1611.01576.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> tuple(nn.QRNN(3, 4, 2)(loopnest.tensor(np.ones((5, 2, 3), np.float32)))[0].shape)
      (5, 2, 4)
    """

    _defaults: ClassVar[dict[str, Any]] = {**_Variant._defaults, "kernel_size": 2}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        kernel_size: int = 2,
        batch_first: bool = False,
        *,
        learn_initial: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__(3, input_size, hidden_size, batch_first, False, 0, dtype)
        self.kernel_size = integer("QRNN", "kernel_size", kernel_size)
        self.learn_initial = flag("QRNN", "learn_initial", learn_initial)
        if learn_initial:
            self.register_parameter("c_0", self._new(self.hidden_size))
        self.weight_ih = self._new(3 * self.hidden_size, self.input_size, self.kernel_size)
        self.bias = self._new(3 * self.hidden_size)
        self.reset_parameters()

    def forward(self, input: Tensor, c_0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """input (T, N, I), c_0 (N, H) -> output, c_n."""
        x = self._input(input)
        start, width = self._state("c_0", c_0, x.shape[1]), self.hidden_size
        a = functional.conv1d(x.permute(1, 2, 0), self.weight_ih, self.bias, padding="causal").permute(
            2, 0, 1
        )
        z, f, o = a[:, :, :width].tanh(), a[:, :, width : 2 * width].sigmoid(), a[:, :, 2 * width :].sigmoid()
        c = scan.linear_scan(f, (1 - f) * z, start)
        return self._output(o * c), c[-1]
