"""SeparableConv2d, ConvLSTMCell and ConvLSTM2d: what is made of convolutions."""

from typing import Any

from loopnest.engine.cell import lstm_cell
from loopnest.engine.tape import Tensor, cat, stack, zeros
from loopnest.nn import functional
from loopnest.nn._check import flag, integer
from loopnest.nn.container import ModuleList
from loopnest.nn.conv import Conv2d, Each, Padding
from loopnest.nn.module import Module

State = tuple[Tensor, Tensor]


def _check_state(who: str, what: str, names: tuple[str, str], state: Any, wanted: tuple[int, ...]) -> None:
    """Is it a pair of Tensors of this shape?"""
    if not isinstance(state, tuple | list) or len(state) != 2:
        got = f"{len(state)} of them" if isinstance(state, tuple | list) else type(state).__name__
        raise ValueError(f"{who}: expected {what} to be a pair ({', '.join(names)}), got {got}")
    for name, part in zip(names, state, strict=True):
        if not isinstance(part, Tensor):
            raise TypeError(f"{who}: expected {name} to be a loopnest.Tensor, got {type(part).__name__}")
        if tuple(part.shape) != wanted:
            raise ValueError(f"{who}: expected {name} of shape {wanted}, got {tuple(part.shape)}")


class SeparableConv2d(Module):
    """Depthwise-separable convolution: each channel with filters of its own, then a 1x1 convolution over
    all of them (Keras' SeparableConv2D; Chollet, "Xception", arXiv:1610.02357). Kernel and channels are
    paid for one after the other: C * M * (KH * KW + O) multiply-adds a pixel instead of C * O * KH * KW.

    Args: as Conv2d's, and
      depth_multiplier: filters for each input channel. bias: of the 1x1 convolution; the depthwise one has
      none.

    Shapes: input (N, C, H, W) or (C, H, W); depthwise.weight (C * M, 1, KH, KW); pointwise.weight
    (O, C * M, 1, 1), pointwise.bias (O,); output (N, O, OH, OW), sizes as Conv2d's.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> layer = nn.SeparableConv2d(16, 32, 3, stride=2, padding="same_upper")
      >>> layer(loopnest.tensor(np.ones((1, 16, 9, 9), np.float32))).shape == (1, 32, 5, 5)
      True
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Each,
        stride: Each = 1,
        padding: Padding = 0,
        dilation: Each = 1,
        depth_multiplier: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        who = "SeparableConv2d"
        channels = integer(who, "in_channels", in_channels)
        middle = channels * integer(who, "depth_multiplier", depth_multiplier)
        self.depthwise = Conv2d(
            channels,
            middle,
            kernel_size,
            stride,
            padding,
            dilation,
            channels,
            False,
            padding_mode,
            device,
            dtype,
        )
        self.pointwise = Conv2d(middle, out_channels, 1, bias=bias, device=device, dtype=dtype)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, O, OH, OW), or both without N."""
        output: Tensor = self.pointwise(self.depthwise(input))
        return output


class ConvLSTMCell(Module):
    """One step of an LSTM whose state is an image and whose products are convolutions (Shi et al.,
    "Convolutional LSTM Network", arXiv:1506.04214, equation 3, without the peepholes).

        i, f, o = sigmoid of, and g = tanh of, conv([x, h]) + bias
        c' = f * c + i * g        h' = o * tanh(c')

    Args:
      in_channels, hidden_channels: of x and of the state.
      kernel_size, dilation: int or (height, width). Padding is "same": the state keeps the image's size.

    Keys: conv.weight (4 * hidden, in + hidden, KH, KW) and conv.bias (4 * hidden,), blocks in PyTorch's
    order i, f, g, o. Shapes: input (N, C, H, W), state (h, c), each (N, hidden, H, W), or all without N;
    None: zeros. Returns (h', c').

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> cell = nn.ConvLSTMCell(3, 8, 3)
      >>> h, c = cell(loopnest.tensor(np.ones((2, 3, 10, 12), np.float32)))
      >>> h.shape == c.shape == (2, 8, 10, 12)
      True
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        kernel_size: Each,
        bias: bool = True,
        dilation: Each = 1,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        who = "ConvLSTMCell"
        self.in_channels = integer(who, "in_channels", in_channels)
        self.hidden_channels = integer(who, "hidden_channels", hidden_channels)
        self.conv = Conv2d(
            self.in_channels + self.hidden_channels,
            4 * self.hidden_channels,
            kernel_size,
            1,
            "same",
            dilation,
            bias=bias,
            device=device,
            dtype=dtype,
        )

    def gates_of_input(self, x: Tensor) -> Tensor:
        """What x gives to the gates, (N, 4 * hidden, H, W), bias included: of all steps at once, if N is
        steps
        times samples."""
        c = self.conv
        return functional.conv2d(x, c.weight[:, : self.in_channels], c.bias, 1, "same", c.dilation)

    def advance(self, from_input: Tensor, state: State | None) -> State:
        """One step from what `gates_of_input` gave; state None: zeros."""
        if state is None:
            return lstm_cell(from_input)
        c = self.conv
        h = functional.conv2d(state[0], c.weight[:, self.in_channels :], None, 1, "same", c.dilation)
        return lstm_cell(h, state[1], from_input)

    def step(self, input: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """forward for streams: (N, C, H, W) and (h, c) -> h', (h', c')."""
        h, c = self.forward(input, state)
        return h, (h, c)

    def forward(self, input: Tensor, state: State | None = None) -> State:
        """(N, C, H, W) and (h, c) -> (h', c')."""
        who = "ConvLSTMCell"
        if state is not None and len(input.shape) in (3, 4):
            wanted = (*input.shape[:-3], self.hidden_channels, *input.shape[-2:])
            _check_state(who, "state", ("h", "c"), state, wanted)
        if len(input.shape) == 3:
            batched = None if state is None else (state[0].unsqueeze(0), state[1].unsqueeze(0))
            h, c = self.forward(input.unsqueeze(0), batched)
            return h.squeeze(0), c.squeeze(0)
        if len(input.shape) != 4 or input.shape[1] != self.in_channels:
            raise ValueError(
                f"{who}: expected input (N, {self.in_channels}, H, W), or without N, got {tuple(input.shape)}"
            )
        return self.advance(self.gates_of_input(input), state)


