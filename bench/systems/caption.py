"""caption: the CNN and the GRU that tells, without attention as in the reference and with it."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from twin import Twin, cut

from loopnest import data
from loopnest.systems import caption, classify


class Captioner(nn.Module):
    def __init__(self, attention: bool, hidden: int = 128, width: int = 32) -> None:
        super().__init__()
        self.attention = attention
        self.eye = nn.Sequential(*part(1, 16, attention), *part(16, 32, attention), *part(32, 64, attention))
        self.embedding = nn.Embedding(len(caption.WORDS), width)
        self.rnn = nn.GRU(width + hidden, hidden, batch_first=True)
        if attention:
            self.around = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU())
            self.ask = nn.Linear(width + hidden, hidden)
            self.key, self.value = nn.Linear(64, hidden), nn.Linear(64, hidden)
            self.place = nn.Parameter(torch.zeros(49, hidden))
            self.first = nn.Embedding(2, hidden)
        self.whole = nn.Linear(64 * 49, hidden)
        self.out = nn.Linear(hidden, len(caption.WORDS))

    def forward(self, images, ids):
        maps, words = self.eye(images), self.embedding(ids)
        seen = F.relu(self.whole(maps.flatten(1)))
        if not self.attention:
            words = torch.cat([words, seen[:, None].expand(-1, ids.shape[1], -1)], 2)
            return self.out(self.rnn(words, torch.tanh(seen)[None])[0])
        places = self.around(maps).flatten(2).transpose(1, 2)
        other = (ids == caption.WORDS["below"]) | (ids == caption.WORDS["right"])
        state = (torch.tanh(seen) + self.first(other.any(1).long()))[None]
        keys, values = self.key(places) + self.place, self.value(places) + self.place
        keys, told = keys.transpose(1, 2) * keys.shape[-1] ** -0.5, []
        for t in range(ids.shape[1]):
            word = words[:, t : t + 1]
            look = F.softmax(self.ask(torch.cat([word, state.transpose(0, 1)], 2)) @ keys, -1)
            states, state = self.rnn(torch.cat([word, look @ values], 2), state)
            told.append(states)
        return self.out(torch.cat(told, 1))


def part(inputs: int, outputs: int, norm: bool) -> list[nn.Module]:
    made = [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return [made[0], nn.BatchNorm2d(outputs), *made[1:]] if norm else made


def loss(model, batch):
    images, ids = batch
    scores = model(images, ids[:, :-1])
    return F.cross_entropy(scores.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=caption.PAD)


def twins(place, few: int | None = None) -> list[Twin]:
    images, size = data.mnist(place), few or 64
    digits = classify.inputs(images.x_train)[:, 0]
    x, ids, _ = caption.compose(digits, images.y_train, 2 * size, np.random.default_rng(0))
    batches = cut((x, ids[:, 0]), size)
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
