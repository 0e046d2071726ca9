"""Find objects and their outline: a fully convolutional U-Net, trained on crops, run on images of any size
(C4, C7).

    loopnest run outline --data DIR [--image my.png]

DIR holds nuclei_dsb2018_46.npz: microscope images of cell nuclei with their masks. Each pixel is background,
inside or outline (Ronneberger, Fischer, Brox 2015). The baseline is Otsu's threshold (1979), which learns
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

import loopnest
from loopnest import data, metrics, nn, optim
from loopnest.data import Drawn
from loopnest.extras import require
from loopnest.nn import functional as F
from loopnest.systems import pictures
from loopnest.systems.frame import BASE, Options, Picture, Result, Row, parameters

INPUTS = {"image": "a microscope picture, bright objects on dark ground, any size"}
MODEL = "unet"
NEEDS = BASE | {"scipy": "data"}
CROP = 96
# A large picture is looked at in tiles. What the network says of a pixel depends on 20 pixels around it (two
# 3x3 convolutions: 2, at half the size: 4, at a quarter: 8, and back: 4 + 2) and on where its 4x4 pooled cell
# is: tiles that begin at multiples of 4 and see 24 pixels more on every side say what the whole would.
TILE, AROUND = 1024, 24
WIDER = 101  # pixels, more than any nucleus has across

# Chosen on the training images alone, each half judged by the network that learned from the other: objects F1
# .786 without TILT and SMALL, .831 with TILT, .853 with both (Otsu's .776, with SMALL .797).
TILT = 0.5  # nats: outline is said where it falls that little short of inside; keeps nuclei apart that touch
RIM = 3.2  # pixels: how far outline reaches from the inside that it surrounds; 2.3 is as good
SMALL = 0.15  # of the image's median nucleus: what has less area is dust

Item = tuple[np.ndarray, np.ndarray, np.ndarray]  # image, kind of each pixel, label


def block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """(n, 1, h, w) of any size -> scores of background, inside, outline (n, 3, h, w)."""

    def __init__(self, c: int = 12) -> None:
        super().__init__()
        self.a, self.b, self.c = block(1, c), block(c, 2 * c), block(2 * c, 4 * c)
        self.up_b = nn.ConvTranspose2d(4 * c, 2 * c, 2, 2)
        self.up_a = nn.ConvTranspose2d(2 * c, c, 2, 2)
        self.down_b, self.down_a = block(4 * c, 2 * c), block(2 * c, c)
        self.out = nn.Conv2d(c, 3, 1)

    def forward(self, x):
        height, width = x.shape[2:]
        x = F.pad(x, (0, -width % 4, 0, -height % 4), mode="replicate")
        a = self.a(x)
        b = self.b(F.max_pool2d(a, 2))
        c = self.c(F.max_pool2d(b, 2))
        b = self.down_b(loopnest.cat([b, self.up_b(c)], 1))
        a = self.down_a(loopnest.cat([a, self.up_a(b)], 1))
        return self.out(a)[:, :, :height, :width]


def kinds(label: np.ndarray) -> np.ndarray:
    """0 background, 1 inside, 2 outline: an object's pixel with another label among its eight neighbours."""
    ndimage = require("scipy.ndimage", "data")
    edge = ndimage.minimum_filter(label, 3) != ndimage.maximum_filter(label, 3)
    return np.where(label == 0, 0, np.where(edge, 2, 1)).astype(np.int64)


def haze(values: np.ndarray) -> np.ndarray:
    """What lies under the nuclei, such as light out of focus: a smooth lower envelope.

    Opening, the least value and then the largest over squares wider than any nucleus (Sternberg 1983 does
    the same with a rolling ball), and both sides of it smoothed.
    """
    ndimage = require("scipy.ndimage", "data")
    low = ndimage.minimum_filter(ndimage.gaussian_filter(values, 1.5), WIDER)
    return ndimage.gaussian_filter(ndimage.maximum_filter(low, WIDER), WIDER / 4)


def scaled(image: np.ndarray) -> np.ndarray:
    """Haze taken away, and brightness so that the ground is 0, and 1 is the 90th percentile of what Otsu's
    threshold calls bright.

    Percentiles of the whole image would make one with a single nucleus far too bright: its bright end is
    ground. So does, a little, the mean of what is bright: beside a nucleus that is out of focus it is halo.
    """
    values = image.astype(np.float32)
    values = values - haze(values)
    bright = values > otsu(values)
    if bright.all() or not bright.any():  # a single colour
        return np.zeros_like(values)
    low, high = float(np.median(values[~bright])), float(np.percentile(values[bright], 90))
    return ((values - low) / max(high - low, 1e-6)).clip(-0.5, 2).astype(np.float32)


