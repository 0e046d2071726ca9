"""Models that several systems share: text classifiers, and the temporal convolutional network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import loopnest
from loopnest import nn
from loopnest.nn import functional as F


def table(vocabulary: int, width: int) -> nn.Embedding:
    """Word vectors from -0.25 to 0.25 (Kim 2014); word 0 is padding and stays zero."""
    made = nn.Embedding(vocabulary, width, padding_idx=0)
    nn.init.uniform_(made.weight, -0.25, 0.25)
    with loopnest.no_grad():
        made.weight[0].zero_()
    return made


class Bag(nn.Module):
    """The mean of the word vectors: what word order adds is the distance from this one."""

    def __init__(self, vocabulary: int, classes: int, width: int = 128) -> None:
        super().__init__()
        self.embedding = table(vocabulary, width)
        self.out = nn.Linear(width, classes)

    def forward(self, ids, lengths):
        mean = self.embedding(ids).sum(1) / lengths.float().reshape(-1, 1)
        return self.out(F.dropout(mean, 0.5, self.training))


class TextCNN(nn.Module):
    """Convolutions of several widths over the words, the maximum of each map (Kim 2014)."""

    def __init__(
        self,
        vocabulary: int,
        classes: int,
        width: int = 128,
        maps: int = 100,
        spans: tuple[int, ...] = (3, 4, 5),
    ) -> None:
        super().__init__()
        self.embedding = table(vocabulary, width)
        self.convs = nn.ModuleList([nn.Conv1d(width, maps, span) for span in spans])
        self.out = nn.Linear(maps * len(spans), classes)
        self.widest = max(spans)

    def forward(self, ids, lengths):
        # A window of padding alone says the same everywhere: those behind the first change no maximum.
        end = int(lengths.max().item()) + self.widest
        words = self.embedding(ids[:, :end]).transpose(1, 2)  # (n, width, t)
        found = loopnest.cat([F.relu(conv(words)).amax(-1) for conv in self.convs], 1)
        return self.out(F.dropout(found, 0.5, self.training))


class Recurrent(nn.Module):
    """The state after the last word, of any length."""

    def __init__(
        self,
        vocabulary: int,
        classes: int,
        cell: Callable[..., nn.Module],
        width: int = 128,
        hidden: int = 128,
    ) -> None:
        super().__init__()
        self.embedding = table(vocabulary, width)
        self.rnn = cell(width, hidden, batch_first=True)
        self.out = nn.Linear(hidden, classes)

    def forward(self, ids, lengths):
        longest = int(lengths.max().item())
        words = F.dropout(self.embedding(ids[:, :longest]), 0.5, self.training)
        states, _ = self.rnn(words)
        last = states[loopnest.arange(len(ids)), lengths - 1]
        return self.out(F.dropout(last, 0.5, self.training))


class Block(nn.Module):
    """Two causal dilated convolutions with a residual (Bai, Kolter, Koltun 2018), plain weights."""

    def __init__(self, inputs: int, outputs: int, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.one = nn.Conv1d(inputs, outputs, width, dilation=dilation, padding="causal")
        self.two = nn.Conv1d(outputs, outputs, width, dilation=dilation, padding="causal")
        self.skip = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.dropout = dropout

    def forward(self, x):
        h = F.dropout(F.relu(self.one(x)), self.dropout, self.training)
        h = F.dropout(F.relu(self.two(h)), self.dropout, self.training)
        return F.relu(h + self.skip(x))


class TCN(nn.Module):
    """(n, t, inputs) -> (n, t, outputs): what comes out at a step has seen that step and those before it.

    Its reach is 1 + 2 (width - 1) (2^levels - 1) steps.
    """

    def __init__(
        self, inputs: int, outputs: int, hidden: int, levels: int, width: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *[Block(hidden if k else inputs, hidden, width, 2**k, dropout) for k in range(levels)]
        )
        self.out = nn.Linear(hidden, outputs)
        self.reach = 1 + 2 * (width - 1) * (2**levels - 1)

    def forward(self, x):
        return self.out(self.body(x.transpose(1, 2)).transpose(1, 2))


class Steps(nn.Module):
    """A recurrent layer and a Linear at every step: (n, t, inputs) -> (n, t, outputs)."""

    def __init__(
        self,
        cell: Callable[..., nn.Module],
        inputs: int,
        outputs: int,
        hidden: int,
        layers: int = 1,
        open_gate: float = 0.0,
    ) -> None:
        super().__init__()
        self.rnn = cell(inputs, hidden, layers, batch_first=True)
        self.out = nn.Linear(hidden, outputs)
        if open_gate:
            with loopnest.no_grad():  # the forget (LSTM) or update (GRU) gate: start by remembering
                self.rnn.bias_ih_l0[hidden : 2 * hidden].fill_(open_gate)

    def forward(self, x):
        return self.out(self.rnn(x)[0])


def padded(rows: list[np.ndarray], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of words, cut and padded with 0 to `length`: int64 (n, length), and the lengths (n,), at least
    1."""
    ids = np.zeros((len(rows), length), np.int64)
    lengths = np.ones(len(rows), np.int64)
    for k, row in enumerate(rows):
        cut = row[:length]
        ids[k, : len(cut)] = cut
        lengths[k] = max(1, len(cut))
    return ids, lengths
