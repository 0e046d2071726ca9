"""C5: a convolution written as a layer of a multilayer perceptron; raw and prepared images; moving pictures.

First, one convolution is turned into the matrix of a dense layer: mostly zeros, the rest copies of a few
numbers. Then a CNN and an MLP learn digits off the middle, raw or prepared (centred and set upright, as was
usual before CNNs): the CNN should need the preparation less. On pixels in shuffled order its lead should go.
Last, a 3-D CNN names the direction of a motion; on the same frames in shuffled order it should not.
"""

from __future__ import annotations

import numpy as np

import loopnest
from loopnest import metrics, nn
from loopnest.systems import classify, video
from loopnest.systems.claims import draw
from loopnest.systems.claims.c02_sliding import off_centre
from loopnest.systems.claims.evidence import Check, Finding
from loopnest.systems.claims.lab import Lab
from loopnest.systems.frame import Picture


def as_matrix(conv: nn.Conv2d, side: int) -> np.ndarray:
    """The dense layer (outputs, inputs) that a convolution is: its answers to every single pixel."""
    ones = np.eye(side * side, dtype=np.float32).reshape(-1, 1, side, side)
    with loopnest.no_grad():
        answers = conv(loopnest.tensor(ones)) - conv(loopnest.zeros(1, 1, side, side))
    return answers.numpy().reshape(side * side, -1).T


def same_as_dense(seed: int) -> tuple[float, np.ndarray]:
    """The largest difference of both on random images, relative to the largest answer; and the matrix."""
    loopnest.manual_seed(seed)
    conv = nn.Conv2d(1, 2, 3, padding=1)
    matrix = as_matrix(conv, 8)
    x = np.random.default_rng(seed).random((20, 1, 8, 8), np.float32)
    with loopnest.no_grad():
        slid = conv(loopnest.tensor(x)).numpy().reshape(20, -1)
    dense = x.reshape(20, -1) @ matrix.T + np.repeat(conv.state_dict()["bias"].numpy(), 64)
    return float(np.abs(slid - dense).max() / np.abs(slid).max()), matrix


def prepared(x: np.ndarray) -> np.ndarray:
    """Images moved so that their ink's centre is in the middle, and sheared until it stands upright."""
    side = x.shape[-1]
    rows, columns = np.mgrid[:side, :side].astype(np.float64)
    ndimage = loopnest.extras.require("scipy.ndimage", "data")
    out = np.zeros_like(x)
    for k, one in enumerate(x[:, 0]):
        weight = one / max(one.sum(), 1e-6)
        r, c = (weight * rows).sum(), (weight * columns).sum()
        slant = (weight * (rows - r) * (columns - c)).sum() / max((weight * (rows - r) ** 2).sum(), 1e-6)
        shear = np.array([[1, 0], [slant, 1]])
        middle = np.array([(side - 1) / 2] * 2)
        out[k, 0] = ndimage.affine_transform(one, shear, np.array([r, c]) - shear @ middle, order=1)
    return out


