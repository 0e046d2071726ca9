"""speech: a CNN, a GRU and an LSTM on log-mel frames, and the GRU that writes strings by CTC."""

from __future__ import annotations

import numpy as np
from torch import nn
from torch.nn import functional as F
from twin import Twin, cut

import loopnest.nn
from loopnest import data
from loopnest.systems import speech


class Recurrent(nn.Module):
    def __init__(self, cell, hidden: int = 96) -> None:
        super().__init__()
        self.rnn = cell(40, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 10)

    def forward(self, x):
        return self.out(F.dropout(self.rnn(x)[0].mean(1), 0.3, self.training))


class CNN(nn.Module):
    def __init__(self) -> None:
        super().__init__()

        def part(inputs: int, outputs: int) -> nn.Module:
            return nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)
            )

        self.body = nn.Sequential(part(1, 16), part(16, 32), part(32, 64))
        self.out = nn.Linear(64 * 5, 10)

    def forward(self, x):
        h = self.body(x.unsqueeze(1)).mean(2).flatten(1)
        return self.out(F.dropout(h, 0.3, self.training))


class Writer(nn.Module):
    def __init__(self, hidden: int = 96) -> None:
        super().__init__()
        self.rnn = nn.GRU(40, hidden, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hidden, 11)

    def forward(self, x):
        states = F.dropout(self.rnn(x)[0], 0.3, self.training)
        return F.log_softmax(self.out(states), -1)


def crossed(model, batch):
    x, y = batch
    return F.cross_entropy(model(x), y)


def ctc(model, batch):
    x, lengths, y, counts = batch
    return F.ctc_loss(model(x).transpose(0, 1), y, lengths, counts, blank=0)


def twins(place, few: int | None = None) -> list[Twin]:
    spoken, size = data.spoken_digits(place), few or 32
    frames = speech.prepared(spoken, 4 * size)
    x, y = np.stack([speech.fitted(f) for f in frames]), spoken.digit[: 4 * size]
    batches = cut((x, y), size)
    strings = [speech.strings(frames, y, few or 16, np.random.default_rng(k)) for k in range(2)]
    common = {"settings": {"lr": 2e-3}, "clip_norm": 1.0}
    return [
        Twin("CNN 16-32-64", 1.5, speech.CNN, CNN, batches, speech.loss_of, crossed, **common),
        *(
            Twin(
                f"{cell}-96",
                1.5,
                lambda cell=cell: speech.Recurrent(getattr(loopnest.nn, cell)),
                lambda cell=cell: Recurrent(getattr(nn, cell)),
                batches,
                speech.loss_of,
                crossed,
                **common,
            )
            for cell in ("GRU", "LSTM")
        ),
        Twin(
            "GRU-96 both ways, CTC",
            None,
            speech.Writer,
            Writer,
            strings,
            speech.ctc,
            ctc,
            settings={"lr": 3e-3},
            clip_norm=1.0,
        ),
    ]
