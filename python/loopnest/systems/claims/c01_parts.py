"""C1: what one place of each layer knows, and which patches of the images excite it most.

A network of three convolutions names digits. Then least squares reads, from the channels at a single place of
a layer, which way the line under it runs, and which digit the image shows. The first should fall and the
second rise from layer to layer; in the same network untrained, places of the last layer should not know the
digit.
"""

from __future__ import annotations

import numpy as np

import loopnest
from loopnest import nn
from loopnest.extras import require
from loopnest.nn import functional as F
from loopnest.systems.claims import draw
from loopnest.systems.claims.evidence import Check, Finding
from loopnest.systems.claims.lab import Lab
from loopnest.systems.frame import Picture

FIELDS = (5, 14, 32)  # pixels that one place of layer 1, 2, 3 sees
WAYS = 4  # directions of a line that are told apart


class Eye(nn.Module):
    """(n, 1, 28, 28) -> (n, classes); three convolutions, pools between them, the mean of each map."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        pairs = ((1, 8), (8, 16), (16, 32))
        self.layers = nn.ModuleList([nn.Conv2d(a, b, 5, padding=2) for a, b in pairs])
        self.out = nn.Linear(32, classes)

    def maps(self, x):
        """The maps of every layer."""
        found = []
        for k, layer in enumerate(self.layers):
            x = F.relu(layer(F.max_pool2d(x, 2) if k else x))
            found.append(x)
        return found

    def forward(self, x):
        return self.out(F.adaptive_avg_pool2d(self.maps(x)[-1], 1).flatten(1))


def lines(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The direction of the ink at every pixel, 0 to WAYS - 1, and how clear it is (structure tensor 5x5)."""
    ndimage = require("scipy.ndimage", "data")
    down, right = np.gradient(images, axis=(1, 2))
    rr, cc, rc = (
        ndimage.uniform_filter(part, (0, 5, 5)) for part in (down * down, right * right, down * right)
    )
    angle = np.arctan2(2 * rc, cc - rr) / 2 % np.pi
    return np.floor((angle / np.pi * WAYS + 0.5) % WAYS).astype(int), np.hypot(2 * rc, cc - rr)


