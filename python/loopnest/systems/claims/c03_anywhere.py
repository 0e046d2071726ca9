"""C3: digits learned at one spot of a larger canvas, and looked for at all others.

A CNN that ends in the maximum of each map should name them anywhere. An MLP and a CNN with a dense head,
which see the same images, should not: for them a place is part of the pattern.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from loopnest import nn
from loopnest.systems.claims import draw
from loopnest.systems.claims.evidence import Check, Finding
from loopnest.systems.claims.lab import Lab
from loopnest.systems.frame import Picture

CANVAS, DIGIT = 28, 14  # a digit at half size on a canvas
SPOT = 7  # the spot where they are learned: row and column of the digit's corner
SPOTS = tuple(range(0, CANVAS - DIGIT + 1, 7))  # rows and columns where they are looked for


def eye() -> list[nn.Module]:
    """(n, 1, 28, 28) -> (n, 32, 14, 14). A single pool: every pool of stride 2 loses a little of where."""
    return [
        nn.Conv2d(1, 8, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 5, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
    ]


KINDS: dict[str, Callable[[int], nn.Module]] = {
    "CNN, maximum of each map": lambda classes: nn.Sequential(
        *eye(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, classes)
    ),
    "CNN, dense head": lambda classes: nn.Sequential(
        *eye(), nn.Flatten(), nn.Linear(32 * (CANVAS // 2) ** 2, classes)
    ),
    "MLP": lambda classes: nn.Sequential(
        nn.Flatten(), nn.Linear(CANVAS**2, 128), nn.ReLU(), nn.Linear(128, classes)
    ),
}


def small(x: np.ndarray) -> np.ndarray:
    """Half size: means of 2x2 pixels."""
    return x.reshape(len(x), 1, DIGIT, 2, DIGIT, 2).mean((3, 5))


def placed(x: np.ndarray, r: int, c: int) -> np.ndarray:
    """Digits (n, 1, 14, 14) with their corner at (r, c) of the canvas."""
    out = np.zeros((len(x), 1, CANVAS, CANVAS), np.float32)
    out[:, :, r : r + DIGIT, c : c + DIGIT] = x
    return out


def run(lab: Lab) -> Finding:
    x, y, xt, yt = lab.digits(6000, 2000, 240)
    x, xt = small(x), small(xt)
    learn = placed(x, SPOT, SPOT)
    classes = int(y.max()) + 1
    found: dict[str, list[np.ndarray]] = {name: [] for name in KINDS}  # accuracy by spot
    for seed in lab.seeds:
        for name, make in KINDS.items():
            model = lab.learn(seed, partial(make, classes), (learn, y), lab.few(8, 6), rate=3e-3, batch=32)
            found[name].append(
                np.array([[lab.accuracy(model, placed(xt, r, c), yt) for c in SPOTS] for r in SPOTS])
            )
    home = {name: np.array([m[1, 1] for m in maps]) for name, maps in found.items()}
    away = {
        name: np.array([(m.sum() - m[1, 1]) / (m.size - 1) for m in maps]) for name, maps in found.items()
    }
    first, dense, plain = KINDS
    return Finding(
        done=f"{len(y):,} digits at half size in the middle of a canvas {CANVAS}x{CANVAS} to learn from; "
        f"held-back ones at {len(SPOTS) ** 2} spots, seven pixels apart.",
        checks=[
            Check(
                "CNN: accuracy at spots never seen, less at the learned one", away[first] - home[first], -0.05
            ),
            Check("CNN: accuracy at spots never seen", away[first], 0.75),
            Check(
                "MLP: what it loses away from the learned spot", home[plain] - away[plain], 0.3, control=True
            ),
            Check(
                "CNN with a dense head: what it loses away from the learned spot",
                home[dense] - away[dense],
                0.3,
                control=True,
            ),
        ],
        say=f"At spots where it never saw a digit the CNN names {away[first].mean():.0%} "
        f"({home[first].mean():.0%} where it learned), with a dense head {away[dense].mean():.0%} "
        f"({home[dense].mean():.0%}), the MLP {away[plain].mean():.0%} ({home[plain].mean():.0%}).",
        pictures=[
            Picture(
                "c03",
                "Learned in the middle, looked for everywhere",
                "Left: a digit where it was learned. Right: the share named by where the digit stands.",
                picture(learn[0, 0], found),
            )
        ],
    )


def picture(example: np.ndarray, found: dict[str, list[np.ndarray]]):
    figure, axes = draw.mosaic([["canvas", *found]], 9.4, 2.7)
    draw.image(axes["canvas"], example, "learned here only")
    for name, maps in found.items():
        ax, mean = axes[name], np.mean(maps, 0)
        ax.imshow(mean, cmap="Blues", vmin=0, vmax=1.15)
        for r, row in enumerate(mean):
            for c, value in enumerate(row):
                ax.text(
                    c,
                    r,
                    f"{value:.0%}",
                    ha="center",
                    va="center",
                    fontsize=10,
                    color="white" if value > 0.6 else draw.INK,
                    weight="bold" if r == c == 1 else "normal",
                )
        ax.set_title(name, fontsize=9.5, loc="center")
        draw.frame(ax)
    return figure
