"""scan: LSTM, GRU and tanh RNN read an image row by row."""

from __future__ import annotations

import torch
from torch import nn
from twin import Twin, cut

import loopnest.nn
from loopnest import data
from loopnest.systems import classify, scan


class Reader(nn.Module):
    def __init__(self, cell) -> None:
        super().__init__()
        self.rnn = cell(28, 128, batch_first=True)
        self.out = nn.Linear(128, 10)

    def forward(self, x):
        return self.out(self.rnn(x)[0][:, -1])


def loss(model, batch):
    x, y = batch
    return torch.nn.functional.cross_entropy(model(x), y)


def twins(place, few: int | None = None) -> list[Twin]:
    images, size = data.mnist(place), few or 64
    batches = cut((classify.inputs(images.x_train)[:, 0], images.y_train), size, 4)
    return [
        Twin(
            f"{name} by rows",
            asked,
            lambda cell=cell: scan.Reader(getattr(loopnest.nn, cell), 28, 10),
            lambda cell=cell: Reader(getattr(nn, cell)),
            batches,
            scan.loss_of,
            loss,
            clip_norm=1.0,
        )
        for name, cell, asked in (("LSTM", "LSTM", 1.5), ("GRU", "GRU", 2.5), ("tanh RNN", "RNN", 2))
    ]
