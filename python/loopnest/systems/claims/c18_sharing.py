"""C18: weight sharing taken away from a CNN and from an RNN; and what each output depends on.

Across space: digits learned in the middle of a canvas, asked for elsewhere, by shared and by unshared filters
of the same fields. Across time: phrases learned early and asked for late (C9's sentences), by a shared and by
an unshared GRU. Both controls are good where they learned. What they do not have in common: an output of the
convolutional network depends on a window around it and on nothing else, an output of the GRU on everything
before it and nothing after.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

import loopnest
from loopnest import nn
from loopnest.systems.claims import draw
from loopnest.systems.claims.c03_anywhere import SPOT, SPOTS, placed, small
from loopnest.systems.claims.c09_order import LEARNED, MAKERS, NEW, WORDS, denials, last_right, loss_of
from loopnest.systems.claims.evidence import Check, Finding
from loopnest.systems.claims.lab import Lab
from loopnest.systems.claims.nets import Unshared
from loopnest.systems.frame import Picture

STEPS = 24  # of the sequences on which dependence is measured
WINDOW = 5  # steps that an output of the convolutional network sees: two layers of width 3


def shared(classes: int) -> nn.Sequential:
    """Two convolutions on a canvas 28x28, the maximum of each map."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(8, 24, 5, padding=2),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(24, classes),
    )


def unshared(classes: int) -> nn.Sequential:
    """The same with a filter of its own for every place."""
    return nn.Sequential(
        Unshared(1, 8, 5, 28, stride=2, padding=2),
        nn.ReLU(),
        Unshared(8, 24, 5, 14, padding=2),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(24, classes),
    )


def dependence(answer: Callable[[loopnest.Tensor], loopnest.Tensor]) -> np.ndarray:
    """|d output at t / d input at s| (t, s), summed over channels, for answers (1, STEPS, outputs)."""
    rows = []
    for t in range(STEPS):
        x = loopnest.tensor(
            np.random.default_rng(0).standard_normal((1, STEPS, 4)).astype(np.float32), requires_grad=True
        )
        (answer(x)[:, t] ** 2).sum().backward()
        rows.append(np.abs(x.grad.numpy()[0]).sum(1))
    return np.stack(rows)


