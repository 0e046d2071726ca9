"""C16: the mood of a tweet, read off the state that an RNN has after its last word.

The summary is that state and nothing else. Controls: the same network untrained, with a readout fitted to its
states; and the network trained on moods dealt out at random.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import loopnest
from loopnest import nn
from loopnest.data import Sentences
from loopnest.data.text import words
from loopnest.systems import sentiment
from loopnest.systems.claims import draw
from loopnest.systems.claims.evidence import Check, Finding
from loopnest.systems.claims.lab import Lab
from loopnest.systems.frame import Picture
from loopnest.systems.models import Bag, Recurrent

WIDTH, HIDDEN = 48, 48


def two_moods(held: Sentences) -> Sentences:
    """Negative (0) and positive (1) tweets; the neutral ones are left out, and negative ones to even
    numbers."""

    def even(rows: list[tuple[str, int]]) -> list[tuple[str, int]]:
        good = [(text, 1) for text, label in rows if label == 2]
        bad = [(text, 0) for text, label in rows if label == 0][: len(good)]
        return [one for pair in zip(bad, good, strict=False) for one in pair]

    return Sentences(even(held.train), even(held.dev), even(held.test), ["negative", "positive"])


def summaries(model: Recurrent, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The state after the last word of each tweet (n, HIDDEN)."""
    with loopnest.no_grad():
        states, _ = model.rnn(model.embedding(loopnest.tensor(ids[:, : lengths.max()])))
    return states.numpy()[np.arange(len(ids)), lengths - 1]


def readout(model: Recurrent, train: tuple, test: tuple) -> float:
    """How often least squares on the summaries of the training tweets names the mood of held-back ones."""
    a, b = (np.hstack([summaries(model, *part[:2]), np.ones((len(part[2]), 1))]) for part in (train, test))
    weights = np.linalg.solve(a.T @ a + 0.01 * np.eye(a.shape[1]), a.T @ (2.0 * train[2] - 1))
    return float(((b @ weights > 0) == test[2]).mean())


def right(model: nn.Module, test: tuple) -> float:
    return float((sentiment.scores(model, *test[:2]).argmax(1) == test[2]).mean())


def run(lab: Lab) -> Finding:
    held = two_moods(lab.tweets())
    encoded = sentiment.Encoded(held, lab.few(len(held.train), 1400))
    train, test = encoded.train, encoded.test
    first_half = (test[0], np.maximum(1, test[1] // 2), test[2])
    half_ids = np.where(np.arange(test[0].shape[1]) < first_half[1][:, None], test[0], 0)
    figures: dict[str, list[float]] = {
        name: [] for name in ("summary", "half", "bag", "untrained", "random moods")
    }
    kept: Any = None
    epochs = lab.few(8, 5)
    for seed in lab.seeds:
        make = partial(Recurrent, len(encoded.vocabulary), 2, nn.LSTM, WIDTH, HIDDEN)
        learn = partial(lab.learn, seed, epochs=epochs, rate=4e-3, batch=32, loss=sentiment.loss_of)
        model = learn(make, train)
        kept = kept or model
        figures["summary"].append(right(model, test))
        figures["half"].append(right(model, (half_ids, *first_half[1:])))
        figures["bag"].append(right(learn(partial(Bag, len(encoded.vocabulary), 2, WIDTH), train), test))
        loopnest.manual_seed(seed)
        figures["untrained"].append(readout(make().eval(), train, test))
        dealt = np.random.default_rng(seed).permutation(train[2])
        figures["random moods"].append(right(learn(make, (*train[:2], dealt)), test))
    get = {name: np.array(row) for name, row in figures.items()}
    return Finding(
        done=f"{len(train[2]):,} tweets to airlines to learn from, {len(test[2])} held back, as many "
        f"negative as positive (chance 50 %). The summary: the {HIDDEN} numbers of an LSTM's state after "
        "the last word.",
        checks=[
            Check("mood named from the summary", get["summary"], 0.7),
            Check(
                "summary of the whole tweet less that of its first half", get["summary"] - get["half"], 0.02
            ),
            Check(
                "summary: trained less untrained with a readout",
                get["summary"] - get["untrained"],
                0.05,
                control=True,
            ),
            Check("learned from moods dealt out at random", get["random moods"], 0.6, "below", control=True),
        ],
        say=f"From the state after the last word the mood of {get['summary'].mean():.0%} of held-back tweets "
        f"is named, after half of the words {get['half'].mean():.0%}; from the states of an untrained "
        f"network {get['untrained'].mean():.0%}. A bag of words names {get['bag'].mean():.0%}: that the "
        "order of words is needed is not said by this.",
        pictures=[
            Picture(
                "c16",
                "A tweet's mood, word by word",
                "Left: the chance of a positive mood after every word of three held-back tweets. Right: "
                "held-back tweets by what the readout makes of their summary.",
                picture(kept, encoded, held),
            )
        ],
    )


def picture(model: Recurrent, encoded: sentiment.Encoded, held: Sentences):
    figure, axes = draw.mosaic([["t0", "map"], ["t1", "map"], ["t2", "map"]], 9.4, 4.6, width_ratios=[2.3, 1])
    ids, lengths, labels = encoded.test
    known = np.array([(row[:n] > 1).mean() for row, n in zip(ids, lengths, strict=True)])
    chance = positive(model, ids, lengths)
    fit = (lengths > 6) & (lengths < 15)
    swing = np.where(fit, np.abs(np.diff(chance, axis=1)).sum(1) * known, -1)
    last = chance[np.arange(len(ids)), lengths - 1]
    sure = np.where(labels == 1, last, 1 - last) > 0.7
    picks = [*np.argsort(-(swing * sure * (labels == 1)))[:2], np.argmax(swing * sure * (labels == 0))]
    for place, k in enumerate(picks):
        ax, n = axes[f"t{place}"], int(lengths[k])
        ax.bar(
            range(n), chance[k, :n] - 0.5, color=[draw.SPACE if c > 0.5 else draw.TIME for c in chance[k, :n]]
        )
        ax.axhline(0, color=draw.LINE, lw=1)
        ax.set(ylim=(-0.55, 0.55), yticks=[-0.5, 0.5], yticklabels=["negative", "positive"])
        told = words(held.test[int(k)][0])[:n]
        ax.set_xticks(range(n), [word[:11] for word in told], rotation=28, ha="right", fontsize=8)
        ax.tick_params(axis="y", labelsize=8)
    ax, lean = axes["map"], np.log(last / (1 - last))
    edges = np.linspace(lean.min(), lean.max(), 24)
    for mood, color in ((0, draw.TIME), (1, draw.SPACE)):
        ax.hist(lean[labels == mood], edges, color=color, alpha=0.65, label=encoded.classes[mood])
    ax.axvline(0, color=draw.INK, lw=0.9, ls=(0, (2, 2)))
    ax.set(title="summaries of held-back tweets", xlabel="lean of the readout", yticks=[])
    ax.legend(frameon=False, fontsize=8.5)
    return figure


def positive(model: Recurrent, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The chance of a positive mood after every word (n, longest)."""
    with loopnest.no_grad():
        states, _ = model.rnn(model.embedding(loopnest.tensor(ids[:, : lengths.max()])))
        scores = model.out(states).numpy()
    return 1 / (1 + np.exp(scores[..., 0] - scores[..., 1]))
