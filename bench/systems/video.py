"""video: ConvLSTM and 3-D convolutions say the next radar frame, and a 3-D CNN names a direction."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from twin import Twin, cut

from loopnest import data
from loopnest.systems import classify, video


class ConvLSTM(nn.Module):
    def __init__(self, hidden: int = 16) -> None:
        super().__init__()
        self.hidden = hidden
        cell = nn.Module()
        cell.conv = nn.Conv2d(1 + hidden, 4 * hidden, 3, padding=1)
        self.film = nn.Module()
        self.film.cells = nn.ModuleList([cell])
        self.out = nn.Conv2d(hidden, 1, 3, padding=1)

    def forward(self, x):
        n, steps, _, height, width = x.shape
        state = x.new_zeros(n, self.hidden, height, width)
        cell = torch.zeros_like(state)
        for k in range(steps):
            i, f, g, o = self.film.cells[0].conv(torch.cat([x[:, k], state], 1)).chunk(4, 1)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
            state = torch.sigmoid(o) * torch.tanh(cell)
        return x[:, -1] + self.out(state)


class Conv3dNext(nn.Module):
    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.one = nn.Conv3d(1, channels, 3, padding=(0, 1, 1))
        self.two = nn.Conv3d(channels, channels, 3, padding=(0, 1, 1))
        self.out = nn.Conv2d(channels, 1, 3, padding=1)

    def forward(self, x):
        h = F.relu(self.two(F.relu(self.one(x.transpose(1, 2)))))
        return x[:, -1] + self.out(h[:, :, 0])


def direction_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv3d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool3d((1, 2, 2)),
        nn.Conv3d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool3d(2),
        nn.Conv3d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(32, 8),
    )


def squared(model, batch):
    x, y = batch
    return F.mse_loss(model(x), y)


def crossed(model, batch):
    x, y = batch
    return F.cross_entropy(model(x), y)


def twins(place, few: int | None = None) -> list[Twin]:
    rain = video.Rain(data.radar(place))
    clips = [rain.clips(np.random.default_rng(k), few or 8) for k in range(1 if few else 4)]
    images, size = classify.inputs(data.mnist(place).x_train[:500])[:, 0], few or 32
    moves = cut(video.moving(images, 2 * size, np.random.default_rng(0)), size)
    settings = {"lr": 2e-3}
    return [
        Twin(
            "ConvLSTM-16",
            2,
            video.ConvLSTM,
            ConvLSTM,
            clips,
            video.squared,
            squared,
            settings=settings,
            clip_norm=1.0,
        ),
        Twin(
            "Conv3d 16-16",
            2,
            video.Conv3dNext,
            Conv3dNext,
            clips,
            video.squared,
            squared,
            settings=settings,
            clip_norm=1.0,
        ),
        Twin(
            "direction, Conv3d 8-16-32",
            2,
            video.direction_net,
            direction_net,
            moves,
            classify.loss_of,
            crossed,
            settings={"lr": 3e-3},
        ),
    ]
