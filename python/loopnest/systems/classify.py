"""Handwritten digits: a CNN that slides shared filters beside an MLP that sees 784 unrelated numbers.

    loopnest run classify --data DIR [--image my.png]

DIR holds mnist_10k_2k.npz, or MNIST's four idx files (or a set in the same format), or one sub-folder of
pictures per class. The CNN is LeNet-5 (LeCun et al. 1998) with ReLU and max pooling.
"""

from __future__ import annotations

import numpy as np

import loopnest
from loopnest import data, metrics, nn, optim
from loopnest.data import DataLoader, Images, TensorDataset
from loopnest.data.sets import folder
from loopnest.systems import pictures
from loopnest.systems.frame import BASE, Options, Picture, Result, Row, parameters

INPUTS = {"image": "a picture of a digit, dark on light or light on dark"}
MODEL = "lenet5"
NEEDS = BASE


def lenet5(classes: int = 10) -> nn.Sequential:
    """(n, 1, 28, 28) -> (n, classes)."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, classes),
    )


def mlp(classes: int = 10, hidden: int = 128) -> nn.Sequential:
    """(n, 1, 28, 28) -> (n, classes), one hidden layer."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, classes))


def load(options: Options) -> tuple[Images, list[str]]:
    """The images and the names of their classes."""
    try:
        images = data.mnist(options.data)
    except data.DataMissing:
        place = folder(options.data)
        if place is None or not any(p.is_dir() for p in place.iterdir()):
            raise
        images, classes = data.image_folder(place)
        if options.quick:  # class after class: the first of them would be of the first class alone
            order = np.random.default_rng(0).permutation(len(images.y_train))
            images = images._replace(x_train=images.x_train[order], y_train=images.y_train[order])
        return images, classes
    return images, [str(k) for k in range(int(images.y_train.max()) + 1)]


def loss_of(model: nn.Module, batch: tuple) -> loopnest.Tensor:
    x, y = batch
    return nn.functional.cross_entropy(model(x), y)


def inputs(images: np.ndarray) -> np.ndarray:
    """uint8 (n, h, w) to what the networks take: float32 (n, 1, h, w), 0 to 1."""
    return (images[:, None] / 255).astype(np.float32)


def scores(model: nn.Module, x: np.ndarray) -> np.ndarray:
    """(n, classes), in batches, nothing recorded."""
    with loopnest.no_grad():
        return np.concatenate([model(loopnest.tensor(x[k : k + 500])).numpy() for k in range(0, len(x), 500)])


def run(options: Options) -> Result:
    images, classes = load(options)
    few = options.few(len(images.x_train), 1000)
    x, y, xt, yt = inputs(images.x_train[:few]), images.y_train[:few], inputs(images.x_test), images.y_test
    rows, history, said = [], {}, {}
    for name, make in (("LeNet-5", lenet5), ("MLP-128", mlp)):
        loopnest.manual_seed(options.seed)
        model = make(len(classes))
        file = name.lower().replace("-", "")
        trainer = options.trainer(file, model, optim.Adam(model.parameters(), 1e-3), loss_of)
        loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True)
        trainer.fit(
            loader,
            options.few(10, 2),
            validate=lambda model: {"accuracy": metrics.accuracy(scores(model.eval(), xt), yt)},
            resume=options.resume,
        )
        model.eval()
        said[name] = scores(model, xt)
        accuracy = metrics.accuracy(said[name], yt)
        rows.append(Row(name, {"accuracy": accuracy}, trainer.seconds, parameters(model)))
        history[name] = trainer.history
        options.keep(file, model, classes=classes)
        if name == "LeNet-5":
            filters = model[0].weight.detach().numpy()[:, 0].copy()
    common = float(np.mean(yt == np.bincount(y).argmax()))
    rows.append(Row("the most frequent class", {"accuracy": common}, baseline=True))
    return Result(
        name="classify",
        title="A CNN and an MLP name handwritten digits",
        about=f"{len(y):,} images to learn from, {len(yt):,} held back; no image is in both, and no epoch "
        "was chosen by the held-back part. Adam 1e-3, batches of 64.",
        rows=rows,
        columns={"accuracy": ("accuracy", ".1%")},
        say=f"LeNet-5 names {rows[0].figures['accuracy']:.1%} of {len(yt):,} held-back images rightly with "
        f"{rows[0].parameters:,} parameters, the MLP {rows[1].figures['accuracy']:.1%} "
        f"with {rows[1].parameters:,}.",
        pictures=[
            Picture(
                "curves",
                "Learning",
                "Training loss, and accuracy on the held-back images after every epoch.",
                pictures.curves(history, {"accuracy": "held-back accuracy"}),
            ),
            Picture(
                "filters",
                "The first layer's filters",
                "Six shared 5x5 filters: blue adds, orange takes away. They end as edges and strokes.",
                pictures.tiles(list(filters), signed=True, columns=6),
            ),
            Picture(
                "wrong",
                "Wrong answers of LeNet-5",
                "The surest mistakes first: what it is, and what was said.",
                wrong(images.x_test, yt, said["LeNet-5"], classes),
            ),
        ],
        history=history,
    )


def wrong(images: np.ndarray, true: np.ndarray, scores: np.ndarray, classes: list[str]):
    """The 24 surest mistakes."""
    chance = np.exp(scores - scores.max(1, keepdims=True))
    chance /= chance.sum(1, keepdims=True)
    guess = chance.argmax(1)
    worst = sorted(np.flatnonzero(guess != true), key=lambda k: -chance[k, guess[k]])[:24]
    return pictures.tiles(
        [images[k] for k in worst],
        [f"{classes[true[k]]}, said {classes[guess[k]]}" for k in worst],
        columns=8,
    )


def apply(options: Options) -> str:
    """Name the digit on a picture of the user's own."""
    classes = options.facts(MODEL)["classes"]
    model = lenet5(len(classes))
    options.restore(MODEL, model)
    image = data.read_image(options.inputs["image"])
    scored = scores(model, inputs(centred(image)[None]))[0]
    chance = np.exp(scored - scored.max())
    chance /= chance.sum()
    order = np.argsort(-chance)[:3]
    return ", ".join(f"{classes[k]} ({chance[k]:.0%})" for k in order)


def centred(image: np.ndarray) -> np.ndarray:
    """A picture as MNIST's are: light ink on black, fitted into 20x20, centre of mass in the middle."""
    from PIL import Image

    ink = image.astype(np.float32)
    border = np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]])
    if np.median(border) > 127:
        ink = 255 - ink
    ink = np.clip((ink - ink.min()) / max(float(np.ptp(ink)), 1) * 255, 0, 255)
    at = np.argwhere(ink > 64)
    if len(at) == 0:
        raise ValueError("--image: expected a picture with ink on it, got one of a single colour")
    (top, left), (bottom, right) = at.min(0), at.max(0) + 1
    cut = ink[top:bottom, left:right]
    scale = 20 / max(cut.shape)
    h, w = (max(1, round(scale * s)) for s in cut.shape)
    small = np.asarray(Image.fromarray(cut.astype(np.uint8)).resize((w, h), Image.Resampling.BOX), np.float32)
    cy, cx = (small.sum(1) @ np.arange(h), small.sum(0) @ np.arange(w)) / small.sum()
    down, over = int(np.clip(round(13.5 - cy), 0, 28 - h)), int(np.clip(round(13.5 - cx), 0, 28 - w))
    out = np.zeros((28, 28), np.uint8)
    out[down : down + h, over : over + w] = small
    return out
