"""C2: the same filter over all overlapping fields, against another filter everywhere and against tiles.

Ways to look at a digit that stands a little off the middle, with heads of the same size: two convolutions
(shared, overlapping), the same fields with filters of their own each (not shared), tiles that do not overlap
(divide and conquer), a single first filter, a single layer. On pixels in one fixed shuffled order, where
neighbours mean nothing, sharing should stop paying.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

import loopnest
from loopnest import nn
from loopnest.nn import functional as F
from loopnest.systems.claims import draw
from loopnest.systems.claims.evidence import Check, Finding
from loopnest.systems.claims.lab import Lab
from loopnest.systems.claims.nets import Unshared
from loopnest.systems.frame import Picture


def head(inputs: int, classes: int) -> list[nn.Module]:
    return [nn.Flatten(), nn.Linear(inputs, classes)]


def two_layers(classes: int, filters: int = 8) -> nn.Sequential:
    """Filters 7x7 at every second pixel, filters 3x3 on their maps, shared over all places."""
    parts = [nn.Conv2d(1, filters, 7, stride=2, padding=2), nn.ReLU(), nn.Conv2d(filters, 24, 3, padding=1)]
    return nn.Sequential(*parts, nn.ReLU(), nn.MaxPool2d(4), *head(216, classes))


def unshared(classes: int) -> nn.Sequential:
    """The same fields, each with filters of its own."""
    parts = [Unshared(1, 8, 7, 28, stride=2, padding=2), nn.ReLU(), Unshared(8, 24, 3, 13, padding=1)]
    return nn.Sequential(*parts, nn.ReLU(), nn.MaxPool2d(4), *head(216, classes))


def tiles(classes: int) -> nn.Sequential:
    """Divide and conquer: 16 tiles 7x7 with 8 filters of their own each, 4 tiles of those 2x2 with 54."""
    parts = [Unshared(1, 8, 7, 28, stride=7), nn.ReLU(), Unshared(8, 54, 2, 4, stride=2), nn.ReLU()]
    return nn.Sequential(*parts, *head(216, classes))


def one_layer(classes: int) -> nn.Sequential:
    """The first layer alone, pooled to 6x6 places of 6 numbers."""
    parts = [nn.Conv2d(1, 6, 7, stride=2, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*parts, *head(216, classes))


KINDS: dict[str, Callable[[int], nn.Module]] = {
    "shared, overlapping": two_layers,
    "one layer": one_layer,
    "a single first filter": lambda classes: two_layers(classes, 1),
    "not shared": unshared,
    "tiles": tiles,
}


def off_centre(x: np.ndarray, by: int, seed: int) -> np.ndarray:
    """Every image moved by up to `by` pixels down or up, right or left; what leaves is lost."""
    rng = np.random.default_rng(seed)
    side = x.shape[-1]
    wide = np.pad(x, ((0, 0), (0, 0), (by, by), (by, by)))
    at = rng.integers(0, 2 * by + 1, (len(x), 2))
    return np.stack([wide[k, :, r : r + side, c : c + side] for k, (r, c) in enumerate(at)])


def run(lab: Lab) -> Finding:
    x, y, xt, yt = lab.digits(3000, 1200)
    x, xt = off_centre(x, 4, 1), off_centre(xt, 4, 2)
    order = np.random.default_rng(0).permutation(28 * 28)

    def mixed(images: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(images.reshape(len(images), -1)[:, order].reshape(images.shape))

    classes, epochs = int(y.max()) + 1, lab.few(10, 6)
    right: dict[str, list[float]] = {name: [] for name in KINDS}
    shuffled: dict[str, list[float]] = {name: [] for name in ("shared, overlapping", "not shared")}
    kept = None
    for seed in lab.seeds:
        for name, make in KINDS.items():
            model = lab.learn(seed, partial(make, classes), (x, y), epochs, rate=3e-3)
            right[name].append(lab.accuracy(model, xt, yt))
            if name == "shared, overlapping" and kept is None:
                kept = model
        for name, row in shuffled.items():
            model = lab.learn(seed, partial(KINDS[name], classes), (mixed(x), y), epochs, rate=3e-3)
            row.append(lab.accuracy(model, mixed(xt), yt))
    shared, flat, single, apart, cut = (np.array(right[name]) for name in KINDS)
    mixed_gain = np.array(shuffled["shared, overlapping"]) - np.array(shuffled["not shared"])
    return Finding(
        done=f"{len(y):,} digits, up to four pixels off the middle. Eight filters 7x7 at every second pixel "
        "and 24 filters 3x3 on their maps; the same fields with filters of their own; tiles that do not "
        "overlap, with filters of their own; the first layer alone. The linear head sees 216 numbers each "
        "time.",
        checks=[
            Check("accuracy: shared less not shared", shared - apart, 0.01),
            Check("accuracy: overlapping and shared less tiles", shared - cut, 0.05),
            Check("accuracy: eight first filters less one", shared - single, 0.05),
            Check("accuracy: two layers less one", shared - flat, 0.01),
            Check(
                "what sharing gains, less what it gains on pixels in shuffled order",
                shared - apart - mixed_gain,
                0.01,
                control=True,
            ),
        ],
        say=f"The shared filters name {shared.mean():.1%} of the held-back digits, a filter of its own at "
        f"every place {apart.mean():.1%}, tiles {cut.mean():.1%}; one layer alone {flat.mean():.1%}. On "
        f"pixels in shuffled order sharing changes {mixed_gain.mean():+.1%}.",
        pictures=[
            Picture(
                "c02",
                "One filter, all over the picture, layer after layer",
                "Above: four of the overlapping fields on a held-back digit, the shared filters of the first "
                "layer, and the maps they make of it. Below: maps of the second layer, and the accuracies.",
                picture(kept, xt, yt, right, shuffled),
            )
        ],
    )


def picture(model, x, y, right: dict[str, list[float]], shuffled: dict[str, list[float]]):
    names = [["digit", "filters", "bars"], ["digit", "maps", "bars"], ["digit", "second", "bars"]]
    figure, axes = draw.mosaic(names, 9.4, 3.0, width_ratios=[1.3, 2.4, 1.9], height_ratios=[1, 1, 2.1])
    one = x[int(np.flatnonzero(y == y.max() // 2)[0])][None]
    with loopnest.no_grad():
        first = model[1](model[0](loopnest.tensor(one)))
        second = F.relu(model[2](first)).numpy()[0]
        first = first.numpy()[0]
    draw.image(axes["digit"], one[0, 0])
    for k, (r, c) in enumerate(((5, 7), (5, 11), (9, 7), (13, 13))):
        axes["digit"].add_patch(_square(r, c, draw.SERIES[k]))
    axes["digit"].set_title("fields overlap", loc="left", fontsize=9.5)
    weights = model[0].weight.detach().numpy()[:, 0]
    best = np.argsort(-second.mean((1, 2)))[:16]
    draw.image(axes["filters"], draw.montage(list(weights), 8), signed=True)
    draw.image(axes["maps"], draw.montage(list(first / first.max()), 8), cmap="Blues")
    draw.image(
        axes["second"], draw.montage([second[k] / max(second[k].max(), 1e-6) for k in best], 8), cmap="Blues"
    )
    for name, title in (
        ("filters", "eight filters 7x7"),
        ("maps", "what each sees"),
        ("second", "the second layer"),
    ):
        axes[name].set_title(title, loc="left", fontsize=9.5)
        for spine in axes[name].spines.values():
            spine.set_visible(False)
    shown = right | {f"{name},\npixels shuffled": row for name, row in shuffled.items()}
    draw.bars(axes["bars"], shown, "held-back digits named", list(shown)[3:])
    return figure


def _square(r: int, c: int, color: str):
    from matplotlib.patches import Rectangle

    return Rectangle((c - 0.5, r - 0.5), 7, 7, fill=False, color=color, lw=1.6)
