"""faceoff: the TCN over words, and the competitors for the first of 50 symbols; the rest is sentiment's."""

from __future__ import annotations

import interchange
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from twin import Twin, cut

from loopnest import data
from loopnest.systems import faceoff, sentiment


class WordTCN(nn.Module):
    def __init__(self, vocabulary: int, classes: int, width: int = 128, hidden: int = 67) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.body = interchange.TCN(width, hidden, hidden, 4, 3)
        self.out = nn.Linear(hidden, classes)

    def forward(self, ids, lengths):
        words = F.dropout(self.embedding(ids[:, : int(lengths.max())]), 0.5, self.training)
        last = self.body(words)[torch.arange(len(ids)), lengths - 1]
        return self.out(F.dropout(last, 0.5, self.training))


class Pooled(nn.Module):
    def __init__(self, maps: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv1d(4, maps, span) for span in (3, 4, 5)])
        self.out = nn.Linear(3 * maps, 4)

    def forward(self, x):
        x = x.transpose(1, 2)
        return self.out(torch.cat([F.relu(conv(x)).amax(-1) for conv in self.convs], 1))


class Last(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x):
        return self.body(x)[:, -1]


def loss(model, batch):
    ids, lengths, labels = batch
    return F.cross_entropy(model(ids, lengths), labels)


def latch_loss(model, batch):
    x, y = batch
    return F.cross_entropy(model(x), y)


def twins(place, few: int | None = None) -> list[Twin]:
    held, size = data.trec(place), few or sentiment.BATCH
    encoded = sentiment.Encoded(held, len(held.train))
    batches = cut(encoded.train, size, 4)
    sizes = len(encoded.vocabulary), len(encoded.classes)
    words = Twin(
        "TCN, TREC",
        None,
        faceoff.models(*sizes)["TCN"],
        lambda: WordTCN(*sizes),
        batches,
        sentiment.loss_of,
        loss,
        scores=lambda model, batch: model(batch[0], batch[1]),
        clip_norm=3.0,
    )
    rows = [faceoff.first_of(50, few or 64)(np.random.default_rng(k)) for k in range(2)]
    latch = {
        "CNN": lambda: Pooled(217),
        "GRU": lambda: Last(interchange.Steps(nn.GRU, 4, 4, 64)),
        "LSTM": lambda: Last(interchange.Steps(nn.LSTM, 4, 4, 55)),
        "TCN": lambda: Last(interchange.TCN(4, 4, 25, 4, 3)),
    }
    return [
        words,
        *(
            Twin(
                f"{name}, first of 50",
                None,
                faceoff.LATCH[name],
                make,
                rows,
                faceoff.latch_loss,
                latch_loss,
                settings={"lr": 3e-3},
                clip_norm=1.0,
            )
            for name, make in latch.items()
        ),
    ]
