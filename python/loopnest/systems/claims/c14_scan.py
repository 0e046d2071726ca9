"""C14: an RNN reads digits row by row, and in one shuffled order of the rows.

What it could name from the last row alone, with the state put back to zero at every step, is the control.
That what is read first informs what comes later is tested by reading the upper half of another digit first.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import loopnest
from loopnest import nn
from loopnest.systems import scan
from loopnest.systems.claims import draw
from loopnest.systems.claims.evidence import Check, Finding
from loopnest.systems.claims.lab import Lab
from loopnest.systems.claims.nets import LastState, Memoryless
from loopnest.systems.frame import Picture

HIDDEN = 64


def run(lab: Lab) -> Finding:
    x, y, xt, yt = lab.digits(6000, 2000)
    x, xt = (np.ascontiguousarray(part[:, 0, 4:24]) for part in (x, xt))  # 20 rows of 28 pixels
    steps, width = x.shape[1:]
    classes, epochs = int(y.max()) + 1, lab.few(12, 8)
    order = np.random.default_rng(0).permutation(steps)
    figures: dict[str, list[float]] = {
        name: [] for name in ("row by row", "rows shuffled", "last row alone", "upper half of another")
    }
    by_row: list[np.ndarray] = []
    kept: Any = None
    for seed in lab.seeds:
        read = partial(scan.Reader, nn.LSTM, width, classes, HIDDEN)
        model = lab.learn(seed, read, (x, y), epochs, rate=4e-3, batch=32)
        kept = kept or model
        figures["row by row"].append(lab.accuracy(model, xt, yt))
        mixed = lab.learn(seed, read, (x[:, order].copy(), y), epochs, rate=4e-3, batch=32)
        figures["rows shuffled"].append(lab.accuracy(mixed, xt[:, order].copy(), yt))
        lonely = lab.learn(
            seed,
            lambda: LastState(Memoryless(nn.GRU(width, HIDDEN, batch_first=True)), HIDDEN, classes),
            (x[:, -8:].copy(), y),  # the state is cut before each row: rows before the last change nothing
            lab.few(4, 2),
            rate=4e-3,
        )
        figures["last row alone"].append(lab.accuracy(lonely, xt[:, -8:].copy(), yt))
        other = xt.copy()
        other[:, : steps // 2] = np.roll(xt, 1, 0)[:, : steps // 2]
        figures["upper half of another"].append(lab.accuracy(model, other, yt))
        by_row.append((chances(model, xt).argmax(2) == yt[:, None]).mean(0))
    mean = {name: float(np.mean(row)) for name, row in figures.items()}
    rows, mixed_rows, lonely_rows, others = (np.array(row) for row in figures.values())
    return Finding(
        done=f"{len(y):,} digits to learn from, read as {steps} steps of {width} pixels by an LSTM with "
        f"{HIDDEN} hidden numbers; the answer is read off the state after the last row.",
        checks=[
            Check("digits named row by row, less the last row alone", rows - lonely_rows, 0.4),
            Check("rows in shuffled order, less row by row", mixed_rows - rows, -0.1),
            Check(
                "named row by row, less with the upper half of another digit read first", rows - others, 0.2
            ),
            Check("named from the last row alone", lonely_rows, 0.4, "below", control=True),
        ],
        say=f"Row by row the LSTM names {mean['row by row']:.0%} of held-back digits, in one shuffled order "
        f"of the rows {mean['rows shuffled']:.0%}, from the last row alone {mean['last row alone']:.0%}. If "
        f"the upper half of another digit is read first, {mean['upper half of another']:.0%}.",
        pictures=[
            Picture(
                "c14",
                "Reading an image, row after row",
                "Held-back digits, and beside each what the network takes it for after every row, read "
                "from top to bottom (the darker, the surer). Right: how often it is right after each row.",
                picture(kept, xt, yt, by_row),
            )
        ],
    )


def chances(model: scan.Reader, x: np.ndarray) -> np.ndarray:
    """What the last layer makes of the state after every row (n, rows, classes)."""
    with loopnest.no_grad():
        scores = model.out(model.rnn(loopnest.tensor(x))[0]).numpy()
    chance = np.exp(scores - scores.max(2, keepdims=True))
    return chance / chance.sum(2, keepdims=True)


def picture(model: scan.Reader, x: np.ndarray, y: np.ndarray, by_row: list[np.ndarray]):
    told = chances(model, x)
    right = told[:, -1].argmax(1) == y
    # such that it changed its mind: sure of another digit half-way, right at the end
    half = told[:, x.shape[1] // 2].copy()
    half[np.arange(len(y)), y] = 0
    order = np.argsort(-half.max(1) * right)
    some: list[int] = []
    for k in order:
        if y[k] not in y[some]:
            some.append(int(k))
    some = some[:4]
    names = [[name for k in range(len(some)) for name in (f"x{k}", f"c{k}")] + ["line"]]
    figure, axes = draw.mosaic(names, 9.4, 2.7, width_ratios=[1.5, 1] * len(some) + [2.6])
    for place, k in enumerate(some):
        draw.image(axes[f"x{place}"], x[k], aspect="auto")
        axes[f"c{place}"].imshow(told[k], cmap="Oranges", aspect="auto", vmin=0, vmax=1)
        axes[f"c{place}"].set(yticks=[], xticks=range(0, told.shape[2], 3))
        axes[f"c{place}"].tick_params(labelsize=8)
    rows: dict[float, list] = {k + 1: [row[k] for row in by_row] for k in range(x.shape[1])}
    draw.lines(
        axes["line"], {"": rows}, "right after row", "", colors={"": draw.TIME}, chance=0.1, label=False
    )
    return figure
