"""C17: a CNN and a GRU in one model that tells what is on an image; and a CNN in an RNN's place.

The captioner is asked about scenes of two digits; its control sees another image. Then Bai et al.'s copy
memory: ten symbols, a gap, and the symbols again, by a temporal convolutional network, an LSTM, a GRU and a
plain RNN, with equal numbers of steps. A TCN whose reach is shorter than the gap is the control. And digits
row by row, where the TCN should do about as well as the LSTM.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from loopnest import nn
from loopnest.systems import caption, classify, faceoff, interchange, scan
from loopnest.systems.claims import draw, scenes
from loopnest.systems.claims.evidence import Check, Finding
from loopnest.systems.claims.lab import Lab
from loopnest.systems.frame import Picture
from loopnest.systems.models import TCN, Steps

GAP = 20
MAKERS: dict[str, Callable[[], nn.Module]] = {
    "TCN": lambda: TCN(10, 10, 16, 4, 4),  # reaches 91 steps
    "LSTM": lambda: Steps(nn.LSTM, 10, 10, 32),
    "GRU": lambda: Steps(nn.GRU, 10, 10, 32),
    "RNN": lambda: Steps(nn.RNN, 10, 10, 32),
    "TCN, short reach": lambda: TCN(10, 10, 28, 2, 4),  # reaches 19 steps, the symbols lie 30 back
}


def recalled(model: nn.Module, x: np.ndarray, y: np.ndarray) -> float:
    """How many of the ten symbols are said rightly (chance 12.5 %)."""
    said = classify.scores(model, x)[:, -10:].argmax(2)
    return float((said == y[:, -10:]).mean())


def run(lab: Lab) -> Finding:
    figures: dict[str, list[float]] = {name: [] for name in ("captions", "other image")}
    copied: dict[str, list[float]] = {name: [] for name in MAKERS}
    rows: dict[str, list[float]] = {"TCN": [], "LSTM": []}
    test = interchange.copying(200, GAP)(np.random.default_rng(9))
    x, y, xt, yt = lab.digits(6000, 2000)
    x, xt = (np.ascontiguousarray(part[:, 0, 4:24]) for part in (x, xt))
    width, classes = x.shape[2], int(y.max()) + 1
    readers: dict[str, Callable[[], nn.Module]] = {
        "TCN": lambda: faceoff.Last(TCN(width, classes, 32, 3, 3)),
        "LSTM": partial(scan.Reader, nn.LSTM, width, classes, 64),
    }
    told = None
    for seed in lab.seeds:
        model, (images, _, true), _ = scenes.captioner(lab, seed)
        said = caption.write(model, images)[0]
        told = told or (images, said, true)
        figures["captions"].append(caption.exact(said, true))
        figures["other image"].append(scenes.exact(model, np.roll(images, 1, 0), true))
        for name, make in MAKERS.items():
            net = lab.practise(
                seed,
                make,
                interchange.copying(32, GAP),
                lab.few(1500, 400),
                rate=6e-3,
                loss=interchange.symbol_loss,
            )
            copied[name].append(recalled(net, *test))
        for name, make in readers.items():
            net = lab.learn(seed, make, (x, y), lab.few(10, 6), rate=4e-3, batch=32)
            rows[name].append(lab.accuracy(net, xt, yt))
    get = {name: np.array(row) for name, row in copied.items()}
    mean = {name: float(np.mean(row)) for name, row in (figures | copied).items()}
    best = max(("LSTM", "GRU", "RNN"), key=lambda name: mean[name])
    assert told is not None
    return Finding(
        done="A CNN and a GRU learned to describe two digits; the test has other images of digits. Copy "
        f"memory: ten symbols, to be said again after {GAP} steps (each of eight: chance 12.5 %), after "
        f"{lab.few(1500, 400)} batches of 32 for every model. Digits row by row: {len(y):,} to learn from.",
        checks=[
            Check("captions exactly right", figures["captions"], 0.5),
            Check(
                f"copied symbols: TCN less the best recurrent network ({best})", get["TCN"] - get[best], 0.05
            ),
            Check("digits by rows: TCN less LSTM", np.subtract(rows["TCN"], rows["LSTM"]), -0.05),
            Check(
                "captions of another image, exactly right", figures["other image"], 0.2, "below", control=True
            ),
            Check(
                "copied symbols: TCN that reaches less far than the gap",
                get["TCN, short reach"],
                0.3,
                "below",
                control=True,
            ),
        ],
        say=f"{mean['captions']:.0%} of the captions are exactly right ({mean['other image']:.0%} if it sees "
        f"another image). Of symbols {GAP} steps back the TCN says {mean['TCN']:.0%} again, the LSTM "
        f"{mean['LSTM']:.0%}, the GRU {mean['GRU']:.0%}, the RNN {mean['RNN']:.0%}; a TCN of short reach "
        f"{mean['TCN, short reach']:.0%}. By rows the TCN names {np.mean(rows['TCN']):.0%} of digits, the "
        f"LSTM {np.mean(rows['LSTM']):.0%}.",
        pictures=[
            Picture(
                "c17",
                "Together, and in each other's place",
                "Left: held-back scenes and the sentence that the CNN and the GRU tell, wrong ones red. "
                "Right: copy memory and digits by rows, a convolutional network beside recurrent ones.",
                picture(told, copied, rows),
            )
        ],
    )


def picture(told, copied: dict[str, list[float]], rows: dict[str, list[float]]):
    images, said, true = told
    names = [["a0", "a1", "a2", "copy"], ["a0", "a1", "a2", "copy"], ["a0", "a1", "a2", "rows"]]
    figure, axes = draw.mosaic(names, 9.4, 2.9, width_ratios=[1, 1, 1, 1.6])
    good = [k for k, words in enumerate(said) if words in true[k]]
    bad = [k for k, words in enumerate(said) if words not in true[k]]
    for k, one in enumerate([*good[:2], *bad, *good[2:]][:3]):
        draw.image(axes[f"a{k}"], images[one, 0])
        words, right = said[one], said[one] in true[one]
        half = 3 if "of" not in words else 4
        text = " ".join(words[:half]) + "\n" + " ".join(words[half:])
        axes[f"a{k}"].set_title(text, fontsize=10, loc="center", color=draw.TIME if right else draw.SERIES[4])
    colors = {name: draw.SPACE if "TCN" in name else draw.TIME for name in copied}
    draw.bars(
        axes["copy"], copied, f"symbols said again after {GAP} steps", ["TCN, short reach"], colors=colors
    )
    draw.bars(axes["rows"], rows, "digits by rows", colors=colors)
    return figure
