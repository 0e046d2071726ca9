"""outline: the U-Net on crops of 96x96."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from twin import Twin

from loopnest import data
from loopnest.systems import outline


def block(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class UNet(nn.Module):
    def __init__(self, c: int = 12) -> None:
        super().__init__()
        self.a, self.b, self.c = block(1, c), block(c, 2 * c), block(2 * c, 4 * c)
        self.up_b = nn.ConvTranspose2d(4 * c, 2 * c, 2, 2)
        self.up_a = nn.ConvTranspose2d(2 * c, c, 2, 2)
        self.down_b, self.down_a = block(4 * c, 2 * c), block(2 * c, c)
        self.out = nn.Conv2d(c, 3, 1)

    def forward(self, x):
        height, width = x.shape[2:]
        x = F.pad(x, (0, -width % 4, 0, -height % 4), mode="replicate")
        a = self.a(x)
        b = self.b(F.max_pool2d(a, 2))
        c = self.c(F.max_pool2d(b, 2))
        b = self.down_b(torch.cat([b, self.up_b(c)], 1))
        a = self.down_a(torch.cat([a, self.up_a(b)], 1))
        return self.out(a)[:, :, :height, :width]


def loss(model, batch):
    x, y = batch
    return F.cross_entropy(model(x), y, torch.as_tensor(outline.WEIGHTS, dtype=x.dtype))


def twins(place, few: int | None = None) -> list[Twin]:
    crops = outline.Crops(outline.prepared(data.nuclei(place).train[:8]), size=few or 8)
    batches = [crops(np.random.default_rng(k)) for k in range(few or 4)]
    settings = {"lr": 2e-3}
    return [
        Twin("U-Net 12-24-48", 1.5, outline.UNet, UNet, batches, outline.loss_of, loss, settings=settings)
    ]
