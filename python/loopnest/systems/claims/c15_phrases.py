"""C15: key phrases and long ranges, with one budget for a CNN and a GRU; then real questions.

Key phrase: which of four orders of three letters stands side by side somewhere in a long row, where single
letters are strewn as well. Long range: the first of T symbols, asked for after the last. A bag of words,
which sees the same letters, is the control of the first; the CNN of short filters that of the second. The
questions are TREC's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from loopnest import metrics, nn
from loopnest.systems import faceoff, sentiment
from loopnest.systems.claims import draw
from loopnest.systems.claims.evidence import Check, Finding
from loopnest.systems.claims.lab import Lab
from loopnest.systems.claims.nets import Bag, LastState
from loopnest.systems.frame import Picture
from loopnest.systems.models import Bag as WordBag
from loopnest.systems.models import Recurrent, TextCNN

ORDERS = ((0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1))
LONG, FAR = 60, 40  # letters of a row with a key phrase; symbols between first and last
SPANS, RANGES = (10, 30, LONG), (5, 20, FAR)
MAKERS: dict[str, Callable[[], nn.Module]] = {
    "CNN": faceoff.Pooled,
    "GRU": lambda: LastState(nn.GRU(4, 48, batch_first=True), 48, 4, 3.0),
    "bag": lambda: Bag(4, 48, 4),
}


def phrases(count: int, steps: int):
    """Rows (count, steps) of dots (3) with one letter in six, none beside another, and one phrase: which
    (count,)."""

    def make(rng: np.random.Generator):
        ids, which = np.full((count, steps), 3), rng.integers(0, 4, count)
        for row, k in zip(ids, which, strict=True):
            spread = np.arange(rng.integers(2), steps, 2)
            spots = rng.permutation(spread)[: steps // 6]
            row[spots] = rng.integers(0, 3, len(spots))
            at = rng.integers(1, steps - 3)
            row[at - 1 : at + 4] = [3, *ORDERS[k], 3][: len(row[at - 1 : at + 4])]
        return np.eye(4, dtype=np.float32)[ids], which

    return make


def run(lab: Lab) -> Finding:
    tasks: dict[str, tuple[Callable, tuple[int, ...], int]] = {  # rows, spans, batches to learn from
        "key phrase": (phrases, SPANS, lab.few(500, 130)),
        "long range": (lambda n, t: faceoff.first_of(t, n), RANGES, lab.few(500, 260)),
    }
    right: dict[str, dict[str, dict[float, list[float]]]] = {
        task: {name: {t: [] for t in spans} for name in MAKERS} for task, (_, spans, _) in tasks.items()
    }
    held = lab.trec()
    encoded = sentiment.Encoded(held, lab.few(len(held.train), 1500))
    real: dict[str, list[float]] = {"CNN": [], "GRU": [], "bag": []}
    sizes = len(encoded.vocabulary), len(encoded.classes)
    words: dict[str, Callable[[], nn.Module]] = {
        "CNN": partial(TextCNN, *sizes, 64, 48),
        "GRU": partial(Recurrent, *sizes, nn.GRU, 64, 64),
        "bag": partial(WordBag, *sizes, 64),
    }
    for seed in lab.seeds:
        for task, (draw_rows, spans, steps) in tasks.items():
            for name, make in MAKERS.items():
                for t in spans:
                    model = lab.practise(seed, make, draw_rows(48, t), steps, rate=5e-3)
                    x, y = draw_rows(600, t)(np.random.default_rng(9))
                    right[task][name][t].append(lab.accuracy(model, x, y))
        for name, make in words.items():
            model = lab.learn(
                seed, make, encoded.train, lab.few(10, 4), rate=3e-3, batch=32, loss=sentiment.loss_of
            )
            ids, lengths, labels = encoded.test
            real[name].append(metrics.accuracy(sentiment.scores(model, ids, lengths), labels))
    near = {name: np.array(right["key phrase"][name][LONG]) for name in MAKERS}
    far = {name: np.array(right["long range"][name][FAR]) for name in MAKERS}
    mean = {name: float(np.mean(row)) for name, row in real.items()}
    lead = max(("CNN", "GRU"), key=lambda name: mean[name])
    return Finding(
        done=f"Equal budgets: {tasks['key phrase'][2]} batches of 48 rows for key phrases, "
        f"{tasks['long range'][2]} for the long range. Key phrase: which of four orders of three letters "
        f"stands side by side somewhere in {SPANS[0]} to {LONG} letters. Long range: the first of "
        f"{RANGES[0]} to {FAR} symbols. TREC: {len(encoded.train[2]):,} questions of {sizes[1]} kinds to "
        f"learn from, {len(encoded.test[2])} held back.",
        checks=[
            Check(f"key phrase in {LONG} letters: CNN less GRU", near["CNN"] - near["GRU"], 0.1),
            Check(f"first of {FAR} symbols: GRU less CNN", far["GRU"] - far["CNN"], 0.2),
            Check(
                "TREC: the CNN's key phrases less the bag of words",
                np.subtract(real["CNN"], real["bag"]),
                0.0,
            ),
            Check("key phrase: bag of letters (chance 25 %)", near["bag"], 0.35, "below", control=True),
            Check("first symbol: bag of symbols (chance 25 %)", far["bag"], 0.4, "below", control=True),
        ],
        say=f"A key phrase in {LONG} letters is named by the CNN in {near['CNN'].mean():.0%}, by the GRU in "
        f"{near['GRU'].mean():.0%}; the first of {FAR} symbols in {far['CNN'].mean():.0%} and "
        f"{far['GRU'].mean():.0%}. Of TREC's questions the CNN names {mean['CNN']:.0%}, the GRU "
        f"{mean['GRU']:.0%}, a bag of words {mean['bag']:.0%}.",
        pictures=[
            Picture(
                "c15",
                "Who wins depends on the task",
                "Left: a key phrase in ever longer rows. Middle: the first symbol ever further back. "
                f"Right: TREC's questions, where the {lead} leads.",
                picture(right, real),
            )
        ],
        notes=["Yin et al. 2017 and Bai et al. 2018 tuned every model; these budgets are small and equal."],
    )


def picture(right, real):
    figure, axes = draw.mosaic([[*right, "TREC"]], 9.4, 3.0, width_ratios=[1, 1, 0.9])
    colors = {"CNN": draw.SPACE, "GRU": draw.TIME, "bag": draw.GREY}
    for task, rows in right.items():
        label = "letters" if task == "key phrase" else "symbols back"
        draw.lines(axes[task], rows, task, label, ["bag"], 0.25, colors)
        axes[task].set(ylim=(0.15, 1.05), xticks=list(rows["CNN"]))
    draw.bars(axes["TREC"], real, "TREC questions named", ["bag"], colors=colors)
    return figure
