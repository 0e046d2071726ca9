"""Trains the two networks on real digits and collects what the report shows of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import loopnest
from loopnest import nn, optim
from loopnest.data import Digits
from loopnest.tour import networks

Each = Callable[[dict[str, Any], dict[str, Any]], None]  # (facts of the training, the epoch just finished)


@dataclass(frozen=True)
class Recipe:
    """How one network is trained. Numbers found by 4-fold cross-validation inside the training part."""

    op: str
    name: str
    title: str
    about: str
    make: Callable[[], nn.Module]
    layers: tuple[tuple[str, str], ...]
    target: float  # accuracy on the held-back quarter that the tour promises
    channel: bool  # images as (n, 1, 8, 8), not (n, 8, 8)
    shift: int  # training images are moved by up to this many pixels, anew in each epoch
    epochs: int
    rate: float
    batch: int = 32


CNN = Recipe(
    op="conv2d",
    name="CNN",
    title="A CNN sees the digit across space",
    about="Learns from copies moved by up to one pixel; AdamW, learning rate along a cosine.",
    make=networks.cnn,
    layers=(
        ("digit", "1 x 8 x 8"),
        ("Conv2d 3x3, ReLU", "32 x 8 x 8"),
        ("Conv2d 3x3, ReLU", "64 x 8 x 8"),
        ("MaxPool2d 2x2", "64 x 4 x 4"),
        ("Linear", "10"),
    ),
    target=0.98,
    channel=True,
    shift=1,
    epochs=30,
    rate=3e-3,
)
LSTM = Recipe(
    op="lstm",
    name="LSTM",
    title="An LSTM reads it row by row, across time",
    about="One row of eight pixels per step, answers after the last; AdamW, learning rate along a cosine.",
    make=networks.RowReader,
    layers=(
        ("digit", "8 steps of 8"),
        ("LSTM", "8 steps of 64"),
        ("last step", "64"),
        ("Linear", "10"),
    ),
    target=0.96,
    channel=False,
    shift=0,
    epochs=30,
    rate=1e-2,
)


def train(
    recipe: Recipe, digits: Digits, seed: int = 0, each: Each | None = None, epochs: int | None = None
) -> tuple[nn.Module, dict[str, Any]]:
    """Train the recipe's network from `seed`; returns the network and its facts (see loopnest.viz.report).

    `epochs` overrides the recipe's, `each` is called with (facts, epoch) after every one.

    The held-back quarter is only ever looked at, never learned from, and no epoch is picked by it:
    `accuracy` is that of the last epoch.
    """
    loopnest.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = recipe.make()
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=0.01)
    count, epochs = len(digits.x_train), epochs or recipe.epochs
    steps = epochs * math.ceil(count / recipe.batch)
    facts: dict[str, Any] = {
        "op": recipe.op,
        "name": recipe.name,
        "title": recipe.title,
        "about": recipe.about,
        "layers": [list(layer) for layer in recipe.layers],
        "parameters": sum(int(np.prod(p.shape)) for p in model.parameters()),
        "target": recipe.target,
        "seed": seed,
        "batch": recipe.batch,
        "train_size": count,
        "test_size": len(digits.x_test),
        "planned_epochs": epochs,
        "epochs": [],
    }
    start, step = time.perf_counter(), 0
    for _ in range(epochs):
        began = time.perf_counter()
        images, order = moved(digits.x_train, recipe.shift, rng), rng.permutation(count)
        total, right = 0.0, 0
        for first in range(0, count, recipe.batch):
            picked = order[first : first + recipe.batch]
            labels = digits.y_train[picked]
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate * (0.5 + 0.5 * math.cos(math.pi * step / steps))
            scores = model(_input(images[picked], recipe))
            loss = criterion(scores, loopnest.tensor(labels))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(picked)
            right += int(np.sum(scores.detach().numpy().argmax(1) == labels))
            step += 1
        epoch = {
            "loss": total / count,
            "train_accuracy": right / count,
            "test_accuracy": float(
                np.mean(scores_of(model, recipe, digits.x_test).argmax(1) == digits.y_test)
            ),
            "seconds": time.perf_counter() - began,
        }
        facts["epochs"].append(epoch)
        if each:
            each(facts, epoch)
    facts["seconds"] = time.perf_counter() - start
    facts["accuracy"] = facts["epochs"][-1]["test_accuracy"]
    facts["wrong"] = mistakes(model, recipe, digits)
    return model, facts


def moved(images: np.ndarray, by: int, rng: np.random.Generator) -> np.ndarray:
    """Copies of images (n, h, w), each moved by -by .. by pixels in both directions; paper (0) comes in."""
    if by == 0:
        return images
    n, h, w = images.shape
    padded = np.pad(images, ((0, 0), (by, by), (by, by)))
    down, right = rng.integers(0, 2 * by + 1, (2, n))
    rows = down[:, None] + np.arange(h)  # [n, h]
    columns = right[:, None] + np.arange(w)  # [n, w]
    return padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]


def scores_of(model: nn.Module, recipe: Recipe, images: np.ndarray) -> np.ndarray:
    """The model's scores (n, 10) of images (n, 8, 8), nothing recorded."""
    with loopnest.no_grad():
        return model(_input(images, recipe)).numpy()


