"""C12: a word is translated by what came before it.

Made up, after the statement: "dog" becomes "würstchen" where the last adjective was "hot", else "hund".
Then real sentences: English words that have two German forms, found by counting in Multi30k (such as
"playing": spielt, spielen), and a GRU that reads up to the word and says which form the German sentence has.
The controls: the word alone, without what came before; and the word behind the beginning of another
sentence.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import loopnest
from loopnest import nn
from loopnest.data import Vocabulary
from loopnest.nn import functional as F
from loopnest.systems import classify, translate
from loopnest.systems.claims import draw
from loopnest.systems.claims.evidence import Check, Finding
from loopnest.systems.claims.lab import Lab
from loopnest.systems.claims.nets import EachStep, Memoryless
from loopnest.systems.frame import Picture

WORDS = Vocabulary(
    ["the", "a", "and", "hot", "brown", "big", "old", *("dog", "man", "sun", "runs", "sits", ",", ".")]
)
DOG, HOT = WORDS["dog"], WORDS["hot"]
LONG = 8  # words of a sentence's beginning that are read at most


def menu(count: int):
    """Sentences of 10 words one-hot; for every "dog" 2 where the last adjective is "hot", else 1; 0
    elsewhere."""
    adjectives = [WORDS[w] for w in ("hot", "brown", "big", "old")]
    nouns = [WORDS[w] for w in ("dog", "dog", "man", "sun")]

    def make(rng: np.random.Generator):
        ids = np.full((count, 10), WORDS["."])
        answer = np.zeros((count, 10), np.int64)
        for row in ids:
            words: list[int] = []
            while len(words) < 10:
                first, second = rng.permutation(adjectives)[:2].tolist()
                more = [WORDS["and"], second] if rng.integers(2) else []
                article, verb = int(rng.integers(2)), int(rng.integers(10, 12))
                words += [article, first, *more, nouns[rng.integers(4)], verb, WORDS[","]]
            row[:] = words[:10]
        for r, c in np.argwhere(ids == DOG):
            last = [k for k in ids[r, :c] if k in adjectives]
            answer[r, c] = 2 if last and last[-1] == HOT else 1
        return np.eye(len(WORDS), dtype=np.float32)[ids], answer

    return make


def each_loss(model: nn.Module, batch: tuple) -> loopnest.Tensor:
    x, y = batch
    return F.cross_entropy(model(x).reshape(-1, 3), y.reshape(-1))


class Word(NamedTuple):
    """An English word, its two German forms, and sentences that have one of them: (words before it, form)."""

    english: str
    forms: tuple[str, str]
    told: list[tuple[list[str], int]]


def two_forms(pairs: list[tuple[list[str], list[str]]], most: int = 12) -> list[Word]:
    """English words whose two likeliest German words hardly ever stand in one sentence."""
    together: dict[str, dict[str, int]] = {}
    german: dict[str, int] = {}
    english: dict[str, int] = {}
    for a, b in pairs:
        for g in set(b):
            german[g] = german.get(g, 0) + 1
        for e in set(a):
            english[e] = english.get(e, 0) + 1
            mine = together.setdefault(e, {})
            for g in set(b):
                mine[g] = mine.get(g, 0) + 1
    found = []
    for e, count in english.items():
        if count < 60 or not e.isalpha():
            continue
        dice = {g: 2 * n / (count + german[g]) for g, n in together[e].items() if n > 0.15 * count}
        best = sorted(dice, key=lambda g: -dice[g])[:2]
        if len(best) < 2 or dice[best[1]] < 0.2 or not all(g.isalpha() for g in best):
            continue
        told = [
            (a[: a.index(e)], int(best[1] in b))
            for a, b in pairs
            if a.count(e) == 1 and (best[0] in b) != (best[1] in b)
        ]
        both = sum(best[0] in b and best[1] in b for a, b in pairs if e in a)
        share = np.mean([form for _, form in told])
        if len(told) >= 40 and both < 0.1 * len(told) and 0.2 < share < 0.8:
            found.append(Word(e, (best[0], best[1]), told))
    return sorted(found, key=lambda w: -len(w.told))[:most]


class Former(nn.Module):
    """Words up to the one in question (n, LONG + 1), padded in front -> scores of all words' forms."""

    def __init__(self, vocabulary: int, words: int, width: int = 32, hidden: int = 48) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.rnn = nn.GRU(width, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 2 * words)

    def forward(self, ids):
        return self.out(self.rnn(F.dropout(self.embedding(ids), 0.3, self.training))[0][:, -1])


def reader_of_menus(lab: Lab, seed: int, memory: bool) -> tuple[nn.Module, float]:
    """What names each word of a sentence, with what came before it or without; how often "dog" is right."""
    gru = nn.GRU(len(WORDS), 24, batch_first=True)
    dog = lab.practise(
        seed,
        lambda: EachStep(gru if memory else Memoryless(gru), 24, 3),
        menu(32),
        lab.few(400, 150),
        rate=1e-2,
        loss=each_loss,
    )
    sentences, true = menu(300)(np.random.default_rng(9))
    said = classify.scores(dog, sentences)[..., 1:].argmax(-1) + 1
    # both ways are asked for equally often: the mean of the shares of each
    return dog, float(np.mean([(said[true == k] == k).mean() for k in (1, 2)]))


