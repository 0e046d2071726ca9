"""LSTM."""

import math
import warnings
from typing import Any

import numpy as np

from loopnest.engine import sequence
from loopnest.engine.tape import Tensor
from loopnest.nn import init
from loopnest.nn._check import check_device, flag, float_dtype, integer, probability
from loopnest.nn.module import Module
from loopnest.nn.parameter import Parameter

MOST_LAYERS = (
    2**16
)  # far above any use; a mistaken 2**40 is refused at once, not after a loop that fills the memory


class LSTM(Module):
    """Long short-term memory over a sequence; arguments, weights, gate order and states as torch.nn.LSTM.

    Per step, with the gates' rows in the order i, f, g, o (input, forget, cell, output):
      i, f, o = sigmoid(W_ih x + b_ih + W_hh h + b_hh),  g = tanh(...),  c = f * c + i * g,  h = o * tanh(c)

    Args:
      input_size, hidden_size: I and H, at least 1. num_layers: layers on top of each other.
      bias: False leaves out b_ih and b_hh. batch_first: input and output are (N, T, ...); the states never
      are. dropout: while training, on the output of every layer but the last. bidirectional: D = 2, a second
      LSTM reads backwards and the outputs stand side by side. proj_size: not supported, 0.

    Shapes: input (T, N, I), or (T, I) without a batch; h_0 and c_0 (D * num_layers, N, H), zeros if not
    given; output (T, N, D * H). Weights per layer k and direction ("", "_reverse"): weight_ih_lk (4H, I or D
    * H), weight_hh_lk (4H, H), bias_ih_lk and bias_hh_lk (4H,), all uniform on +-1 / sqrt(H) at first.
    forward raises ValueError for other shapes.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> lstm = nn.LSTM(8, 16, num_layers=2, bidirectional=True)
      >>> output, (h, c) = lstm(loopnest.tensor(np.ones((5, 3, 8), np.float32)))
      >>> tuple(output.shape), tuple(h.shape), tuple(c.shape)
      ((5, 3, 32), (4, 3, 16), (4, 3, 16))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = integer("LSTM", "input_size", input_size)
        self.hidden_size = integer("LSTM", "hidden_size", hidden_size)
        self.num_layers = integer("LSTM", "num_layers", num_layers, at_most=MOST_LAYERS)
        self.bias = flag("LSTM", "bias", bias)
        self.batch_first = flag("LSTM", "batch_first", batch_first)
        probability("LSTM", dropout)
        self.dropout = float(dropout)
        self.bidirectional = flag("LSTM", "bidirectional", bidirectional)
        self.proj_size = integer("LSTM", "proj_size", proj_size, at_least=0)
        if self.proj_size:
            raise ValueError(f"LSTM: expected proj_size 0, the only one supported, got {proj_size}")
        if self.dropout > 0 and self.num_layers == 1:
            warnings.warn(
                f"LSTM: dropout={dropout} stands between layers and does nothing with num_layers=1",
                stacklevel=2,
            )
        check_device("LSTM", device)
        self._weight_names: list[str] = []
        self._add_weights(float_dtype("LSTM", dtype))
        self.reset_parameters()

    def _add_weights(self, dtype: np.dtype) -> None:
        """Registers the weights in PyTorch's order: by layer, by direction, then ih, hh and the biases."""
        directions = ("", "_reverse") if self.bidirectional else ("",)
        rows, hidden = 4 * self.hidden_size, self.hidden_size
        for layer in range(self.num_layers):
            width = self.input_size if layer == 0 else hidden * len(directions)
            for suffix in directions:
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, width), "weight_hh": (rows, hidden)}
                if self.bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                for stem, shape in shapes.items():
                    name = f"{stem}_l{layer}{suffix}"
                    self.register_parameter(name, Parameter(np.empty(shape, dtype)))
                    self._weight_names.append(name)

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The weights, one list per layer and direction."""
        step = 4 if self.bias else 2
        weights = [self._parameters[name] for name in self._weight_names]
        return [weights[i : i + step] for i in range(0, len(weights), step)]

    def reset_parameters(self) -> None:
        """New random weights."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing to do; there so that PyTorch code need not change."""

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """input (T, N, I), (N, T, I) if batch_first, or (T, I); hx = (h_0, c_0) -> output, (h_n, c_n)."""
        self._check_input(input)
        if hx is not None:
            self._check_state(input, hx)
        output, h, c = sequence.lstm(
            input,
            hx,
            [self._parameters[name] for name in self._weight_names],
            self.bias,
            self.num_layers,
            self.dropout,
            self.training,
            self.bidirectional,
            self.batch_first,
        )
        return output, (h, c)

    def _check_input(self, input: Any) -> None:
        if not isinstance(input, Tensor):
            raise TypeError(f"LSTM: expected input to be a loopnest.Tensor, got {type(input).__name__}")
        if input.ndim not in (2, 3):
            order = "(N, T, I)" if self.batch_first else "(T, N, I)"
            raise ValueError(
                f"LSTM: expected input {order} or (T, I), got {input.ndim} axes: {tuple(input.shape)}"
            )
        if input.shape[-1] != self.input_size:
            raise ValueError(
                f"LSTM: expected the last axis of input to be input_size = {self.input_size}, "
                f"got {input.shape[-1]} (input {tuple(input.shape)})"
            )

    def _check_state(self, input: Tensor, hx: Any) -> None:
        if not isinstance(hx, (tuple, list)) or len(hx) != 2:
            raise ValueError(f"LSTM: expected hx to be a pair (h_0, c_0), got {type(hx).__name__}")
        expected: tuple[int, ...] = (self.num_layers * (2 if self.bidirectional else 1), self.hidden_size)
        axes = "(D * num_layers, H)"
        if input.ndim == 3:
            expected = (expected[0], input.shape[0 if self.batch_first else 1], self.hidden_size)
            axes = "(D * num_layers, N, H)"
        for name, state in zip(("h_0", "c_0"), hx, strict=True):
            if not isinstance(state, Tensor):
                raise TypeError(f"LSTM: expected {name} to be a loopnest.Tensor, got {type(state).__name__}")
            if state.shape != expected:
                raise ValueError(f"LSTM: expected {name} of shape {axes} = {expected}, got {state.shape}")

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        defaults = {
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
        }
        return text + "".join(
            f", {k}={getattr(self, k)}" for k, v in defaults.items() if getattr(self, k) != v
        )