def mistakes(model: nn.Module, recipe: Recipe, digits: Digits) -> list[dict[str, Any]]:
    """Every wrong answer on the held-back quarter: index, image, true, predicted, confidence."""
    chances = softmax(scores_of(model, recipe, digits.x_test))
    said = chances.argmax(1)
    return [
        {
            "index": int(k),
            "image": digits.x_test[k],
            "true": int(digits.y_test[k]),
            "predicted": int(said[k]),
            "confidence": float(chances[k, said[k]]),
        }
        for k in np.flatnonzero(said != digits.y_test)
    ]


def look_inside(
    seeing: nn.Sequential, reading: networks.RowReader, digits: Digits, index: int
) -> dict[str, Any]:
    """What both networks make of held-back digit `index`: the "digit" of the report."""
    image = digits.x_test[index]
    with loopnest.no_grad():
        filters = seeing[0].weight.detach().numpy()[:, 0]  # [32, 3, 3]
        maps = seeing[1](seeing[0](_input(image[None], CNN))).numpy()[0]  # [32, 8, 8]
        hidden, _ = reading.lstm(_input(image[None], LSTM))  # [1, 8, 64]
        guesses = softmax(reading.head(hidden.reshape(8, -1)).numpy())  # [8, 10]
    return {
        "index": index,
        "image": image,
        "label": int(digits.y_test[index]),
        "filters": filters.copy(),
        "maps": maps.copy(),
        "hidden": hidden.numpy()[0].copy(),
        "guesses": guesses,
    }


def telling(reading: networks.RowReader, digits: Digits) -> int:
    """The index of a held-back digit worth a look: read rightly, after the longest row-by-row doubt.

    Among the digits that the row reader gets right, the one with the lowest mean chance of the right answer
    over its rows, so that one sees a mind being made up.
    """
    n = len(digits.x_test)
    with loopnest.no_grad():
        hidden, _ = reading.lstm(_input(digits.x_test, LSTM))
        scores = reading.head(hidden.reshape(n * 8, -1)).numpy().reshape(n, 8, 10)
    chances = softmax(scores)
    right = chances[np.arange(n), :, digits.y_test]  # [n, 8]
    sure = (chances[:, -1].argmax(1) == digits.y_test) & (right[:, -1] > 0.9)
    return int(np.argmin(np.where(sure, right.mean(1), np.inf)))


def softmax(scores: np.ndarray) -> np.ndarray:
    """softmax over the last axis."""
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _input(images: np.ndarray, recipe: Recipe) -> loopnest.Tensor:
    return loopnest.tensor(np.ascontiguousarray(images[:, None] if recipe.channel else images))
