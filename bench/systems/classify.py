"""classify: LeNet-5 and an MLP on digits (features learns the same LeNet-5)."""

from __future__ import annotations

import torch
from torch import nn
from twin import Twin, cut

from loopnest import data
from loopnest.systems import classify


def lenet5() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def loss(model, batch):
    x, y = batch
    return torch.nn.functional.cross_entropy(model(x), y)


def twins(place, few: int | None = None) -> list[Twin]:
    images, size = data.mnist(place), few or 64
    batches = cut((classify.inputs(images.x_train), images.y_train), size, 4)
    return [
        Twin("LeNet-5", 2, classify.lenet5, lenet5, batches, classify.loss_of, loss),
        Twin("MLP-128", 2, classify.mlp, mlp, batches, classify.loss_of, loss),
    ]
