"""C4: one network without dense layers and one with, on images of sizes that neither was trained on.

The first is trained on single digits and ends in the mean of its score map. On a wider image the map is
wider, and says at each place which digit stands there: it reads a whole strip. The second refuses every other
size. An untrained network of the first kind takes any size as well, but reads nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import loopnest
from loopnest import nn
from loopnest.nn import functional as F
from loopnest.systems import classify
from loopnest.systems.claims import draw
from loopnest.systems.claims.evidence import Check, Finding
from loopnest.systems.claims.lab import Lab
from loopnest.systems.frame import Picture

SIZES = ((28, 28), (32, 32), (28, 56), (40, 40), (64, 48), (28, 200), (96, 96), (33, 71))
MANY = (6, 3, 12)  # digits on a strip


class Scores(nn.Module):
    """(n, 1, h, w) of any size -> a map of scores (n, classes, h/4 - 5, w/4 - 5): convolutions all the
    way."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 12, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(12, 24, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(24, 64, 6),
            nn.ReLU(),
            nn.Conv2d(64, classes, 1),
        )

    def forward(self, x):
        return self.body(x)


class Whole(nn.Module):
    """(n, 1, h, w) -> (n, classes): the mean of the score map."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.scores = Scores(classes)

    def forward(self, x):
        return F.adaptive_avg_pool2d(self.scores(x), 1).flatten(1)


def takes(model: nn.Module, height: int, width: int) -> bool:
    """Whether the model takes an image of that size; the engine refuses it by ValueError if not."""
    try:
        with loopnest.no_grad():
            model(loopnest.zeros(1, 1, height, width))
    except ValueError:
        return False
    return True


def strips(x: np.ndarray, y: np.ndarray, count: int, many: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` strips of `many` digits side by side, and their digits (count, many)."""
    picked = np.random.default_rng(many).integers(0, len(y), (count, many))
    return np.concatenate([x[picked[:, k]] for k in range(many)], 3), y[picked]


def share(told: list[bool]) -> float:
    return float(np.mean(told))


def read(model: Whole, images: np.ndarray) -> np.ndarray:
    """The likeliest digit at the middle of each digit of a strip: the map has a place every 4 pixels, so the
    next digit is 7 places on."""
    with loopnest.no_grad():
        scores = model.scores(loopnest.tensor(images)).numpy()
    return np.stack([scores[..., k : k + 2].mean((2, 3)).argmax(1) for k in range(0, scores.shape[3], 7)], 1)


def run(lab: Lab) -> Finding:
    x, y, xt, yt = lab.digits(6000, 2000)
    classes = int(y.max()) + 1
    long = [strips(xt, yt, 120 // many, many) for many in MANY]

    def share_read(model: Whole) -> float:
        return float(np.mean([(read(model, images) == digits).mean() for images, digits in long]))

    figures: dict[str, list[float]] = {
        name: [] for name in ("any", "same", "strip", "untrained", "dense", "own")
    }
    kept: Any = None
    for seed in lab.seeds:
        model = lab.learn(seed, lambda: Whole(classes), (x, y), lab.few(8, 6))
        kept = kept or model
        dense = lab.learn(seed, lambda: classify.lenet5(classes), (x, y), lab.few(8, 6))
        loopnest.manual_seed(seed)
        raw = Whole(classes).eval()
        figures["any"].append(share([takes(model, *size) for size in SIZES]))
        figures["dense"].append(share([takes(dense, *size) for size in SIZES[1:]]))
        figures["own"].append(lab.accuracy(dense, xt, yt))
        figures["same"].append(lab.accuracy(model, xt, yt))
        figures["strip"].append(share_read(model))
        figures["untrained"].append(share_read(raw))
    mean = {name: float(np.mean(row)) for name, row in figures.items()}
    return Finding(
        done=f"{len(y):,} single digits of 28x28 to learn from. {len(SIZES)} sizes from 28x28 to 96x96 and "
        "28x200. Strips of 3, 6 and 12 held-back digits were never learned: the network without dense "
        "layers says at each place of the strip what stands there.",
        checks=[
            Check("sizes taken without dense layers", figures["any"], 0.999, form=".0%"),
            Check("digits read off strips of three, six and twelve", figures["strip"], 0.75),
            Check(
                "other sizes taken with dense layers",
                figures["dense"],
                0.001,
                "below",
                control=True,
                form=".0%",
            ),
            Check(
                "digits read off strips by the untrained network",
                figures["untrained"],
                0.3,
                "below",
                control=True,
            ),
        ],
        say=f"Without dense layers the network takes every size, and though it only ever saw single digits "
        f"({mean['same']:.0%} right), it reads {mean['strip']:.0%} of the digits off strips. LeNet-5 with "
        f"its dense layers ({mean['own']:.0%} on its own size) takes {mean['dense']:.0%} of the other sizes.",
        pictures=[
            Picture(
                "c04",
                "Trained on single digits, reading a strip",
                "A strip of held-back digits; below it the chance of every digit at every place of the "
                "score map, which is as wide as the image asks for. Right: which sizes each network takes.",
                picture(kept, *long[0], figures),
            )
        ],
    )


def picture(model: Whole, images: np.ndarray, digits: np.ndarray, figures: dict[str, list[float]]):
    figure, axes = draw.mosaic(
        [["strip", "bars"], ["map", "bars"]], 9.4, 3.3, width_ratios=[2.1, 1], height_ratios=[1, 1.7]
    )
    with loopnest.no_grad():
        scores = model.scores(loopnest.tensor(images[:1])).numpy()[0]
    middle = scores.mean(1)
    chance = np.exp(middle - middle.max(0))
    chance /= chance.sum(0)
    width = images.shape[3]
    draw.image(axes["strip"], images[0, 0], aspect="auto")
    axes["strip"].set_title(f"28x{width} pixels; trained on 28x28", loc="left", fontsize=9.5)
    ax = axes["map"]
    ax.imshow(
        chance, cmap="Blues", aspect="auto", vmin=0, vmax=1, extent=(12, width - 12, len(chance) - 0.5, -0.5)
    )
    ax.set(xlim=(0, width), yticks=range(len(chance)), xticks=[], ylabel="digit")
    ax.tick_params(axis="y", labelsize=8)
    for k, digit in enumerate(digits[0]):
        ax.text(
            14 + 28 * k,
            digit,
            str(digit),
            ha="center",
            va="center",
            fontsize=9,
            color=draw.TIME,
            weight="bold",
        )
    shown = {
        "single digit": figures["same"],
        "strips": figures["strip"],
        "strips, untrained": figures["untrained"],
        "sizes it takes": figures["any"],
        "sizes, dense head": figures["dense"],
    }
    draw.bars(axes["bars"], shown, "", ["strips, untrained", "sizes, dense head"])
    return figure
