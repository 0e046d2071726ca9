"""interchange: TCN and LSTM on adding, copying and chorales."""

from __future__ import annotations

import numpy as np
from torch import nn
from torch.nn import functional as F
from twin import Twin

import loopnest.nn
from loopnest import data
from loopnest.systems import interchange, models


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.before, self.dropout = (width - 1) * dilation, dropout
        self.one = nn.Conv1d(inputs, outputs, width, dilation=dilation)
        self.two = nn.Conv1d(outputs, outputs, width, dilation=dilation)
        self.skip = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x):
        h = F.dropout(F.relu(self.one(F.pad(x, (self.before, 0)))), self.dropout, self.training)
        h = F.dropout(F.relu(self.two(F.pad(h, (self.before, 0)))), self.dropout, self.training)
        return F.relu(h + self.skip(x))


class TCN(nn.Module):
    def __init__(
        self, inputs: int, outputs: int, hidden: int, levels: int, width: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *[Block(hidden if k else inputs, hidden, width, 2**k, dropout) for k in range(levels)]
        )
        self.out = nn.Linear(hidden, outputs)

    def forward(self, x):
        return self.out(self.body(x.transpose(1, 2)).transpose(1, 2))


class Steps(nn.Module):
    def __init__(self, cell, inputs: int, outputs: int, hidden: int) -> None:
        super().__init__()
        self.rnn = cell(inputs, hidden, 1, batch_first=True)
        self.out = nn.Linear(hidden, outputs)

    def forward(self, x):
        return self.out(self.rnn(x)[0])


def summed(model, batch):
    x, y = batch
    return F.mse_loss(model(x)[:, -1, 0], y)


def symbols(model, batch):
    x, y = batch
    return F.cross_entropy(model(x).flatten(0, 1), y.flatten())


def chords(model, batch):
    (roll,) = batch
    scores = model(roll[None, :-1])[0]
    return F.binary_cross_entropy_with_logits(scores, roll[1:], reduction="sum") / (len(roll) - 1)


def twins(place, few: int | None = None) -> list[Twin]:
    count, draw = few or 32, [np.random.default_rng(k) for k in range(2)]
    adding = [interchange.adding(count, 200)(rng) for rng in draw]
    adding = [(x, y.astype(np.float32)) for x, y in adding]
    copying = [interchange.copying(count, 100)(rng) for rng in draw]
    rolls = [(roll,) for roll in data.chorales(place).train[:8]]

    def chord_loss(model, batch):
        return interchange.chord_loss(model, batch[0])

    made = []
    for task, batches, ours, theirs, clip, rates, sizes, hidden in (
        ("adding", adding, interchange.sum_loss, summed, 5.0, (4e-3, 2e-3), (2, 1, 27, 7, 6), (2, 1, 130)),
        (
            "copy",
            copying,
            interchange.symbol_loss,
            symbols,
            1.0,
            (2e-3, 2e-3),
            (10, 10, 10, 5, 8),
            (10, 10, 50),
        ),
        ("chorales", rolls, chord_loss, chords, 0.4, (1e-3, 1e-3), (88, 88, 150, 2, 3, 0.5), (88, 88, 200)),
    ):
        view = (lambda model, batch: model(batch[0][None])) if task == "chorales" else None
        for name, rate, our_model, their_model in (
            ("TCN", rates[0], lambda s=sizes: models.TCN(*s), lambda s=sizes: TCN(*s)),
            (
                "LSTM",
                rates[1],
                lambda h=hidden: models.Steps(loopnest.nn.LSTM, *h),
                lambda h=hidden: Steps(nn.LSTM, *h),
            ),
        ):
            more = {} if view is None else {"scores": view}
            made.append(
                Twin(
                    f"{name}, {task}",
                    1.5,
                    our_model,
                    their_model,
                    batches,
                    ours,
                    theirs,
                    settings={"lr": rate},
                    clip_norm=clip,
                    **more,
                )
            )
    return made
