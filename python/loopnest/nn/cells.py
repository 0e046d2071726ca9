"""One step of a recurrent layer: LSTMCell, GRUCell, RNNCell."""

import math
from typing import Any

import numpy as np

from loopnest.engine import recurrent
from loopnest.engine.tape import Tensor
from loopnest.nn import init
from loopnest.nn._check import check_device, flag, float_dtype, integer
from loopnest.nn.module import Module
from loopnest.nn.parameter import Parameter


class RNNCellBase(Module):
    """What the cells have in common: weights (num_chunks * H rows), and the checks of arguments.

    Raises ValueError and TypeError for what the cells do not take.

    Example:
      >>> from loopnest import nn
      >>> list(nn.GRUCell(3, 4).state_dict())
      ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh']
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = self._get_name()
        self.input_size = integer(name, "input_size", input_size)
        self.hidden_size = integer(name, "hidden_size", hidden_size)
        self.bias = flag(name, "bias", bias)
        check_device(name, device)
        real, rows = float_dtype(name, dtype), num_chunks * self.hidden_size
        self.weight_ih = Parameter(np.empty((rows, self.input_size), real))
        self.weight_hh = Parameter(np.empty((rows, self.hidden_size), real))
        for stem in ("bias_ih", "bias_hh"):
            self.register_parameter(stem, Parameter(np.empty((rows,), real)) if self.bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """New random weights, uniform on +-1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _weights(self) -> list[Any]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if self.bias else ("weight_ih", "weight_hh")
        return [getattr(self, name) for name in names]

    def _step_of(self, input: Any) -> Tensor:
        """The input as a sequence of one step: (1, N, I), or (1, I)."""
        name = self._get_name()
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}: expected input to be a loopnest.Tensor, got {type(input).__name__}")
        if input.ndim not in (1, 2) or input.shape[-1] != self.input_size:
            raise ValueError(
                f"{name}: expected input (N, {self.input_size}) or ({self.input_size},), got "
                f"{tuple(input.shape)}"
            )
        return input.unsqueeze(0)

    def _layer_of(self, input: Tensor, which: str, state: Any) -> Tensor:
        """A state as that of one layer: (1, N, H), or (1, H)."""
        name, expected = self._get_name(), (*input.shape[:-1], self.hidden_size)
        if not isinstance(state, Tensor):
            raise TypeError(f"{name}: expected {which} to be a loopnest.Tensor, got {type(state).__name__}")
        if tuple(state.shape) != expected:
            raise ValueError(
                f"{name}: expected {which} of shape {expected} (input {tuple(input.shape)}), got "
                f"{tuple(state.shape)}"
            )
        return state.unsqueeze(0)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class LSTMCell(RNNCellBase):
    """One step of an LSTM; arguments, weights and gate order as torch.nn.LSTMCell. The formula: nn.LSTM.

    Args: input_size, hidden_size: I and H, at least 1. bias: False leaves out bias_ih and bias_hh.

    Shapes: input (N, I) or (I,); hx = (h_0, c_0), each (N, H) or (H,), zeros if not given; returns (h_1,
    c_1).
    weight_ih (4H, I), weight_hh (4H, H), biases (4H,). Raises ValueError for other shapes.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> h, c = nn.LSTMCell(3, 4)(loopnest.tensor(np.ones((2, 3), np.float32)))
      >>> tuple(h.shape), tuple(c.shape)
      ((2, 4), (2, 4))
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """input (N, I) or (I,), hx = (h_0, c_0) or None -> (h_1, c_1)."""
        x, states = self._step_of(input), None
        if hx is not None:
            if not isinstance(hx, (tuple, list)) or len(hx) != 2:
                raise ValueError(f"LSTMCell: expected hx to be a pair (h_0, c_0), got {type(hx).__name__}")
            states = (self._layer_of(input, "h_0", hx[0]), self._layer_of(input, "c_0", hx[1]))
        _, h, c = recurrent.lstm(x, states, self._weights(), self.bias)
        return h.squeeze(0), c.squeeze(0)


class _OneStateCell(RNNCellBase):
    _kind: str  # what engine.recurrent calls it

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """input (N, I) or (I,), hx (N, H) or (H,) or None (zeros) -> the new state, of hx's shape."""
        x = self._step_of(input)
        state = None if hx is None else self._layer_of(input, "hx", hx)
        return recurrent.recurrent(self._kind, x, state, self._weights(), self.bias)[1].squeeze(0)


class GRUCell(_OneStateCell):
    """One step of a GRU; arguments, weights and gate order as torch.nn.GRUCell. The formula: nn.GRU.

    Args: input_size, hidden_size: I and H, at least 1. bias: False leaves out bias_ih and bias_hh. reset:
    "after" the product, as PyTorch, or "before" it.

    Shapes: input (N, I) or (I,); hx (N, H) or (H,), zeros if not given; returns h_1 of this shape. weight_ih
    (3H, I), weight_hh (3H, H), biases (3H,). Raises ValueError for other shapes.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> tuple(nn.GRUCell(3, 4)(loopnest.tensor(np.ones((2, 3), np.float32))).shape)
      (2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        reset: str = "after",
    ) -> None:
        if reset not in ("after", "before"):
            raise ValueError(f'GRUCell: expected reset "after" or "before" the product, got {reset!r}')
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)
        self.reset = reset
        self._kind = "GRU" if reset == "after" else "GRU_BEFORE"

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.reset == "after" else ", reset='before'")


class RNNCell(_OneStateCell):
    """One step of Elman's network; arguments and weights as torch.nn.RNNCell. The formula: nn.RNN.

    Args: input_size, hidden_size: I and H, at least 1. bias: False leaves out bias_ih and bias_hh.
    nonlinearity: "tanh" or "relu".

    Shapes: input (N, I) or (I,); hx (N, H) or (H,), zeros if not given; returns h_1 of this shape. weight_ih
    (H, I), weight_hh (H, H), biases (H,). Raises ValueError for other shapes.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> tuple(nn.RNNCell(3, 4, nonlinearity="relu")(loopnest.tensor(np.ones(3, np.float32))).shape)
      (4,)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f'RNNCell: expected nonlinearity "tanh" or "relu", got {nonlinearity!r}')
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity
        self._kind = f"RNN_{nonlinearity.upper()}"

    def extra_repr(self) -> str:
        return super().extra_repr() + (
            "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        )
