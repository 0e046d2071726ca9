"""caption: the CNN and the GRU that tells, without attention as in the reference and with it."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from twin import Twin

from loopnest import data
from loopnest.systems import caption


class Captioner(nn.Module):
    def __init__(self, attention: bool, hidden: int = 128, width: int = 32) -> None:
        super().__init__()
        self.attention = attention
        self.eye = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.whole = nn.Linear(64 * 49, hidden)
        self.embedding = nn.Embedding(len(caption.WORDS), width)
        self.rnn = nn.GRU(width + hidden, hidden, batch_first=True)
        if attention:
            self.around = nn.Conv2d(64, 64, 3, padding=1)
            self.key = nn.Linear(64, hidden)
            self.place = nn.Parameter(torch.zeros(49, hidden))
            self.value = nn.Linear(64, hidden)
            self.mix = nn.Linear(2 * hidden, hidden)
        self.out = nn.Linear(hidden, len(caption.WORDS))

    def forward(self, images, ids):
        maps = self.eye(images)
        seen = F.relu(self.whole(maps.flatten(1)))
        words = torch.cat([self.embedding(ids), seen[:, None].expand(-1, ids.shape[1], -1)], 2)
        states, _ = self.rnn(words, torch.tanh(seen)[None])
        if self.attention:
            places = F.relu(self.around(maps)).flatten(2).transpose(1, 2)
            keys, values = self.key(places) + self.place, self.value(places)
            look = F.softmax((states @ keys.transpose(1, 2)) * keys.shape[-1] ** -0.5, -1)
            states = F.relu(self.mix(torch.cat([states, look @ values], 2)))
        return self.out(states)


def loss(model, batch):
    images, ids = batch
    scores = model(images, ids[:, :-1])
    return F.cross_entropy(scores.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=caption.PAD)


def twins(place, few: int | None = None) -> list[Twin]:
    images, size = data.mnist(place), few or 64
    x, ids, _ = caption.compose(images.x_train / 255, images.y_train, 2 * size, np.random.default_rng(0))
    batches = [(x[k : k + size], ids[k : k + size]) for k in (0, size)]
    return [
        Twin(
            f"CNN -> GRU-128 {name}",
            asked,
            lambda attention=attention: caption.Captioner(attention),
            lambda attention=attention: Captioner(attention),
            batches,
            caption.loss_of,
            loss,
            scores=lambda model, batch: model(batch[0], batch[1][:, :-1]),
        )
        for name, attention, asked in (("without attention", False, 1.5), ("with attention", True, 1.5))
    ]
