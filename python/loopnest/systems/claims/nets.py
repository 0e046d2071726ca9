"""Networks that the controls need: without shared weights, and without memory."""

from __future__ import annotations

import loopnest
from loopnest import nn
from loopnest.nn import functional as F


class Unshared(nn.Module):
    """A convolution whose filter is another one at every place: (n, c, h, w) -> (n, outputs, h', w').

    Same fields as nn.Conv2d(c, outputs, kernel, stride, padding), but nothing is shared.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, size: int, stride: int = 1, padding: int = 0
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride, padding
        self.side = (size + 2 * padding - kernel) // stride + 1
        fan = inputs * kernel * kernel
        self.weight = nn.Parameter(loopnest.empty(self.side**2, fan, outputs))
        self.bias = nn.Parameter(loopnest.zeros(outputs, self.side, self.side))
        nn.init.uniform_(self.weight, -(fan**-0.5), fan**-0.5)  # nn.Conv2d's own start

    def forward(self, x):
        fields = F.unfold(x, self.kernel, padding=self.padding, stride=self.stride)  # (n, fan, places)
        seen = fields.permute(2, 0, 1) @ self.weight  # (places, n, outputs)
        return seen.permute(1, 2, 0).reshape(x.shape[0], -1, self.side, self.side) + self.bias


class Memoryless(nn.Module):
    """A recurrent layer whose hidden state is put back to zero before every step: (n, t, i) -> (n, t, h)."""

    def __init__(self, rnn: nn.Module) -> None:
        super().__init__()
        self.rnn = rnn

    def forward(self, x):
        n, steps, width = x.shape
        states, last = self.rnn(x.reshape(n * steps, 1, width))
        return states.reshape(n, steps, -1), last


class UnsharedGRU(nn.Module):
    """A GRU that has weights of its own for every step: (n, t, i) -> (n, t, h), `steps` steps and no
    other."""

    def __init__(self, inputs: int, hidden: int, steps: int) -> None:
        super().__init__()
        self.hidden, self.steps = hidden, steps
        bound = hidden**-0.5  # nn.GRU's own start
        shapes = ((inputs, 3 * hidden), (hidden, 3 * hidden), (1, 3 * hidden), (1, 3 * hidden))
        self.input, self.state, self.bias, self.state_bias = (
            nn.Parameter(nn.init.uniform_(loopnest.empty(steps, *shape), -bound, bound)) for shape in shapes
        )

    def forward(self, x):
        h, states = self.hidden, []
        state = loopnest.zeros(x.shape[0], h)
        if x.shape[1] != self.steps:
            raise ValueError(f"UnsharedGRU: expected {self.steps} steps, got {x.shape[1]}")
        for k in range(self.steps):
            seen = x[:, k] @ self.input[k] + self.bias[k]
            held = state @ self.state[k] + self.state_bias[k]
            reset, update = (seen[:, : 2 * h] + held[:, : 2 * h]).sigmoid().chunk(2, 1)
            new = (seen[:, 2 * h :] + reset * held[:, 2 * h :]).tanh()
            state = new + update * (state - new)
            states.append(state)
        return loopnest.stack(states, 1), state.unsqueeze(0)


class LastState(nn.Module):
    """A recurrent layer and a Linear on its state after the last step: (n, t, i) -> (n, outputs)."""

    def __init__(self, rnn: nn.Module, hidden: int, outputs: int, open_gate: float = 0.0) -> None:
        super().__init__()
        self.rnn = rnn
        self.out = nn.Linear(hidden, outputs)
        if open_gate:
            with loopnest.no_grad():  # the update gate of a GRU: start by remembering
                inner = rnn.rnn if isinstance(rnn, Memoryless) else rnn
                inner.bias_ih_l0[hidden : 2 * hidden].fill_(open_gate)

    def forward(self, x):
        return self.out(self.rnn(x)[0][:, -1])


class Bag(nn.Module):
    """The mean over the steps, without order: (n, t, i) -> (n, outputs)."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))

    def forward(self, x):
        return self.body(x.mean(1))


class EachStep(nn.Module):
    """A recurrent layer and a Linear at every step: (n, t, i) -> (n, t, outputs)."""

    def __init__(self, rnn: nn.Module, hidden: int, outputs: int) -> None:
        super().__init__()
        self.rnn = rnn
        self.out = nn.Linear(hidden, outputs)

    def forward(self, x):
        return self.out(self.rnn(x)[0])
