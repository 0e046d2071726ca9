"""generate: char-rnn's LSTM and GRU of 2x128, and min-char-rnn."""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F
from twin import Twin

import loopnest.nn
from loopnest import data
from loopnest.data import Vocabulary
from loopnest.systems import generate


class CharRNN(nn.Module):
    def __init__(self, vocabulary: int, hidden: int, layers: int, cell) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.rnn = cell(vocabulary, hidden, layers, batch_first=True)
        self.out = nn.Linear(hidden, vocabulary)

    def forward(self, ids, state=None):
        x = F.one_hot(ids, self.vocabulary).to(self.out.weight.dtype)
        states, state = self.rnn(x, state)
        return self.out(states), state


class Carry:
    """The state goes on from step to step."""

    def __init__(self, scale: float) -> None:
        self.state, self.scale = None, scale

    def __call__(self, model, batch):
        x, y, first = batch
        scores, state = model(x, None if first else self.state)
        self.state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        return self.scale * F.cross_entropy(scores.flatten(0, 1), y.flatten())


def twins(place, few: int | None = None) -> list[Twin]:
    text = data.shakespeare(place)
    vocabulary = Vocabulary.of_characters(text)
    ids = vocabulary.encode(text[:50_000])
    made = []
    for name, cell, hidden, layers, streams, span, asked in (
        ("LSTM 2x128", "LSTM", 128, 2, 50, 50, 1.5),
        ("GRU 2x128", "GRU", 128, 2, 50, 50, 2.5),
        ("min-char-rnn", "RNN", 100, 1, 1, 25, 5),
    ):
        small = streams == 1
        chunks = generate.Chunks(ids, min(streams, few or streams), span, 1 if few else 8)
        batches = [(x.numpy(), y.numpy(), first) for x, y, first in chunks]
        carry = generate.Carry()
        made.append(
            Twin(
                name,
                asked,
                lambda c=cell, h=hidden, n=layers: generate.CharRNN(
                    len(vocabulary), h, n, getattr(loopnest.nn, c)
                ),
                lambda c=cell, h=hidden, n=layers: CharRNN(len(vocabulary), h, n, getattr(nn, c)),
                batches,
                generate.summed(carry, span) if small else carry.loss,
                Carry(span if small else 1.0),
                scores=lambda model, batch: model(batch[0])[0],
                optimizer="Adagrad" if small else "Adam",
                settings={"lr": 0.1, "eps": 1e-8} if small else {"lr": 2e-3},
                clip_value=5.0,
            )
        )
    return made