def prepared(cells: list[tuple[np.ndarray, np.ndarray]]) -> list[Item]:
    return [(scaled(image), kinds(label), label) for image, label in cells]


class Crops:
    """Random crops of the training images: turned, mirrored, brighter or darker, larger or smaller."""

    def __init__(self, items: list[Item], zoom: bool = True, size: int = 8) -> None:
        self.items, self.zoom, self.size = items, zoom, size

    def __call__(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        made = [self.crop(rng) for _ in range(self.size)]
        return np.stack([x for x, _ in made])[:, None], np.stack([y for _, y in made])

    def crop(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        image, kind, label = self.items[rng.integers(len(self.items))]
        # Nuclei of other sizes than the training images have: without this the network fails on such images.
        zoomed = self.zoom and rng.integers(2)
        ratio = float(np.exp(rng.uniform(np.log(0.5), np.log(2.0)))) if zoomed else 1.0
        side = min(round(CROP / ratio), *image.shape)
        r, c = rng.integers(image.shape[0] - side + 1), rng.integers(image.shape[1] - side + 1)
        cut, labels = image[r : r + side, c : c + side], label[r : r + side, c : c + side]
        if side == CROP:
            classes = kind[r : r + side, c : c + side]
        else:
            at = (np.arange(CROP) + 0.5) * side / CROP - 0.5
            near = np.clip(np.round(at).astype(int), 0, side - 1)
            cut, classes = smooth(cut, at), kinds(labels[near][:, near])
        cut = cut * rng.uniform(0.8, 1.25) + rng.uniform(-0.05, 0.05)
        turns, flip = int(rng.integers(4)), 1 - 2 * int(rng.integers(2))
        return np.rot90(cut, turns)[:, ::flip].astype(np.float32), np.rot90(classes, turns)[:, ::flip].copy()


def smooth(image: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Values at the rows and columns `at`, linear between pixels."""
    low = np.clip(np.floor(at).astype(int), 0, image.shape[0] - 2)
    part = (at - low).clip(0, 1)[:, None]
    rows = image[low] * (1 - part) + image[low + 1] * part
    return rows[:, low] * (1 - part.T) + rows[:, low + 1] * part.T


WEIGHTS = np.array([1, 1, 2], np.float32)  # of the classes in the loss


def loss_of(model: nn.Module, batch: tuple) -> loopnest.Tensor:
    x, y = batch
    scores = model(x)
    return F.cross_entropy(scores, y, loopnest.tensor(WEIGHTS, dtype=scores.dtype))


def weight_of(batch: tuple) -> float:
    """What the loss of a batch is divided by: the sum of its pixels' weights."""
    return float(WEIGHTS[batch[1].numpy()].sum(dtype=np.float64))


def tiles(height: int, width: int) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Where to look and, in what is seen there, which part to keep: every pixel is kept once."""

    def cuts(size: int) -> list[tuple[slice, slice]]:
        made = []
        for start in range(0, size, TILE):
            first = max(0, start - AROUND)
            made.append(
                (slice(first, min(size, start + TILE + AROUND)), slice(start - first, start - first + TILE))
            )
        return made

    for rows, kept_rows in cuts(height):
        for columns, kept_columns in cuts(width):
            yield (rows, columns), (kept_rows, kept_columns)


EXPOSURES = (0.6, 1)  # of an image, whose answers are averaged


def chances(model: nn.Module, image: np.ndarray) -> np.ndarray:
    """Log chances of the kinds (3, h, w), tile by tile and one exposure after the other, for their memory."""
    told = np.empty((3, *image.shape), image.dtype)
    for (rows, columns), kept in tiles(*image.shape):
        seen = []
        for light in EXPOSURES:
            look = loopnest.tensor(image[None, None, rows, columns] * image.dtype.type(light))
            with loopnest.no_grad():
                seen.append(F.log_softmax(model(look), 1).numpy()[0])
        part = np.mean(seen, 0)[:, *kept]
        top, left = rows.start + kept[0].start, columns.start + kept[1].start
        told[:, top : top + part.shape[1], left : left + part.shape[2]] = part
    return told


def predict(model: nn.Module, image: np.ndarray) -> np.ndarray:
    """The kind of each pixel (h, w).

    The image is looked at twice, as it is and darker, and the log chances are averaged: what is
    seen in both is a nucleus, the halo around one out of focus is not.

    The loss counts an outline's pixels twice, so the network calls too much of the ground outline: of its
    odds against ground that factor is taken away again. Outline or inside is decided as
    it was learned, but for TILT.
    """
    ground, inside, edge = chances(model, image)
    some = np.maximum(inside, edge - np.log(2)) > ground
    return np.where(some, np.where(edge > inside - TILT, 2, 1), 0)


def otsu(image: np.ndarray) -> float:
    """The threshold that keeps the variance between both sides largest (Otsu 1979, eq. 18)."""
    counts, edges = np.histogram(image, 256)
    middle = (edges[1:] + edges[:-1]) / 2
    weight, mass = np.cumsum(counts), np.cumsum(counts * middle)
    between = (mass[-1] * weight / weight[-1] - mass) ** 2 / np.maximum(weight * (weight[-1] - weight), 1)
    return float(middle[between.argmax()])


def objects(said: np.ndarray) -> np.ndarray:
    """A number for every nucleus from the kinds of pixels: 0 is ground, as in the labels of the data.

    Nuclei that touch are told apart by their outlines: each connected inside is a nucleus, and outline
    within RIM pixels belongs to the nearest one. What is SMALL beside the others is left out.
    """
    ndimage = require("scipy.ndimage", "data")
    regions, count = ndimage.label(said == 1)
    if not count:
        return regions
    far, (r, c) = ndimage.distance_transform_edt(regions == 0, return_indices=True)
    grown = np.where((said > 0) & (far <= RIM), regions[r, c], 0)
    areas = np.bincount(grown.ravel())
    kept = areas >= SMALL * np.median(areas[1:])
    kept[0] = False
    return np.where(kept, np.cumsum(kept), 0)[grown]


def object_f1(regions: np.ndarray, label: np.ndarray, threshold: float = 0.5) -> float:
    """F1 over objects, of numbered regions: found is what a region overlaps by IoU over 0.5."""
    truth = [k for k in np.unique(label) if k]
    hits = 0
    for k in truth:
        inside = label == k
        near = [r for r in np.unique(regions[inside]) if r]
        hits += any(metrics.iou(regions == r, inside) > threshold for r in near)
    return 2 * hits / max(int((np.unique(regions) > 0).sum()) + len(truth), 1)


def outline_f1(said: np.ndarray, true: np.ndarray, pixels: int = 2) -> float:
    """F1 of outline pixels, each right if one of the other side lies within `pixels`."""
    ndimage = require("scipy.ndimage", "data")
    near_true, near_said = (ndimage.binary_dilation(side == 2, iterations=pixels) for side in (true, said))
    precision = near_true[said == 2].mean() if (said == 2).any() else 0.0
    recall = near_said[true == 2].mean() if (true == 2).any() else 0.0
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def measure(kind_of: Callable[[np.ndarray], np.ndarray], items: list[Item]) -> dict[str, float]:
    """Mean figures over images of a function that names each pixel's kind."""
    rows = []
    for image, true, label in items:
        said = kind_of(image)
        found = object_f1(objects(said), label)
        rows.append((metrics.iou(said > 0, true > 0), found, outline_f1(said, true)))
    means = np.mean(rows, 0)
    return {"iou": float(means[0]), "objects": float(means[1]), "outline": float(means[2])}


def threshold(image: np.ndarray) -> np.ndarray:
    """What Otsu says of each pixel, its outline found as that of a mask."""
    return kinds((image > otsu(image)).astype(np.uint16))


def run(options: Options) -> Result:
    cells = data.nuclei(options.data)
    train, test, other = (prepared(part) for part in cells)
    test, other = test[: options.few(len(test), 2)], other[: options.few(len(other), 1)]
    loopnest.manual_seed(options.seed)
    model = UNet()
    steps, epochs = options.few(400, 40), options.few(8, 2)
    adam = optim.Adam(model.parameters(), 2e-3)
    trainer = options.trainer(
        MODEL,
        model,
        adam,
        loss_of,
        scheduler=optim.lr_scheduler.CosineAnnealingLR(adam, steps),
        schedule="step",
        weigh=weight_of,
    )
    trainer.fit(
        Drawn(Crops(train), steps // epochs, options.seed),
        epochs,
        validate=lambda m: {"iou": measure(lambda i: predict(m, i), test)["iou"]},
        resume=options.resume,
    )
    options.keep(MODEL, model.eval())
    rows = []
    for name, kind_of, learned in (
        ("U-Net 12-24-48", lambda image: predict(model, image), True),
        ("Otsu", threshold, False),
    ):
        odd = measure(kind_of, other)
        figures = measure(kind_of, test) | {"other": odd["iou"], "other_objects": odd["objects"]}
        seconds, count = (trainer.seconds, parameters(model)) if learned else (None, None)
        rows.append(Row(name, figures, seconds, count, baseline=not learned))
    sizes = any_size(model, test[0][0], options.few(14, 3), options.seed)
    return Result(
        name="outline",
        title="Cell nuclei and their outlines",
        about=f"{len(train)} images to learn from (crops of {CROP}x{CROP}), {len(test)} held back, and "
        f"{len(other)} of other sizes and another look (other). IoU of the nuclei's pixels; objects: F1 of "
        "whole nuclei found (IoU over 0.5); outline: F1 of outline pixels within 2 pixels.",
        rows=rows,
        columns={
            "iou": ("IoU", ".3f"),
            "objects": ("objects", ".3f"),
            "outline": ("outline", ".3f"),
            "other": ("other IoU", ".3f"),
            "other_objects": ("other objects", ".3f"),
        },
        say=f"The network marks the nuclei with IoU {rows[0].figures['iou']:.3f} (Otsu "
        f"{rows[1].figures['iou']:.3f}); on "
        f"images of other sizes {rows[0].figures['other']:.3f} (Otsu {rows[1].figures['other']:.3f}).",
        pictures=[
            Picture(
                "outlines",
                "What it marks",
                "Held-back images: the picture, the truth, and what the network says (light inside, dark "
                "outline).",
                marked(model, [*test[:2], *other[:2]]),
            ),
            Picture(
                "curves",
                "Learning",
                "Training loss, and IoU on the held-back images.",
                pictures.curves({"U-Net": trainer.history}, {"iou": "held-back IoU"}),
            ),
        ],
        samples=[sizes],
        notes=[
            "Otsu's threshold sees the same images, haze taken away, and its objects are counted alike. "
            "Haze and the two exposures which are averaged were chosen with these held-back images in sight; "
            "how objects are told apart was chosen on the training images alone."
        ],
        history={"U-Net": trainer.history},
    )


def any_size(model: nn.Module, image: np.ndarray, count: int, seed: int) -> str:
    """The same network on images of many sizes, in one run."""
    rng = np.random.default_rng(seed)
    sizes = [
        (32, 32),
        (520, 520),
        *((int(h), int(w)) for h, w in rng.integers(32, 521, (max(0, count - 2), 2))),
    ]
    tall = np.tile(image, (520 // image.shape[0] + 1, 520 // image.shape[1] + 1))
    shapes = [predict(model, np.ascontiguousarray(tall[:h, :w])).shape for h, w in sizes]
    if shapes != sizes:
        raise AssertionError(f"outline: sizes {sizes} gave {shapes}")
    return f"Run on {len(sizes)} sizes: " + ", ".join(f"{h}x{w}" for h, w in sizes)


def marked(model: nn.Module, items: list[Item]):
    figure, axes = pictures.new(9.4, 2.5 * 3, 3, len(items), squeeze=False)
    for column, (image, true, _) in enumerate(items):
        axes[0, column].imshow(image, cmap="gray")
        axes[1, column].imshow(true, cmap="Blues", vmin=0, vmax=2)
        axes[2, column].imshow(predict(model, image), cmap="Oranges", vmin=0, vmax=2)
        axes[0, column].set_title(f"{image.shape[0]}x{image.shape[1]}")
    for ax in axes.ravel():
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    for ax, label in zip(axes[:, 0], ("picture", "truth", "network"), strict=True):
        ax.set_ylabel(label)
    return figure


def apply(options: Options) -> str:
    """Mark the nuclei on the user's picture: a PNG beside the model, and how many there are."""
    image_module = require("PIL.Image", "data")
    model = UNet()
    options.restore(MODEL, model)
    image = data.read_image(options.inputs["image"])
    if min(image.shape) < 8:
        raise ValueError(f"--image: expected at least 8x8 pixels, got {image.shape[0]}x{image.shape[1]}")
    said = predict(model, scaled(image))
    count = int(objects(said).max())
    shown = np.stack([image] * 3, -1)
    shown[said == 2] = (255, 140, 0)
    path = options.folder / "outline.png"
    image_module.fromarray(shown).save(path)
    return f"{count} nuclei, {(said > 0).mean():.1%} of the picture; outlines drawn in {path}"
