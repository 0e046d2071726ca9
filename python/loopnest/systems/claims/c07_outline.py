"""C7: a fully convolutional network marks cell nuclei and their outlines.

Against it: Otsu's threshold, which learns nothing; a network that sees one pixel at a time (no space); and
the same network trained on the masks of other images, which cannot learn where objects are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from loopnest import nn
from loopnest.systems import outline
from loopnest.systems.claims import draw
from loopnest.systems.claims.evidence import Check, Finding
from loopnest.systems.claims.lab import Lab
from loopnest.systems.frame import Picture

KINDS = ("network", "one pixel at a time", "masks of other images")


def one_pixel() -> nn.Sequential:
    """(n, 1, h, w) -> (n, 3, h, w), each pixel by itself."""
    return nn.Sequential(nn.Conv2d(1, 24, 1), nn.ReLU(), nn.Conv2d(24, 24, 1), nn.ReLU(), nn.Conv2d(24, 3, 1))


def run(lab: Lab) -> Finding:
    train, test, _ = (outline.prepared(part) for part in lab.nuclei())
    swapped = [
        (train[k][0], *train[k - 1][1:])
        for k in range(len(train))
        if train[k][0].shape == train[k - 1][0].shape
    ]
    width, size, steps = lab.few(12, 8), lab.few(8, 6), lab.few(300, 280)
    makers: dict[str, tuple[Callable[[], nn.Module], list[outline.Item], int]] = {
        KINDS[0]: (lambda: outline.UNet(width), train, steps),
        KINDS[1]: (one_pixel, train, steps),
        KINDS[2]: (lambda: outline.UNet(width), swapped, steps // 2),
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in makers}
    models: dict[str, nn.Module] = {}
    for seed in lab.seeds:
        for name, (make, items, count) in makers.items():
            crops = outline.Crops(items, zoom=False, size=size)
            model = lab.practise(
                seed, make, crops, count, rate=4e-3, loss=outline.loss_of, clip=None, falling=True
            )
            found[name].append(outline.measure(partial(outline.predict, model), test))
            models.setdefault(name, model)
    found["Otsu's threshold"] = [outline.measure(outline.threshold, test)]
    get = {
        name: {key: np.array([row[key] for row in rows]) for key in rows[0]} for name, rows in found.items()
    }
    net, dot, wrong, otsu = get.values()
    return Finding(
        done=f"{len(train)} microscope images to learn from, in crops of {outline.CROP}x{outline.CROP}, "
        f"{len(test)} held back. A pixel is background, inside or outline. IoU: the shared part of the "
        "marked and the true area; outline F1: an outline pixel counts as right within two pixels.",
        checks=[
            Check("nuclei: IoU", net["iou"], 0.6, form=".2f"),
            Check("nuclei found whole: F1", net["objects"], 0.5, form=".2f"),
            Check("outline: F1", net["outline"], 0.6, form=".2f"),
            Check(
                "outline: F1, network less one pixel at a time",
                net["outline"] - dot["outline"],
                0.1,
                form=".2f",
            ),
            Check("nuclei: IoU, network less Otsu's threshold", net["iou"] - otsu["iou"], 0.0, form=".2f"),
            Check(
                "nuclei: IoU when trained on masks of other images", wrong["iou"], 0.4, "below", True, ".2f"
            ),
        ],
        say=f"The network marks the nuclei with IoU {net['iou'].mean():.2f} (Otsu {otsu['iou'].mean():.2f}) "
        f"and their outlines with F1 {net['outline'].mean():.2f}; one pixel at a time "
        f"{dot['outline'].mean():.2f}. Trained on the masks of other images it comes to IoU "
        f"{wrong['iou'].mean():.2f}.",
        pictures=[
            Picture(
                "c07",
                "Nuclei and their outlines",
                "Held-back images (part): what the microscope saw, the truth, what the network marks, and "
                "what is left when it sees one pixel at a time. Inside light, outline dark.",
                picture(models, test, get),
            )
        ],
    )


def picture(models: dict[str, nn.Module], test: list, get: dict[str, dict[str, np.ndarray]]):
    names = [[f"{row}{k}" for k in range(4)] + ["bars"] for row in "ab"]
    figure, axes = draw.mosaic(names, 9.4, 3.5, width_ratios=[1, 1, 1, 1, 1.7])
    test = sorted(test * 2, key=lambda item: -(item[1] == 2).mean())[:4:2]
    for row, (image, true, _) in zip("ab", test, strict=True):
        part = busiest(true)
        views = [
            image,
            true,
            outline.predict(models[KINDS[0]], image),
            outline.predict(models[KINDS[1]], image),
        ]
        for k, (view, title) in enumerate(
            zip(views, ("image", "truth", "network", "one pixel at a time"), strict=True)
        ):
            ax = axes[f"{row}{k}"]
            if k == 0:
                ax.imshow(view[part].clip(0, 1) ** 0.6, cmap="gray")
            else:
                ax.imshow(view[part], cmap="Blues", vmin=0, vmax=2)
            draw.frame(ax)
            if row == "a":
                ax.set_title(title, fontsize=9, loc="center")
    short = ("network", "one pixel\nat a time", "masks of\nother images", "Otsu's\nthreshold")
    shown = {name: rows["outline"] for name, rows in zip(short, get.values(), strict=True)}
    draw.bars(
        axes["bars"],
        shown,
        "outline: F1",
        list(shown)[1:],
        ".2f",
    )
    return figure


def busiest(kind: np.ndarray, side: int = 128) -> tuple[slice, slice]:
    """The part of a picture with most outline."""
    side = min(side, *kind.shape)
    spots = [
        (r, c) for r in range(0, kind.shape[0] - side + 1, 32) for c in range(0, kind.shape[1] - side + 1, 32)
    ]
    r, c = max(spots, key=lambda at: (kind[at[0] : at[0] + side, at[1] : at[1] + side] == 2).sum())
    return slice(r, r + side), slice(c, c + side)