def maps(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The dependence of a convolutional network and of a GRU, both untrained: it is how they are made.

    Without Winograd's algorithm, whose rounding leaves 1e-7 at places next to the window, where 0 is meant.
    """
    loopnest.manual_seed(seed)
    conv = nn.Sequential(nn.Conv1d(4, 16, 3, padding=1), nn.Tanh(), nn.Conv1d(16, 16, 3, padding=1))
    gru = nn.GRU(4, 16, batch_first=True)
    with loopnest.precision("exact"):
        return dependence(lambda x: conv(x.transpose(1, 2)).transpose(1, 2)), dependence(lambda x: gru(x)[0])


def run(lab: Lab) -> Finding:
    x, y, xt, yt = lab.digits(4000, 1500, 240)
    x, xt = small(x), small(xt)
    learn, home = placed(x, SPOT, SPOT), placed(xt, SPOT, SPOT)
    away = [placed(xt, r, c) for r in SPOTS[::2] for c in SPOTS[::2]]
    classes = int(y.max()) + 1
    space: dict[str, dict[str, list[float]]] = {
        name: {"learned": [], "new": []} for name in ("shared", "not shared")
    }
    time: dict[str, dict[str, list[float]]] = {
        name: {"learned": [], "new": []} for name in ("shared", "not shared")
    }
    outside, after, far = [], [], []
    for seed in lab.seeds:
        for name, make in (("shared", shared), ("not shared", unshared)):
            model = lab.learn(seed, partial(make, classes), (learn, y), lab.few(10, 8), rate=6e-3, batch=32)
            space[name]["learned"].append(lab.accuracy(model, home, yt))
            space[name]["new"].append(float(np.mean([lab.accuracy(model, part, yt) for part in away])))
            gru = lab.practise(
                seed,
                partial(MAKERS[f"GRU, {name}"], len(WORDS), 3),
                denials(64, LEARNED, 0.2),
                lab.few(500, 200),
                rate=6e-3,
                loss=loss_of,
            )
            for key, where in (("learned", LEARNED), ("new", NEW)):
                time[name][key].append(last_right(gru, *denials(400, where)(np.random.default_rng(9))))
        conv, rnn = maps(seed)
        distance = np.abs(np.subtract.outer(np.arange(STEPS), np.arange(STEPS)))
        outside.append(float((conv[distance > WINDOW // 2] > 0).mean()))
        after.append(float((rnn[np.triu_indices(STEPS, 1)] > 0).mean()))
        far.append(float((rnn[np.tril_indices(STEPS, -WINDOW)] > 0).mean()))
    gap = {
        name: np.subtract(rows["shared"]["new"], rows["not shared"]["new"])
        for name, rows in (("space", space), ("time", time))
    }
    mean = {
        (kind, name, key): float(np.mean(rows[name][key]))
        for kind, rows in (("space", space), ("time", time))
        for name in rows
        for key in ("learned", "new")
    }
    return Finding(
        done=f"Space: {len(y):,} digits in the middle of a canvas, asked for in its corners. Time: phrases "
        "of C9, learned early in a sentence, asked for late. Dependence: gradients of every output of an "
        f"untrained network with respect to every input of a sequence of {STEPS} steps.",
        checks=[
            Check("digits in the corners: shared less not shared", gap["space"], 0.3),
            Check("phrases late in a sentence: shared less not shared", gap["time"], 0.3),
            Check("inputs outside its window that an output of the CNN depends on", outside, 0.001, "below"),
            Check("inputs long before that an output of the RNN depends on", far, 0.99),
            Check("inputs after it that an output of the RNN depends on", after, 0.001, "below"),
            Check(
                "not shared, digits where it learned them", space["not shared"]["learned"], 0.6, control=True
            ),
            Check(
                "not shared, phrases where it learned them", time["not shared"]["learned"], 0.8, control=True
            ),
        ],
        say=f"Without shared filters digits are named in {mean['space', 'not shared', 'learned']:.0%} where "
        f"they were learned and {mean['space', 'not shared', 'new']:.0%} in the corners (shared "
        f"{mean['space', 'shared', 'new']:.0%}); without shared steps phrases in "
        f"{mean['time', 'not shared', 'learned']:.0%} and {mean['time', 'not shared', 'new']:.0%} (shared "
        f"{mean['time', 'shared', 'new']:.0%}). Otherwise they differ: a window here, all of the past there.",
        pictures=[
            Picture(
                "c18",
                "What they share, and what they do not",
                "Left: at places and times never learned, with shared weights and without. Right: how much "
                "each output (row) depends on each input (column): a window, and all of the past.",
                picture(space, time, *maps(0)),
            )
        ],
    )


def picture(space, time, conv: np.ndarray, rnn: np.ndarray):
    figure, axes = draw.mosaic([["bars", "conv", "rnn"]], 9.4, 3.1, width_ratios=[1.7, 1, 1])
    shown = {
        f"{kind}, {name}": rows[name]["new"]
        for kind, rows in (("space", space), ("time", time))
        for name in ("shared", "not shared")
    }
    colors = {name: draw.SPACE if name.startswith("space") else draw.TIME for name in shown}
    draw.bars(
        axes["bars"], shown, "right where it never learned", [n for n in shown if "not" in n], colors=colors
    )
    for name, values, title, cmap in (
        ("conv", conv, "CNN: a window", "Blues"),
        ("rnn", rnn, "RNN: all of the past", "Oranges"),
    ):
        size = np.log10(np.maximum(values / values.max(), 1e-7))
        axes[name].imshow(np.where(values > 0, size, np.nan), cmap=cmap, vmin=-6.5, vmax=0)
        axes[name].set_title(title, fontsize=10, loc="center")
        axes[name].set(xlabel="input at step", ylabel="output at step")
        draw.frame(axes[name])
    return figure
