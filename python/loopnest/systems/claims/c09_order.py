"""C9: words at places where they never stood in training, and the same words in another order.

Made-up sentences hold "good", "bad" and one "not" before one of them: which mood is denied is told by the
order alone. In training this phrase stands early or not at all, in the test late. After every word the
network says what was denied so far. A GRU should not mind the place; the same GRU with weights of its own for
every step never learned what "not" means there. A bag of words knows the words but no order. Then real text:
stretches of Shakespeare against their own letters shuffled.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

import loopnest
from loopnest import nn
from loopnest.data import Vocabulary
from loopnest.nn import functional as F
from loopnest.systems import classify
from loopnest.systems.claims import draw
from loopnest.systems.claims.evidence import Check, Finding
from loopnest.systems.claims.lab import Lab
from loopnest.systems.claims.nets import Bag, EachStep, UnsharedGRU
from loopnest.systems.frame import Picture

WORDS = ["the", "film", "was", "and", "so", "we", "saw", "it", "good", "bad", "not"]
GOOD, BAD, NO = 8, 9, 10
STEPS = 14
LEARNED, NEW = range(5), range(7, 12)  # where phrases begin in training, and in the test
HIDDEN = 40
MAKERS = {
    "GRU, shared": lambda i, o: EachStep(nn.GRU(i, HIDDEN, batch_first=True), HIDDEN, o),
    "GRU, not shared": lambda i, o: EachStep(UnsharedGRU(i, HIDDEN, STEPS), HIDDEN, o),
    "bag of words": lambda i, o: Bag(i, HIDDEN, o),
}


def denials(count: int, places: Sequence[int], without: float = 0.0):
    """Sentences of STEPS words, one-hot, whose phrase begins at one of `places`, a share of them without one;
    after every word: 0 nothing yet, 1 "good" was denied, 2 "bad" was denied (count, STEPS)."""

    def make(rng: np.random.Generator):
        ids, answer = rng.integers(0, 8, (count, STEPS)), np.zeros((count, STEPS), np.int64)
        for k in np.flatnonzero(rng.random(count) >= without):
            mood, other = ((GOOD, BAD), (BAD, GOOD))[rng.integers(2)]
            at = places[int(rng.integers(len(places)))]
            ids[k, at : at + 3] = [other, NO, mood] if rng.integers(2) else [NO, mood, other]
            answer[k, at + 2 :] = 1 if mood == GOOD else 2
        return np.eye(len(WORDS), dtype=np.float32)[ids], answer

    return make


def loss_of(model: nn.Module, batch: tuple) -> loopnest.Tensor:
    """At every step where the model answers at every step, else on the last answer."""
    x, y = batch
    scores = model(x)
    if scores.ndim == 3 and y.ndim == 2:
        return F.cross_entropy(scores.reshape(-1, scores.shape[-1]), y.reshape(-1))
    last = scores[:, -1] if scores.ndim == 3 else scores
    return F.cross_entropy(last, y[:, -1] if y.ndim == 2 else y)


def last_right(model: nn.Module, x: np.ndarray, y: np.ndarray) -> float:
    """How often the answer after the last word is right."""
    said = classify.scores(model, x)
    said = said[:, -1] if said.ndim == 3 else said
    return float((said.argmax(1) == (y[:, -1] if y.ndim == 2 else y)).mean())


def stretches(text: np.ndarray, kinds: int, count: int, span: int = 24):
    """Stretches of a text, one-hot: as they are (1), or with their letters shuffled (0)."""

    def make(rng: np.random.Generator):
        starts = rng.integers(0, len(text) - span, count)
        rows, real = text[starts[:, None] + np.arange(span)], rng.integers(0, 2, count)
        for k in np.flatnonzero(real == 0):
            rows[k] = rows[k][rng.permutation(span)]
        return np.eye(kinds, dtype=np.float32)[rows], real

    return make


def mean_of(values: list[float]) -> float:
    return float(np.mean(values))


def run(lab: Lab) -> Finding:
    text = lab.shakespeare()[:200_000]
    letters = Vocabulary.of_characters(text)
    ids = letters.encode(text)
    cut = int(0.9 * len(ids))
    learned: dict[str, list[float]] = {name: [] for name in MAKERS}
    new: dict[str, list[float]] = {name: [] for name in MAKERS}
    told: dict[str, list[float]] = {name: [] for name in MAKERS}
    by_place: dict[str, dict[float, list[float]]] = {
        name: {k + 1: [] for k in range(STEPS - 2)} for name in MAKERS
    }
    for seed in lab.seeds:
        for name, make in MAKERS.items():
            model = lab.practise(
                seed,
                partial(make, len(WORDS), 3),
                denials(64, LEARNED, 0.2),
                lab.few(500, 200),
                rate=6e-3,
                loss=loss_of,
            )
            for k, row in by_place[name].items():
                row.append(last_right(model, *denials(200, [int(k) - 1])(np.random.default_rng(int(k)))))
            learned[name].append(mean_of([by_place[name][k + 1][-1] for k in LEARNED]))
            new[name].append(mean_of([by_place[name][k + 1][-1] for k in NEW]))
            if "not shared" in name:
                continue
            model = lab.practise(
                seed,
                partial(make, len(letters), 2),
                stretches(ids[:cut], len(letters), 64),
                lab.few(500, 200),
                rate=6e-3,
                loss=loss_of,
            )
            told[name].append(
                last_right(model, *stretches(ids[cut:], len(letters), 600)(np.random.default_rng(9)))
            )
    shared, apart, bag = (np.array(new[name]) for name in MAKERS)
    return Finding(
        done=f"Made-up sentences of {STEPS} words with one phrase such as 'good not bad': is it bad or good "
        "that is denied? In training the phrase begins at words 1 to 5, and a fifth of the sentences has "
        "none; in the test it begins at words 8 to 12. Shakespeare: stretches of 24 letters, as they are "
        "or shuffled; the last tenth of the text is held back.",
        checks=[
            Check("at places never learned: GRU", shared, 0.9),
            Check("at places never learned: shared less not shared", shared - apart, 0.2),
            Check("order of words: GRU less bag of words", shared - bag, 0.3),
            Check(
                "order of Shakespeare's letters: GRU less bag",
                np.subtract(told["GRU, shared"], told["bag of words"]),
                0.2,
            ),
            Check("not shared, at places it learned", learned["GRU, not shared"], 0.8, control=True),
            Check("bag of words (chance 50 %)", bag, 0.6, "below", control=True),
        ],
        say=f"Where the phrase never stood in training the GRU is right in {shared.mean():.0%}, with weights "
        f"of its own for every step in {apart.mean():.0%} (where it learned: "
        f"{np.mean(learned['GRU, not shared']):.0%}); the bag of words, blind to order, in {bag.mean():.0%}. "
        f"It tells Shakespeare from his shuffled letters in {np.mean(told['GRU, shared']):.0%}, a bag in "
        f"{np.mean(told['bag of words']):.0%}.",
        pictures=[
            Picture(
                "c09",
                "The same word, wherever it stands",
                "Left: how often the denied mood is named, by where the phrase begins; it was learned in "
                "the shaded part alone. Right: real or shuffled stretches of Shakespeare told apart.",
                picture(by_place, told),
            )
        ],
    )


def picture(by_place, told):
    figure, axes = draw.mosaic([["lines", "bars"]], 9.4, 3.2, width_ratios=[1.5, 1])
    colors = {"GRU, shared": draw.TIME, "GRU, not shared": draw.SERIES[3], "bag of words": draw.GREY}
    axes["lines"].axvspan(0.6, len(LEARNED) + 0.4, color=draw.LINE, alpha=0.5, lw=0)
    axes["lines"].text(0.8, 1.04, "learned here", fontsize=8.5, color=draw.SOFT)
    draw.lines(
        axes["lines"],
        by_place,
        "denied mood named",
        "the phrase begins at word",
        ["bag of words"],
        0.5,
        colors,
    )
    axes["lines"].set(xticks=range(1, STEPS - 1), ylim=(-0.06, 1.14))
    shown = {"GRU": told["GRU, shared"], "bag of letters": told["bag of words"]}
    draw.bars(axes["bars"], shown, "Shakespeare or shuffled", ["bag of letters"], color=draw.TIME, chance=0.5)
    return figure
