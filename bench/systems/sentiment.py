"""sentiment: a bag of words, TextCNN, GRU and LSTM on film reviews."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F
from twin import Twin, cut

import loopnest.nn
from loopnest import data
from loopnest.systems import models, sentiment


class Bag(nn.Module):
    def __init__(self, vocabulary: int, classes: int, width: int = 128) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.out = nn.Linear(width, classes)

    def forward(self, ids, lengths):
        mean = self.embedding(ids).sum(1) / lengths[:, None]
        return self.out(F.dropout(mean, 0.5, self.training))


class TextCNN(nn.Module):
    def __init__(self, vocabulary: int, classes: int, width: int = 128, maps: int = 100) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.convs = nn.ModuleList([nn.Conv1d(width, maps, span) for span in (3, 4, 5)])
        self.out = nn.Linear(maps * 3, classes)

    def forward(self, ids, lengths):
        words = self.embedding(ids[:, : int(lengths.max()) + 5]).transpose(1, 2)
        found = torch.cat([F.relu(conv(words)).amax(-1) for conv in self.convs], 1)
        return self.out(F.dropout(found, 0.5, self.training))


class Recurrent(nn.Module):
    def __init__(self, vocabulary: int, classes: int, cell, width: int = 128, hidden: int = 128) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.rnn = cell(width, hidden, batch_first=True)
        self.out = nn.Linear(hidden, classes)

    def forward(self, ids, lengths):
        words = F.dropout(self.embedding(ids[:, : int(lengths.max())]), 0.5, self.training)
        states, _ = self.rnn(words)
        last = states[torch.arange(len(ids)), lengths - 1]
        return self.out(F.dropout(last, 0.5, self.training))


def loss(model, batch):
    ids, lengths, labels = batch
    return F.cross_entropy(model(ids, lengths), labels)


def twins(place, few: int | None = None) -> list[Twin]:
    held, size = data.mr(place), few or sentiment.BATCH
    encoded = sentiment.Encoded(held, len(held.train))
    # From the middle, where negative and positive sentences meet; the system shuffles.
    start = len(encoded.train[2]) // 2 - 2 * size
    batches = cut(encoded.train, size, 4, start)
    sizes = len(encoded.vocabulary), len(encoded.classes)
    made = [
        ("bag of words", None, lambda: models.Bag(*sizes), lambda: Bag(*sizes)),
        ("TextCNN", 1.5, lambda: models.TextCNN(*sizes), lambda: TextCNN(*sizes)),
        ("GRU", 1.5, lambda: models.Recurrent(*sizes, loopnest.nn.GRU), lambda: Recurrent(*sizes, nn.GRU)),
        ("LSTM", 1.5, lambda: models.Recurrent(*sizes, loopnest.nn.LSTM), lambda: Recurrent(*sizes, nn.LSTM)),
    ]
    return [
        Twin(
            name,
            asked,
            ours,
            theirs,
            batches,
            sentiment.loss_of,
            loss,
            scores=lambda model, batch: model(batch[0], batch[1]),
            clip_norm=3.0,
        )
        for name, asked, ours, theirs in made
    ]
