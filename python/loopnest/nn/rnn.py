"""Recurrent layers over a sequence: LSTM, GRU, and Elman's RNN."""

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopnest.engine import recurrent
from loopnest.engine.stepping import Step
from loopnest.engine.tape import Tensor, is_grad_enabled, no_grad
from loopnest.nn import init
from loopnest.nn._check import check_device, flag, float_dtype, integer, probability
from loopnest.nn.module import Module
from loopnest.nn.parameter import Parameter
from loopnest.nn.projection import projected_lstm
from loopnest.nn.utils.reparametrized import make_weights
from loopnest.nn.utils.rnn import PackedSequence, pack_in_order, pad_packed_sequence

# Far above any use; a mistaken 2**40 is refused at once, not after a loop that fills the memory.
MOST_LAYERS = 2**16
GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


class RNNBase(Module):
    """What the recurrent layers have in common: weights, their names and order, and the checks of arguments.

    mode is "LSTM", "GRU", "RNN_TANH" or "RNN_RELU"; the other arguments are those of the layers. Raises
    ValueError and TypeError for what they do not take.

    Example:
      >>> from loopnest import nn
      >>> isinstance(nn.GRU(3, 4), nn.RNNBase), [len(w) for w in nn.GRU(3, 4, num_layers=2).all_weights]
      (True, [4, 4])
    """

    def __init__(
        self,
        mode: str,
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
        if mode not in GATES:
            raise ValueError(f"RNNBase: expected a mode of {', '.join(GATES)}, got {mode!r}")
        name = self._get_name()
        self.mode = mode
        self.input_size = integer(name, "input_size", input_size)
        self.hidden_size = integer(name, "hidden_size", hidden_size)
        self.num_layers = integer(name, "num_layers", num_layers, at_most=MOST_LAYERS)
        self.bias = flag(name, "bias", bias)
        self.batch_first = flag(name, "batch_first", batch_first)
        probability(name, dropout)
        self.dropout = float(dropout)
        self.bidirectional = flag(name, "bidirectional", bidirectional)
        self.proj_size = integer(name, "proj_size", proj_size, at_least=0)
        if self.proj_size >= self.hidden_size:
            raise ValueError(
                f"{name}: expected proj_size smaller than hidden_size = {hidden_size}, got {proj_size}"
            )
        if self.dropout > 0 and self.num_layers == 1:
            warnings.warn(
                f"{name}: dropout={dropout} stands between layers and does nothing with num_layers=1",
                stacklevel=3,
            )
        check_device(name, device)
        self._weight_names: list[str] = []
        self._kind = mode  # what the engine calls it
        self._step: Step | None = None  # the arguments and packed weights of steps
        self._add_weights(float_dtype(name, dtype))
        self.reset_parameters()

    def _add_weights(self, dtype: np.dtype) -> None:
        """Registers the weights in PyTorch's order: by layer, by direction, then ih, hh, biases, hr."""
        directions = ("", "_reverse") if self.bidirectional else ("",)
        rows, hidden = GATES[self.mode] * self.hidden_size, self.hidden_size
        for layer in range(self.num_layers):
            width = self.input_size if layer == 0 else self._output_size * len(directions)
            for suffix in directions:
                shapes: dict[str, tuple[int, ...]] = {
                    "weight_ih": (rows, width),
                    "weight_hh": (rows, self._output_size),
                }
                if self.bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if self.proj_size:
                    shapes["weight_hr"] = (self.proj_size, hidden)
                for stem, shape in shapes.items():
                    name = f"{stem}_l{layer}{suffix}"
                    self.register_parameter(name, Parameter(np.empty(shape, dtype)))
                    self._weight_names.append(name)

    @property
    def _output_size(self) -> int:
        return self.proj_size or self.hidden_size

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The weights, one list per layer and direction."""
        step = (4 if self.bias else 2) + (1 if self.proj_size else 0)
        weights = self._weights()
        return [weights[i : i + step] for i in range(0, len(weights), step)]

    def reset_parameters(self) -> None:
        """New random weights, uniform on +-1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing to do; there so that PyTorch code need not change."""

    def step(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """One step, for streams: T steps give the same bits as one call with T steps; with proj_size they
        agree to rounding only.

        The weights are packed at the first step and kept until one of them changes (assigned, loaded, or
        counted as changed by its version); with proj_size, or if a weight is no Parameter but computed, they
        are packed at each step. Steps are not recorded for backward(), and there is no dropout
        between layers. y and the states are new arrays each time, and the states given are not written.

        Args:
          x: (N, I), or (I,) for a single sequence.
          state: of an LSTM (h, c), of the others h, each (num_layers, N, H), or (num_layers, H) for a single
            sequence, as the last step or `forward` returned it; None: zeros.
        Returns: y (N, H) or (H,), and the state behind the step.
        Raises: ValueError for other shapes or a bidirectional layer, TypeError for another dtype than the
          weights', RuntimeError if x or the state requires a gradient (outside `no_grad`).

        Example:
          >>> import numpy as np, loopnest
          >>> from loopnest import nn
          >>> gru = nn.GRU(3, 4)
          >>> x, state, outputs = loopnest.tensor(np.ones((5, 2, 3), np.float32)), None, []
          >>> for t in range(5):
          ...     y, state = gru.step(x[t], state)
          ...     outputs.append(y.numpy())
          >>> bool((np.stack(outputs) == gru(x)[0].detach().numpy()).all())
          True
        """
        stepper = self._step
        if stepper is not None:
            try:
                return stepper.step(x, state)
            except KeyError:  # since the last step a Parameter has become a weight that is computed
                self._step = None
        if self.bidirectional:
            raise ValueError(
                f"{self._get_name()}: expected one direction; a step cannot know what comes after it"
            )
        if self.proj_size or any(name not in self._parameters for name in self._weight_names):
            return self._step_by_forward(x, state)
        stepper = self._step = Step(self._kind, self._parameters, self._weight_names, self.bias)
        return stepper.step(x, state)

    def _step_by_forward(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """A step as a sequence of one, for weights that the engine cannot keep packed; errors as its own."""
        if not isinstance(x, Tensor):
            raise TypeError(f"step: expected input to be a loopnest.Tensor, got {type(x).__name__}")
        if x.ndim not in (1, 2):
            raise ValueError(f"step: expected input (N, I) or (I,), one step, got {tuple(x.shape)}")
        if x.shape[-1] != self.input_size:
            raise ValueError(
                f"step: expected the last axis of input to be input_size = {self.input_size}, got "
                f"{tuple(x.shape)}"
            )
        states = state if isinstance(state, (tuple, list)) else (state,)
        if is_grad_enabled() and any(isinstance(t, Tensor) and t.requires_grad for t in (x, *states)):
            raise RuntimeError(
                "step: the input or the state requires a gradient, and steps are not recorded. Call the "
                "layer to train it, or detach them"
            )
        axis = 1 if self.batch_first and x.ndim == 2 else 0
        training, self.training = self.training, False  # no dropout between layers
        try:
            with no_grad():
                make_weights(self)
                y, state = self.forward(x.unsqueeze(axis), state)
                return y.squeeze(axis), state
        finally:
            self.training = training

    def forward(self, input: Tensor | PackedSequence, hx: Any = None, lengths: Any = None) -> tuple[Any, Any]:
        """input (T, N, I), (N, T, I) if batch_first, or (T, I) -> output, the last states.

        hx and the last states: of an LSTM (h, c), of the others h. lengths: N integers from 0 to T, in any
        order: beyond its length a sequence's output is 0 and its states stay, so the last states are those
        after the last valid step; backwards it starts at its last valid step. A PackedSequence as input gives
        one as output.
        """
        if isinstance(input, PackedSequence):
            return self._packed(input, hx, lengths)
        self._check_input(input)
        if hx is not None:
            self._check_state(input, hx)
        return self._run(input, hx, None if lengths is None else self._check_lengths(input, lengths))

    def _check_state(self, input: Tensor, hx: Any) -> None:
        self._check_one_state(input, "h_0", hx)

    def _run(self, input: Tensor, hx: Any, lengths: NDArray[np.int64] | None) -> tuple[Tensor, Any]:
        """forward, its arguments checked."""
        return recurrent.recurrent(
            self._kind,
            input,
            hx,
            self._weights(),
            self.bias,
            self.num_layers,
            self.dropout,
            self.training,
            self.bidirectional,
            self.batch_first,
            lengths,
        )

    def _weights(self) -> list[Any]:
        """By attribute: a weight may have been replaced by a Tensor that is computed from others."""
        return [getattr(self, name) for name in self._weight_names]

    def _check_input(self, input: Any) -> None:
        name = self._get_name()
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}: expected input to be a loopnest.Tensor, got {type(input).__name__}")
        if input.ndim not in (2, 3):
            order = "(N, T, I)" if self.batch_first else "(T, N, I)"
            raise ValueError(
                f"{name}: expected input {order} or (T, I), got {input.ndim} axes: {tuple(input.shape)}"
            )
        if input.shape[-1] != self.input_size:
            raise ValueError(
                f"{name}: expected the last axis of input to be input_size = {self.input_size}, "
                f"got {input.shape[-1]} (input {tuple(input.shape)})"
            )

    def _check_one_state(self, input: Tensor, which: str, state: Any, size: int = 0) -> None:
        """A state (D * num_layers, N, H), or without N if the input is without; size: another H."""
        name, size = self._get_name(), size or self.hidden_size
        expected: tuple[int, ...] = (self.num_layers * (2 if self.bidirectional else 1), size)
        axes = "(D * num_layers, H)"
        if input.ndim == 3:
            expected = (expected[0], input.shape[0 if self.batch_first else 1], size)
            axes = "(D * num_layers, N, H)"
        if not isinstance(state, Tensor):
            raise TypeError(f"{name}: expected {which} to be a loopnest.Tensor, got {type(state).__name__}")
        if state.shape != expected:
            raise ValueError(f"{name}: expected {which} of shape {axes} = {expected}, got {state.shape}")

    def _check_lengths(self, input: Tensor, lengths: Any) -> NDArray[np.int64]:
        """The lengths as int64 (N,), each from 0 to T."""
        name = self._get_name()
        if input.ndim != 3:
            raise ValueError(
                f"{name}: expected lengths with input of 3 axes only, got input {tuple(input.shape)}"
            )
        counts = np.asarray(lengths)
        batch, steps = (input.shape[:2]) if self.batch_first else (input.shape[1], input.shape[0])
        if counts.dtype.kind not in "iu" and counts.size:
            raise TypeError(f"{name}: expected lengths to be integers, got {counts.dtype}")
        if counts.shape != (batch,):
            raise ValueError(
                f"{name}: expected lengths of shape (N,) = ({batch},), one number for each sequence of input "
                f"{tuple(input.shape)}, got {counts.shape}"
            )
        wrong = (counts < 0) | (counts > steps)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise ValueError(
                f"{name}: expected lengths from 0 to the {steps} steps of input, got {counts[at]} for "
                f"sequence {at}"
            )
        return counts.astype(np.int64)

    def _packed(self, input: PackedSequence, hx: Any, lengths: Any) -> tuple[PackedSequence, Any]:
        """As PyTorch: states in the order that the sequences had before they were packed."""
        if lengths is not None:
            raise ValueError(
                f"{self._get_name()}: expected no lengths with a PackedSequence, which has its own"
            )
        x, lengths = pad_packed_sequence(input, self.batch_first)
        output, state = self(x, hx, lengths=lengths)
        counts = lengths.numpy()
        order = np.arange(len(counts)) if input.sorted_indices is None else input.sorted_indices.numpy()
        data, _ = pack_in_order(output, counts, order, self.batch_first)
        return PackedSequence(data, *input[1:]), state

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        defaults = {
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
        }
        if self.proj_size:
            text += f", proj_size={self.proj_size}"
        return text + "".join(
            f", {k}={getattr(self, k)}" for k, v in defaults.items() if getattr(self, k) != v
        )


class LSTM(RNNBase):
    """Long short-term memory over a sequence; arguments, weights, gate order and states as torch.nn.LSTM.

    Per step, with the gates' rows in the order i, f, g, o (input, forget, cell, output):
      i, f, o = sigmoid(W_ih x + b_ih + W_hh h + b_hh),  g = tanh(...),  c = f * c + i * g,  h = o * tanh(c)

    Args:
      input_size, hidden_size: I and H, at least 1. num_layers: layers on top of each other.
      bias: False leaves out b_ih and b_hh. batch_first: input and output are (N, T, ...); the states never
      are. dropout: while training, on the output of every layer but the last. bidirectional: D = 2, a second
      LSTM reads backwards and the outputs stand side by side. proj_size: P > 0 projects h to P numbers,
      h = W_hr (o * tanh(c)), before it is put out and fed back (Sak et al. 2014, arXiv:1402.1128); then P
      stands for H in the output, in h_0 and in the columns of weight_hh, and weight_hr_lk is (P, H).

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
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
        )

    def _run(
        self, input: Tensor, hx: Any, lengths: NDArray[np.int64] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        if self.proj_size:
            return projected_lstm(self, input, hx, lengths)
        output, h, c = recurrent.lstm(
            input,
            hx,
            self._weights(),
            self.bias,
            self.num_layers,
            self.dropout,
            self.training,
            self.bidirectional,
            self.batch_first,
            lengths,
        )
        return output, (h, c)

    def _check_state(self, input: Tensor, hx: Any) -> None:
        if not isinstance(hx, (tuple, list)) or len(hx) != 2:
            raise ValueError(f"LSTM: expected hx to be a pair (h_0, c_0), got {type(hx).__name__}")
        for name, state, size in zip(("h_0", "c_0"), hx, (self._output_size, self.hidden_size), strict=True):
            self._check_one_state(input, name, state, size)


class GRU(RNNBase):
    """Gated recurrent units over a sequence; arguments, weights, gate order and states as torch.nn.GRU.

    Per step, with the gates' rows in the order r, z, n (reset, update, new):
      r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh),  h' = (1 - z) * n + z * h
      n = tanh(W_in x + b_in + r * (W_hn h + b_hn)),  or, with reset="before",
      n = tanh(W_in x + b_in + W_hn (r * h) + b_hn)   (Cho et al. 2014, arXiv:1406.1078, equation 8)

    Args:
      input_size, hidden_size: I and H, at least 1. num_layers: layers on top of each other.
      bias: False leaves out b_ih and b_hh. batch_first: input and output are (N, T, ...); the states never
      are. dropout: while training, on the output of every layer but the last. bidirectional: D = 2, a second
      GRU reads backwards and the outputs stand side by side. reset: "after" the product, as PyTorch, or
      "before" it.

    Shapes: input (T, N, I), or (T, I) without a batch; h_0 (D * num_layers, N, H), zeros if not given; output
    (T, N, D * H). Weights per layer k and direction ("", "_reverse"): weight_ih_lk (3H, I or D * H),
    weight_hh_lk (3H, H), bias_ih_lk and bias_hh_lk (3H,), all uniform on +-1 / sqrt(H) at first. forward
    takes `lengths` as well (N integers from 0 to T), and raises ValueError for other shapes.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> gru = nn.GRU(8, 16, num_layers=2, bidirectional=True)
      >>> output, h = gru(loopnest.tensor(np.ones((5, 3, 8), np.float32)), lengths=[5, 0, 2])
      >>> tuple(output.shape), tuple(h.shape), float(output[2:, 2].sum())
      ((5, 3, 32), (4, 3, 16), 0.0)
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
        device: Any = None,
        dtype: Any = None,
        *,
        reset: str = "after",
    ) -> None:
        super().__init__(
            "GRU",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            device=device,
            dtype=dtype,
        )
        if reset not in ("after", "before"):
            raise ValueError(f'GRU: expected reset "after" or "before" the product, got {reset!r}')
        self.reset = reset
        self._kind = "GRU" if reset == "after" else "GRU_BEFORE"

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.reset == "after" else ", reset='before'")


class RNN(RNNBase):
    """Elman's network over a sequence; arguments, weights and states as torch.nn.RNN.

    Per step h' = f(W_ih x + b_ih + W_hh h + b_hh), f = tanh or relu (Elman, "Finding structure in time",
    Cognitive Science 14, 1990).

    Args:
      input_size, hidden_size: I and H, at least 1. num_layers: layers on top of each other. nonlinearity:
      "tanh" or "relu". bias: False leaves out b_ih and b_hh. batch_first: input and output are (N, T, ...);
      the states never are. dropout: while training, on the output of every layer but the last. bidirectional:
      D = 2, a second network reads backwards and the outputs stand side by side.

    Shapes: input (T, N, I), or (T, I) without a batch; h_0 (D * num_layers, N, H), zeros if not given; output
    (T, N, D * H). Weights per layer k and direction ("", "_reverse"): weight_ih_lk (H, I or D * H),
    weight_hh_lk (H, H), bias_ih_lk and bias_hh_lk (H,), all uniform on +-1 / sqrt(H) at first. forward takes
    `lengths` as well (N integers from 0 to T), and raises ValueError for other shapes.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> output, h = nn.RNN(8, 16, nonlinearity="relu")(loopnest.tensor(np.ones((5, 3, 8), np.float32)))
      >>> tuple(output.shape), tuple(h.shape)
      ((5, 3, 16), (1, 3, 16))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f'RNN: expected nonlinearity "tanh" or "relu", got {nonlinearity!r}')
        super().__init__(
            f"RNN_{nonlinearity.upper()}",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            device=device,
            dtype=dtype,
        )
        self.nonlinearity = nonlinearity
        self._kind = self.mode