def places(images: np.ndarray, each: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The clearest lines of each image: image number, row, column, direction."""
    way, clear = lines(images)
    rng = np.random.default_rng(0)
    clear = clear * rng.uniform(0.5, 1, clear.shape)
    clear[:, :6] = clear[:, -6:] = 0
    clear[:, :, :6] = clear[:, :, -6:] = 0
    best = np.argsort(-clear.reshape(len(images), -1), axis=1)[:, :each].ravel()
    number = np.repeat(np.arange(len(images)), each)
    r, c = best // images.shape[2], best % images.shape[2]
    return number, r, c, way[number, r, c]


def knows(features: np.ndarray, answer: np.ndarray, half: int) -> float:
    """How often least squares on the first `half` rows names the answer of the others."""
    mean, deviation = features[:half].mean(0), features[:half].std(0) + 1e-6
    scaled = np.hstack([(features - mean) / deviation, np.ones((len(features), 1))])
    targets = np.eye(int(answer.max()) + 1)[answer[:half]]
    gram = scaled[:half].T @ scaled[:half] + np.eye(scaled.shape[1])
    weights = np.linalg.solve(gram, scaled[:half].T @ targets)
    return float(((scaled[half:] @ weights).argmax(1) == answer[half:]).mean())


def known(model: Eye, x: np.ndarray, y: np.ndarray) -> tuple[list[float], list[float]]:
    """Per layer: how often one place tells the direction of its line, and the digit."""
    number, r, c, way = places(x[:, 0])
    half = len(number) // 2
    with loopnest.no_grad():
        maps = [m.numpy() for m in model.maps(loopnest.tensor(x))]
    seen = [m[number, :, r >> k, c >> k] for k, m in enumerate(maps)]
    return [knows(s, way, half) for s in seen], [knows(s, y[number], half) for s in seen]


def run(lab: Lab) -> Finding:
    x, y, xt, yt = lab.digits()
    figures: dict[str, list[list[float]]] = {"line": [], "digit": [], "digit untrained": []}
    kept: Eye | None = None
    for seed in lab.seeds:
        model = lab.learn(seed, Eye, (x, y), lab.few(8, 6), rate=4e-3, batch=32)
        kept = kept or model
        told = known(model, xt, yt)
        loopnest.manual_seed(seed)
        untrained = Eye()
        for name, row in zip(figures, (*told, known(untrained, xt, yt)[1]), strict=True):
            figures[name].append(row)
    line, digit, raw = (np.array(rows) for rows in figures.values())
    assert kept is not None
    return Finding(
        done=f"A network of three convolutions learned {len(y):,} digits. From the channels at one place of "
        f"each layer, a linear readout (least squares) tells the direction of the line there ({WAYS} "
        "directions) and the digit, on held-back images. One place of the layers sees 5, 14 and 32 pixels.",
        checks=[
            Check("the digit, read from one place: last layer less first", digit[:, 2] - digit[:, 0], 0.2),
            Check("the digit: second layer less first", digit[:, 1] - digit[:, 0], 0.05),
            Check("the line's direction: first layer less last", line[:, 0] - line[:, 2], 0.05),
            Check(
                "the digit from one place of the last layer: trained less untrained",
                digit[:, 2] - raw[:, 2],
                0.1,
                control=True,
            ),
        ],
        say=f"One place of the first layer tells which way the line under it runs ({line[:, 0].mean():.0%}) "
        f"but hardly the digit ({digit[:, 0].mean():.0%}); of the second, the digit in "
        f"{digit[:, 1].mean():.0%}; of the last in {digit[:, 2].mean():.0%}, and the line only in "
        f"{line[:, 2].mean():.0%}.",
        pictures=[
            Picture(
                "c01",
                "Lines, parts, wholes",
                "Left: for eight channels of each layer, the four held-back patches that excite it most, "
                "as large as what one place sees. Right: what one place knows.",
                picture(kept, xt, line, digit, raw),
            )
        ],
    )


def patches(model: Eye, x: np.ndarray, layer: int, channels: int = 8) -> list[np.ndarray]:
    """For the liveliest channels the four patches that excite each most, of different images."""
    with loopnest.no_grad():
        maps = model.maps(loopnest.tensor(x))[layer].numpy()
    flat = maps.reshape(*maps.shape[:2], -1)
    field, step = FIELDS[layer], 2**layer
    wide = np.pad(x[:, 0], ((0, 0), (field, field), (field, field)))
    found = []
    for channel in np.argsort(-flat.max(2).mean(0))[:channels]:
        tops = []
        for number in np.argsort(-flat[:, channel].max(1))[:4]:
            place = int(flat[number, channel].argmax())
            centre = [step * at + step // 2 + field for at in divmod(place, maps.shape[3])]
            r, c = (at - field // 2 for at in centre)
            tops.append(wide[number, r : r + field, c : c + field])
        found.append(draw.montage(tops, 2, gap=max(1, field // 12)))
    return found


def picture(model: Eye, x: np.ndarray, line: np.ndarray, digit: np.ndarray, raw: np.ndarray):
    names = [[f"{layer},{k}" for k in range(8)] + ["plot"] for layer in range(3)]
    figure, axes = draw.mosaic(names, 9.4, 3.4, width_ratios=[1] * 8 + [3.4])
    for layer, title in enumerate(("layer 1: 5x5 pixels", "layer 2: 14x14", "layer 3: 32x32")):
        for k, patch in enumerate(patches(model, x, layer)):
            draw.image(axes[f"{layer},{k}"], patch)
        axes[f"{layer},0"].set_title(title, loc="left", fontsize=9)
    rows = {"the digit": digit, "the line": line, "the digit, untrained": raw}
    draw.lines(
        axes["plot"],
        {name: {k + 1: list(values[:, k]) for k in range(3)} for name, values in rows.items()},
        "what one place tells",
        "layer",
        controls=["the digit, untrained"],
    )
    axes["plot"].set_xticks([1, 2, 3])
    return figure