def run(lab: Lab) -> Finding:
    x, y, xt, yt = lab.digits(4000, 1500)
    raw, raw_test = off_centre(x, 4, 1), off_centre(xt, 4, 2)
    clean, clean_test = prepared(raw), prepared(raw_test)
    order = np.random.default_rng(0).permutation(784)

    def mixed(images: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(images.reshape(len(images), -1)[:, order].reshape(images.shape))

    classes, epochs = int(y.max()) + 1, lab.few(10, 6)
    makers = {"CNN": lambda: classify.lenet5(classes), "MLP": lambda: classify.mlp(classes)}
    sets = {
        "raw": (raw, raw_test),
        "prepared": (clean, clean_test),
        "shuffled pixels": (mixed(raw), mixed(raw_test)),
    }
    right: dict[str, list[float]] = {f"{name}, {kind}": [] for kind in sets for name in makers}
    for seed in lab.seeds:
        for kind, (learn, test) in sets.items():
            for name, make in makers.items():
                model = lab.learn(seed, make, (learn, y), epochs, rate=2e-3, batch=32)
                right[f"{name}, {kind}"].append(lab.accuracy(model, test, yt))
    moved = [directions(lab, x, xt, seed) for seed in lab.seeds]
    errors = [same_as_dense(seed)[0] for seed in lab.seeds]
    get = {name: np.array(row) for name, row in right.items()}
    needs = {name: get[f"{name}, prepared"] - get[f"{name}, raw"] for name in makers}
    lead = get["CNN, raw"] - get["MLP, raw"]
    return Finding(
        done=f"{len(y):,} digits up to four pixels off the middle; prepared: centred and set upright. "
        "LeNet-5 against an MLP of 101,770 weights. Motion: clips of a digit in one of eight directions.",
        checks=[
            Check(
                "a convolution and its dense matrix: largest difference, relative",
                errors,
                1e-5,
                "below",
                form=".1e",
            ),
            Check("raw images: CNN less MLP", lead, 0.05),
            Check("what preparing gains: MLP less CNN", needs["MLP"] - needs["CNN"], 0.05),
            Check("direction of motion named", [right for right, _ in moved], 0.6),
            Check(
                "the CNN's lead on raw images, less its lead on shuffled pixels",
                lead - (get["CNN, shuffled pixels"] - get["MLP, shuffled pixels"]),
                0.05,
                control=True,
            ),
            Check(
                "direction named when the frames are shuffled",
                [wrong for _, wrong in moved],
                0.35,
                "below",
                control=True,
            ),
        ],
        say=f"On raw images the CNN names {get['CNN, raw'].mean():.0%}, the MLP "
        f"{get['MLP, raw'].mean():.0%}; "
        f"preparing them by hand gains {needs['CNN'].mean():+.0%} and {needs['MLP'].mean():+.0%}. A 3-D "
        f"CNN names {np.mean([a for a, _ in moved]):.0%} of eight directions of motion (chance 12 %), "
        f"{np.mean([b for _, b in moved]):.0%} when the frames are shuffled.",
        pictures=[
            Picture(
                "c05",
                "A convolution is a dense layer with most weights missing",
                "Left: the matrix of the dense layer that equals two 3x3 filters on 8x8 pixels: 128x64 "
                "weights, 18 of them different. Middle: a digit raw and prepared. Right: who needs the "
                "preparation.",
                picture(raw_test, clean_test, right),
            )
        ],
    )


def directions(lab: Lab, x: np.ndarray, xt: np.ndarray, seed: int) -> tuple[float, float]:
    """How often a 3-D CNN names the direction of held-back clips, and of the same with shuffled frames."""
    size = {"size": 28, "length": 6}
    clips, ways = video.moving(x[:, 0], lab.few(1500, 600), np.random.default_rng([seed, 1]), **size)
    test, true = video.moving(xt[:, 0], 200, np.random.default_rng([seed, 2]), **size)
    model = lab.learn(seed, video.direction_net, (clips, ways), lab.few(5, 4), rate=4e-3, batch=16)
    rng = np.random.default_rng(0)
    mixed = np.stack([clip[:, rng.permutation(clip.shape[1])] for clip in test])
    return tuple(metrics.accuracy(classify.scores(model, part), true) for part in (test, mixed))  # type: ignore


def picture(raw: np.ndarray, clean: np.ndarray, right: dict[str, list[float]]):
    figure, axes = draw.mosaic(
        [["matrix", "raw", "bars"], ["matrix", "clean", "bars"]], 9.4, 3.3, width_ratios=[1.2, 0.8, 2]
    )
    draw.image(axes["matrix"], same_as_dense(0)[1], "", signed=True, aspect="auto", interpolation="nearest")
    axes["matrix"].set_title("a convolution, as a matrix", fontsize=9.5, loc="left")
    draw.image(axes["raw"], np.hstack(list(raw[:2, 0])), "raw")
    draw.image(axes["clean"], np.hstack(list(clean[:2, 0])), "prepared")
    colors = {name: draw.SPACE if name.startswith("CNN") else draw.SERIES[3] for name in right}
    draw.bars(
        axes["bars"], right, "held-back digits named", [n for n in right if "shuffled" in n], colors=colors
    )
    return figure
