"""An RNN reads a single image: its time is the order in which the parts come (C14).

    loopnest run scan --data DIR

By rows (28 steps of 28 pixels) with an LSTM, a GRU and a plain tanh RNN; by rows in one fixed shuffled
order; and four pixels a step, where the last state must remember 196 steps. DIR is that of classify.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

import loopnest
from loopnest import metrics, nn, optim
from loopnest.data import DataLoader, TensorDataset
from loopnest.systems import classify, pictures
from loopnest.systems.frame import BASE, Options, Picture, Result, Row, parameters

MODEL = "lstm"
NEEDS = BASE
PIXELS = 4  # so many become one step


class Reader(nn.Module):
    """Steps (n, t, width) -> scores (n, classes), after the last step."""

    def __init__(self, cell: Callable[..., nn.Module], width: int, classes: int, hidden: int = 128) -> None:
        super().__init__()
        self.rnn = cell(width, hidden, batch_first=True)
        self.out = nn.Linear(hidden, classes)

    def forward(self, x):
        return self.out(self.rnn(x)[0][:, -1])


def loss_of(model: nn.Module, batch: tuple) -> loopnest.Tensor:
    x, y = batch
    return nn.functional.cross_entropy(model(x), y)


def remembering(model: Reader) -> Reader:
    """Start with an open memory: without it nothing of the first of hundreds of steps is left at the last."""
    hidden = model.rnn.hidden_size
    with loopnest.no_grad():
        model.rnn.bias_ih_l0[hidden : 2 * hidden].fill_(1.0)  # the forget (LSTM) or update (GRU) gate
    return model


def accuracy_on(images: np.ndarray, labels: np.ndarray, model: nn.Module) -> dict[str, float]:
    return {"accuracy": metrics.accuracy(classify.scores(model, images), labels)}


Task = tuple[str, str, Callable[[np.ndarray], np.ndarray], Callable[[], Reader], int]


def tasks(options: Options, height: int, width: int, count: int) -> list[Task]:
    """Who reads, by what, how an image becomes that, the model, and its epochs."""
    order = np.random.default_rng(0).permutation(height)
    epochs = options.few(10, 3)

    def rows(images):
        return images

    def shuffled(images):
        return images[:, order]

    def by_pixel(images):
        return images.reshape(len(images), -1, PIXELS)

    found: list[Task] = [
        ("LSTM", "rows", rows, lambda: Reader(nn.LSTM, width, count), epochs),
        ("GRU", "rows", rows, lambda: Reader(nn.GRU, width, count), epochs),
        ("tanh RNN", "rows", rows, lambda: Reader(nn.RNN, width, count), epochs),
        ("LSTM", "shuffled rows", shuffled, lambda: Reader(nn.LSTM, width, count), epochs),
        ("GRU", f"{PIXELS} pixels", by_pixel, lambda: remembering(Reader(nn.GRU, PIXELS, count)), epochs),
    ]
    return found[:4] if options.quick else found  # hundreds of steps are not quick


def run(options: Options) -> Result:
    images, classes = classify.load(options)
    few = options.few(len(images.x_train), 1000)
    x, y = classify.inputs(images.x_train[:few])[:, 0], images.y_train[:few]
    xt, yt = classify.inputs(images.x_test)[:, 0], images.y_test
    height, width = x.shape[1:]
    table, history, models = [], {}, {}
    for cell, unit, cut, make, many in tasks(options, height, width, len(classes)):
        loopnest.manual_seed(options.seed)
        model = make()
        name = f"{cell} by {unit}"
        file = name.lower().replace(" by rows", "").replace(" ", "-")
        trainer = options.trainer(file, model, optim.Adam(model.parameters(), 1e-3), loss_of, clip_norm=1.0)
        seen, held = np.ascontiguousarray(cut(x)), np.ascontiguousarray(cut(xt))
        trainer.fit(
            DataLoader(TensorDataset(seen, y), batch_size=64, shuffle=True),
            many,
            validate=partial(accuracy_on, held, yt),
            resume=options.resume,
        )
        accuracy = trainer.history[-1]["accuracy"]
        steps = float(seen.shape[1])
        table.append(Row(name, {"accuracy": accuracy, "steps": steps}, trainer.seconds, parameters(model)))
        history[name], models[name] = trainer.history, model.eval()
        options.keep(file, model, classes=classes)
    table.append(
        Row(
            "the most frequent class",
            {"accuracy": float(np.mean(yt == np.bincount(y).argmax()))},
            baseline=True,
        )
    )
    first = table[0]
    mind = making_up(models["LSTM by rows"], xt, yt)
    return Result(
        name="scan",
        title="A recurrent network reads one image, step by step",
        about=f"{len(y):,} images to learn from, {len(yt):,} held back. The answer is read from the last "
        "state alone. Adam 1e-3, batches of 64, gradients clipped to norm 1.",
        rows=table,
        columns={"accuracy": ("accuracy", ".1%"), "steps": ("steps", ".0f")},
        say=f"Reading row after row, the LSTM names {first.figures['accuracy']:.1%} of the held-back images; "
        f"with the rows in another fixed order {table[3].figures['accuracy']:.1%}: its time is whatever "
        "order the parts come in.",
        pictures=[
            Picture(
                "curves",
                "Learning",
                "Training loss, and accuracy on the held-back images after every epoch.",
                pictures.curves(history, {"accuracy": "held-back accuracy"}),
            ),
            Picture(
                "mind",
                "Making up its mind",
                "What the trained last layer makes of the state after each row (top to bottom), for four "
                "images: the darker, the surer. It was only ever trained on the state after the last row.",
                mind,
            ),
        ],
        notes=[]
        if options.quick
        else [f"Steps by pixels put {PIXELS} pixels into each step, so that a run ends within minutes."],
        history=history,
    )


def making_up(model: Reader, images: np.ndarray, labels: np.ndarray):
    """Four images, and beside each the chances of the classes after every row."""
    some = [int(np.flatnonzero(labels == k)[0]) for k in np.unique(labels)[:4]]
    with loopnest.no_grad():
        states, _ = model.rnn(loopnest.tensor(np.ascontiguousarray(images[some])))
        scores = model.out(states.reshape(-1, states.shape[-1])).numpy()
    chance = np.exp(scores - scores.max(1, keepdims=True))
    chance = (chance / chance.sum(1, keepdims=True)).reshape(len(some), -1, scores.shape[1])
    figure, axes = pictures.new(9.4, 2.8, 1, 2 * len(some), squeeze=False, width_ratios=[2, 1] * len(some))
    for place, k in enumerate(some):
        left, right = axes[0, 2 * place], axes[0, 2 * place + 1]
        left.imshow(images[k], cmap="Greys", aspect="auto")
        right.imshow(chance[place], cmap="Oranges", aspect="auto", vmin=0, vmax=1)
        left.axis("off")
        right.set(yticks=[], xticks=range(0, chance.shape[2], 3))
    return figure