class ConvLSTM2d(Module):
    """Layers of ConvLSTMCell over a sequence of images; arguments and results in the manner of nn.LSTM
    (Keras: ConvLSTM2D with return_sequences).

    Args: as ConvLSTMCell's, and
      num_layers: each reads the output of the one before. batch_first: sequences are (N, T, C, H, W).

    Keys: cells.K.conv.weight and cells.K.conv.bias of layer K. Shapes: input (T, N, C, H, W); output (T, N,
    hidden, H, W); h_n and c_n (num_layers, N, hidden, H, W). What the images give to the gates is one
    convolution over all steps; only the state's is done step by step.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> film = loopnest.tensor(np.ones((5, 2, 1, 16, 16), np.float32))
      >>> output, (h, c) = nn.ConvLSTM2d(1, 4, 3, num_layers=2)(film)
      >>> output.shape == (5, 2, 4, 16, 16), h.shape == c.shape == (2, 2, 4, 16, 16)
      (True, True)
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        kernel_size: Each,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dilation: Each = 1,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        who = "ConvLSTM2d"
        self.in_channels = integer(who, "in_channels", in_channels)
        self.hidden_channels = integer(who, "hidden_channels", hidden_channels)
        self.num_layers = integer(who, "num_layers", num_layers)
        self.batch_first = flag(who, "batch_first", batch_first)
        self.cells = ModuleList(
            [
                ConvLSTMCell(
                    self.hidden_channels if layer else self.in_channels,
                    self.hidden_channels,
                    kernel_size,
                    bias,
                    dilation,
                    device,
                    dtype,
                )
                for layer in range(self.num_layers)
            ]
        )

    def forward(self, input: Tensor, hx: State | None = None) -> tuple[Tensor, State]:
        """(T, N, C, H, W) -> output (T, N, hidden, H, W), (h_n, c_n); hx: (h_0, c_0) as these, None:
        zeros."""
        if len(input.shape) != 5 or input.shape[2] != self.in_channels:
            raise ValueError(
                f"ConvLSTM2d: expected input of 5 axes ({'N, T' if self.batch_first else 'T, N'}, "
                f"{self.in_channels}, H, W), got {tuple(input.shape)}"
            )
        if self.batch_first:
            input = input.transpose(0, 1)
        steps, n, _, height, width = input.shape
        if hx is not None:
            wanted = (self.num_layers, n, self.hidden_channels, height, width)
            _check_state("ConvLSTM2d", "hx", ("h_0", "c_0"), hx, wanted)
        last_h, last_c, images = [], [], input.reshape((steps * n, *input.shape[2:]))
        for layer, cell in enumerate(self.cells):
            state = None if hx is None else (hx[0][layer], hx[1][layer])
            outputs = []
            if steps:
                from_input = cell.gates_of_input(images)
            for t in range(steps):
                state = cell.advance(from_input[t * n : (t + 1) * n], state)
                outputs.append(state[0])
            if state is None:  # no steps
                nothing = zeros((n, self.hidden_channels, height, width), dtype=input.dtype)
                state = nothing, nothing
            images = cat(outputs, 0) if outputs else images[:, :0]
            last_h.append(state[0])
            last_c.append(state[1])
        output = images.reshape((steps, n, self.hidden_channels, height, width))
        if self.batch_first:
            output = output.transpose(0, 1)
        return output, (stack(last_h, 0), stack(last_c, 0))

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.hidden_channels}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        return text + ", batch_first=True" if self.batch_first else text