def run(lab: Lab) -> Finding:
    held = lab.pairs()
    pairs = translate.tokens([*held.train, *held.dev, *held.test])
    words = two_forms(pairs)
    vocabulary = Vocabulary.of_words((a for a, _ in pairs), minimum=3, special=("<pad>", "<unk>"))
    rows, answers, which = [], [], []
    for number, word in enumerate(words):
        for before, form in word.told[: lab.few(2000, 400)]:
            ids = vocabulary.encode([*before[-LONG:], word.english])
            rows.append(np.pad(ids, (LONG + 1 - len(ids), 0)))
            answers.append(2 * number + form)
            which.append(number)
    x, y, kind = np.stack(rows), np.array(answers), np.array(which)
    test = np.random.default_rng(0).permutation(len(y)) % 4 == 0
    swapped = x[test].copy()
    for number in range(len(words)):
        mine = np.flatnonzero(kind[test] == number)
        swapped[mine] = swapped[np.roll(mine, 1)]
    counts = [np.bincount(y[~test & (kind == k)], minlength=2 * len(words)) for k in range(len(words))]
    usual = np.array(counts).argmax(1)
    alone = float((usual[kind[test]] == y[test]).mean())
    figures: dict[str, list[float]] = {name: [] for name in ("dog", "dog alone", "before", "other")}
    by_word: list[np.ndarray] = []
    kept = None
    for seed in lab.seeds:
        for name, memory in (("dog", True), ("dog alone", False)):
            dog, share = reader_of_menus(lab, seed, memory)
            figures[name].append(share)
            kept = dog if kept is None else kept
        model = lab.learn(
            seed, lambda: Former(len(vocabulary), len(words)), (x[~test], y[~test]), lab.few(8, 5), rate=4e-3
        )
        right = chosen_form(model, x[test], kind[test]) == y[test]
        figures["before"].append(right.mean())
        figures["other"].append((chosen_form(model, swapped, kind[test]) == y[test]).mean())
        by_word.append(np.array([right[kind[test] == k].mean() for k in range(len(words))]))
    mean = {name: float(np.mean(row)) for name, row in figures.items()}
    usually = [float((usual[k] == y[test & (kind == k)]).mean()) for k in range(len(words))]
    told = [f"{w.english} ({', '.join(w.forms)})" for w in words]
    return Finding(
        done="Made-up sentences of 10 words in which 'dog' is a sausage where the last adjective is 'hot'. "
        f"{len(y):,} beginnings of real sentences with one of {len(words)} English words of two German "
        f"forms: {'; '.join(told[:5])} ...; a quarter held back.",
        checks=[
            Check("'dog' told rightly, with what came before", figures["dog"], 0.9),
            Check(
                "real words: with what came before, less the usual form",
                np.array(figures["before"]) - alone,
                0.05,
            ),
            Check("'dog' alone (chance 50 %)", figures["dog alone"], 0.6, "below", control=True),
            Check(
                "real words behind the beginning of another sentence, less the usual form",
                np.array(figures["other"]) - alone,
                0.03,
                "below",
                control=True,
            ),
        ],
        say=f"With what came before it, 'dog' is told rightly in {mean['dog']:.0%}, alone in "
        f"{mean['dog alone']:.0%}. The German form of {len(words)} real words is right in "
        f"{mean['before']:.0%}, by the usual form in {alone:.0%}, behind another sentence's beginning in "
        f"{mean['other']:.0%}.",
        pictures=[
            Picture(
                "c12",
                "The same word, after other words",
                "Left: what the network makes of 'dog' in five contexts. Right: for real words with two "
                "German forms, how often the right one is chosen with what came before, and by the usual "
                "form alone (grey).",
                picture(kept, words, np.mean(by_word, 0), usually),
            )
        ],
    )


def chosen_form(model: Former, ids: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """The likelier of the two forms of each sample's word."""
    scores = classify.scores(model, ids)
    rows = np.arange(len(ids))
    return 2 * kind + (scores[rows, 2 * kind + 1] > scores[rows, 2 * kind])


def picture(model, words: list[Word], right: np.ndarray, usually: list[float]):
    figure, axes = draw.mosaic([["dog", "words"]], 9.4, 3.6, width_ratios=[1, 1.25])
    texts = [
        "a brown dog",
        "a hot dog",
        "a hot and big dog",
        "the big and hot dog",
        "the hot sun , the old dog",
    ]
    chances = []
    for text in texts:
        ids = WORDS.encode(text.split())
        with loopnest.no_grad():
            scores = model(loopnest.tensor(np.eye(len(WORDS), dtype=np.float32)[ids][None])).numpy()[
                0, -1, 1:
            ]
        chance = np.exp(scores - scores.max())
        chances.append(chance[1] / chance.sum())
    ax, places = axes["dog"], np.arange(len(texts))[::-1]
    ax.barh(places, chances, color=draw.TIME, height=0.62, label="würstchen")
    ax.barh(places, 1 - np.array(chances), left=chances, color=draw.SPACE, height=0.62, label="hund")
    ax.set_yticks(places, texts)
    ax.set(xlim=(0, 1), xticks=[])
    ax.set_title('"dog" becomes', pad=22)
    ax.legend(frameon=False, ncols=2, fontsize=9, loc="lower left", bbox_to_anchor=(-0.02, 0.98))
    order = np.argsort(right - usually)[-8:]
    ax, places = axes["words"], np.arange(len(order))
    ax.barh(places, right[order], color=draw.TIME, height=0.62)
    ax.barh(places, np.array(usually)[order], color=draw.GREY, height=0.3)
    ax.set_yticks(places, [f"{words[k].english}: {' / '.join(words[k].forms)}" for k in order])
    for place, k in zip(places, order, strict=True):
        ax.text(right[k] + 0.01, place, f"{right[k]:.0%}", va="center", fontsize=9)
    ax.set(xlim=(0, 1.12), xticks=[], title="the right German form chosen")
    for one in axes.values():
        one.tick_params(axis="y", length=0, labelcolor=draw.INK)
        one.spines["bottom"].set_visible(False)
    return figure
