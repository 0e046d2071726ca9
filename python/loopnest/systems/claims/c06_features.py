"""C6: what a CNN makes of images, handed to three classifiers that have nothing to do with networks.

LeNet-5 without its dense layers gives 400 numbers an image. scikit-learn's classifiers get these or the raw
pixels, with a hundred labels of images that the CNN never saw; then digits that the CNN never saw either (it
learned 0 to 4, they are asked for 5 to 9). The features of an untrained CNN are the control.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import loopnest
from loopnest import nn
from loopnest.extras import require
from loopnest.systems import classify, features
from loopnest.systems.claims import draw
from loopnest.systems.claims.evidence import Check, Finding
from loopnest.systems.claims.lab import Lab
from loopnest.systems.frame import Picture

LABELS = (20, 50, 100)


def body(model: nn.Module) -> Callable[[np.ndarray], np.ndarray]:
    """Images to the 400 numbers behind the last convolution."""
    net = nn.Sequential(*list(model)[:7]).eval()
    return lambda x: classify.scores(net, x)


def pixels(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)


def mean_score(make, see, pool, test, count: int, seed: int) -> float:
    """Accuracy on `test` of a classifier that saw `count` labels of `pool`, the mean of two draws."""
    x, y = see(pool[0]), pool[1]
    held = see(test[0])
    scores = [make().fit(x[some], y[some]).score(held, test[1]) for some in features.draws(y, count, 2, seed)]
    return float(np.mean(scores))


def run(lab: Lab) -> Finding:
    x, y, xt, yt = lab.digits(6000, 2000, 600)
    few = min(500, len(y) // 4)
    pool, test = (x[:few], y[:few]), (xt, yt)
    x, y = x[few:], y[few:]
    classes = int(y.max()) + 1
    low, high = y < classes // 2, pool[1] >= classes // 2
    others = (pool[0][high], pool[1][high]), (xt[yt >= classes // 2], yt[yt >= classes // 2])
    makers = features.classifiers()
    first = next(iter(makers))
    right: dict[str, dict[str, list[float]]] = {
        kind: {name: [] for name in makers} for kind in ("features", "pixels", "untrained")
    }
    curve: dict[str, dict[float, list[float]]] = {
        name: {n: [] for n in LABELS} for name in ("CNN's features", "raw pixels", "untrained CNN's features")
    }
    new: dict[str, list[float]] = {"features": [], "pixels": []}
    kept = None
    for seed in lab.seeds:
        model = lab.learn(seed, lambda: classify.lenet5(classes), (x, y), lab.few(8, 5))
        half = lab.learn(seed, lambda: classify.lenet5(classes), (x[low], y[low]), lab.few(8, 5))
        loopnest.manual_seed(seed)
        views = {"features": body(model), "pixels": pixels, "untrained": body(classify.lenet5(classes))}
        kept = kept or views["features"]
        for (kind, see), line in zip(views.items(), curve.values(), strict=True):
            for name, make in makers.items():
                right[kind][name].append(mean_score(make, see, pool, test, LABELS[-1], seed))
            for count in LABELS[:-1]:
                line[count].append(mean_score(makers[first], see, pool, test, count, seed))
            line[LABELS[-1]].append(right[kind][first][-1])
        for kind, see in (("features", body(half)), ("pixels", pixels)):
            new[kind].append(mean_score(makers[first], see, *others, LABELS[-1], seed))
    gain = {name: np.subtract(right["features"][name], right["pixels"][name]) for name in makers}
    least = min(gain, key=lambda name: gain[name].mean())
    trained = np.mean(list(right["features"].values()), 0) - np.mean(list(right["untrained"].values()), 0)
    means = {kind: np.mean([np.mean(row) for row in rows.values()]) for kind, rows in right.items()}
    return Finding(
        done=f"LeNet-5 learned {len(y):,} digits; the 400 numbers behind its last convolution, or the "
        f"pixels, went to {', '.join(makers)} with {LABELS[-1]} labels of other images. For new digits it "
        "learned only the lower half of the digits, and logistic regression was asked for the upper half.",
        checks=[
            Check(f"features less pixels: the smallest gain ({least})", gain[least], 0.02),
            Check(
                "digits it never saw: features less pixels",
                np.subtract(new["features"], new["pixels"]),
                0.0,
            ),
            Check("features: trained less untrained", trained, 0.02, control=True),
        ],
        say=f"With {LABELS[-1]} labels the three classifiers name {means['features']:.1%} on the CNN's "
        f"features, {means['pixels']:.1%} on pixels, {means['untrained']:.1%} on the features of an "
        f"untrained CNN; of digits that the CNN never saw, {np.mean(new['features']):.1%} against "
        f"{np.mean(new['pixels']):.1%} on pixels.",
        pictures=[
            Picture(
                "c06",
                "The same images, as pixels and as features",
                "Held-back digits laid out so that neighbours stay neighbours (t-SNE): as pixels, and as "
                "the CNN's features. Right: logistic regression on few labels.",
                picture(kept, xt, yt, curve),
            )
        ],
    )


def picture(see, x: np.ndarray, y: np.ndarray, curve):
    from matplotlib import colormaps

    figure, axes = draw.mosaic([["pixels", "features", "curve"]], 9.4, 3.1, width_ratios=[1, 1, 1])
    colors = [colormaps["tab10"](k) for k in range(10)]
    manifold = require("sklearn.manifold", "data")
    x, y = x[:300], y[:300]
    for name, values in (("pixels", pixels(x)), ("features", see(x))):
        at = manifold.TSNE(perplexity=20, init="pca", random_state=0).fit_transform(values)
        for digit in np.unique(y):
            mine = at[y == digit]
            for r, c in mine:
                axes[name].text(
                    r,
                    c,
                    str(digit),
                    ha="center",
                    va="center",
                    fontsize=8,
                    weight="bold",
                    color=colors[digit % 10],
                )
        low, high = at.min(0), at.max(0)
        axes[name].set(xlim=(low[0] - 2, high[0] + 2), ylim=(low[1] - 2, high[1] + 2))
        axes[name].set_title("raw pixels" if name == "pixels" else "the CNN's features")
        draw.frame(axes[name])
    draw.lines(
        axes["curve"], curve, "held-back digits named", "labels", ["untrained CNN's features"], label=False
    )
    axes["curve"].set_xticks(LABELS)
    for line, name in zip(axes["curve"].get_lines(), curve, strict=True):
        line.set_label(name)
    axes["curve"].legend(frameon=False, fontsize=8.5, loc="lower right")
    return figure
