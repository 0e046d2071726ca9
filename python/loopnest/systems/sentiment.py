"""The mood of a sentence or a tweet, read by a bag of words, a CNN and recurrent networks (C16).

    loopnest run sentiment --data DIR [--text "what a great film"]
    loopnest run sentiment --data my.tsv

DIR holds the film reviews MR (rt-polarity.*), SST-2 (stsa.binary.*) and the airline tweets; a file of one's
own has a line "label<TAB>sentence" each. Every word vector starts at random: nothing but these sentences is
learned from.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import numpy as np

import loopnest
from loopnest import data, metrics, nn, optim
from loopnest.data import DataLoader, Sentences, TensorDataset, Vocabulary
from loopnest.data.text import words
from loopnest.systems import pictures
from loopnest.systems.frame import BASE, Options, Picture, Result, Row, parameters
from loopnest.systems.models import Bag, Recurrent, TextCNN, padded

INPUTS = {"text": "a sentence"}
MODEL = "model"
NEEDS = BASE
BATCH, LENGTH = 50, 40  # sentences a step, words of a sentence at most

Sets = dict[str, tuple[Callable[..., Sentences], int]]
SETS: Sets = {"MR": (data.mr, 8), "SST-2": (data.sst2, 8), "tweets": (data.tweets, 6)}  # and epochs


def models(vocabulary: int, classes: int) -> dict[str, Callable[[], nn.Module]]:
    """The competitors by name: functions that make a new one."""
    return {
        "LSTM": lambda: Recurrent(vocabulary, classes, nn.LSTM),
        "GRU": lambda: Recurrent(vocabulary, classes, nn.GRU),
        "TextCNN": lambda: TextCNN(vocabulary, classes),
        "bag of words": lambda: Bag(vocabulary, classes),
    }


class Encoded:
    """A set of sentences as numbers, `few` of the training part: by chance, for sets may be in order."""

    def __init__(self, held: Sentences, few: int) -> None:
        order = np.random.default_rng(0).permutation(len(held.train))[:few]
        train = held.train if few >= len(held.train) else [held.train[k] for k in order]
        self.vocabulary = Vocabulary.of_words([words(text) for text, _ in train], minimum=2)
        self.classes = held.classes
        self.train = self.arrays(train)
        self.test = self.arrays(held.test)
        self.test_texts = [text for text, _ in held.test]

    def arrays(self, rows: list[tuple[str, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """ids (n, LENGTH), lengths (n,), labels (n,)."""
        ids, lengths = padded([self.vocabulary.encode(words(text)) for text, _ in rows], LENGTH)
        return ids, lengths, np.array([label for _, label in rows], np.int64)


def loss_of(model: nn.Module, batch: tuple) -> loopnest.Tensor:
    ids, lengths, labels = batch
    return nn.functional.cross_entropy(model(ids, lengths), labels)


def scores(model: nn.Module, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(n, classes), in batches, nothing recorded."""
    model.eval()
    with loopnest.no_grad():
        return np.concatenate(
            [
                model(loopnest.tensor(ids[k : k + 256]), loopnest.tensor(lengths[k : k + 256])).numpy()
                for k in range(0, len(ids), 256)
            ]
        )


def learn(options: Options, file: str, model: nn.Module, encoded: Encoded, epochs: int) -> tuple[float, Any]:
    """Train a model; returns its accuracy on the held-back part after the last epoch, and the Trainer."""
    ids, lengths, labels = encoded.test
    trainer = options.trainer(file, model, optim.Adam(model.parameters(), 1e-3), loss_of, clip_norm=3.0)
    trainer.fit(
        DataLoader(TensorDataset(*encoded.train), batch_size=BATCH, shuffle=True),
        epochs,
        validate=lambda m: {"accuracy": metrics.accuracy(scores(m, ids, lengths), labels)},
        resume=options.resume,
    )
    return trainer.history[-1]["accuracy"], trainer


def load(options: Options) -> dict[str, tuple[Sentences, int]]:
    """The sets to learn, and how many epochs each."""
    if options.file:
        return {options.file.stem: (data.sentences(options.file), 8)}
    wanted = {"MR": SETS["MR"]} if options.quick else SETS
    return {name: (read(options.data), epochs) for name, (read, epochs) in wanted.items()}


def run(options: Options) -> Result:
    rows: dict[str, Row] = {}
    history, kept = {}, None
    sets = load(options)
    for set_name, (held, epochs) in sets.items():
        encoded = Encoded(held, options.few(len(held.train), 600))
        few = options.few(epochs, 2)
        for name, make in models(len(encoded.vocabulary), len(encoded.classes)).items():
            loopnest.manual_seed(options.seed)
            model = make()
            file = f"{set_name}-{name}".replace(" ", "-").lower()
            accuracy, trainer = learn(options, file, model, encoded, few)
            bag = name.startswith("bag")
            row = rows.setdefault(name, Row(name, {}, 0.0, parameters(model), baseline=bag))
            row.figures[set_name] = accuracy
            row.seconds = (row.seconds or 0.0) + trainer.seconds
            history[f"{name}, {set_name}"] = trainer.history
            if kept is None:
                kept = (model, encoded)
        common = np.bincount(encoded.train[2]).argmax()
        most = rows.setdefault("the most frequent label", Row("the most frequent label", {}, baseline=True))
        most.figures[set_name] = float(np.mean(encoded.test[2] == common))
    assert kept is not None
    model, encoded = kept
    options.keep(MODEL, model, tokens=encoded.vocabulary.tokens, classes=encoded.classes)
    first = next(iter(sets))
    return Result(
        name="sentiment",
        title="The mood of a sentence",
        about="Accuracy on sentences held back, after the last epoch. Words that occur once in training are "
        f"unknown words; sentences are cut at {LENGTH} words. Adam 1e-3, batches of {BATCH}, dropout 0.5.",
        rows=list(rows.values()),
        columns={name: (name, ".1%") for name in sets},
        say=f"On {first} the LSTM's summary of the sentence gives {rows['LSTM'].figures[first]:.1%}, the "
        f"CNN's key phrases {rows['TextCNN'].figures[first]:.1%}, a bag of words "
        f"{rows['bag of words'].figures[first]:.1%}.",
        pictures=[
            Picture(
                "words",
                "Where the mood turns",
                "The LSTM's answer after every word of two held-back sentences: above the line the last "
                "class, below it the first. It was only ever trained on the state after the last word.",
                word_by_word(cast(Recurrent, model), encoded),
            ),
            Picture(
                "curves",
                "Learning",
                "Training loss, and accuracy on the held-back sentences after every epoch.",
                pictures.curves(
                    {k: v for k, v in history.items() if k.endswith(first)},
                    {"accuracy": "held-back accuracy"},
                ),
            ),
        ],
        samples=[say_of(model, encoded.vocabulary, encoded.classes, text) for text in EXAMPLES],
        notes=[
            "At this size a bag of words does about as well as the networks: these sets show that a system "
            "learns, not "
            "that it uses the order of words. `loopnest run faceoff` has tasks that only order decides."
        ],
        history=history,
    )


EXAMPLES = (
    "a warm , funny and surprisingly touching film",
    "two hours of my life that i will never get back",
    "not bad at all",
)


def say_of(model: nn.Module, vocabulary: Vocabulary, classes: list[str], text: str) -> str:
    """A sentence and what the model makes of it."""
    ids, lengths = padded([vocabulary.encode(words(text))], LENGTH)
    scored = scores(model, ids, lengths)[0]
    chance = np.exp(scored - scored.max())
    chance /= chance.sum()
    best = int(chance.argmax())
    return f"{text}\n  {classes[best]} ({chance[best]:.0%})"


def word_by_word(model: Recurrent, encoded: Encoded):
    """The chance of the last class against the first after each word, for two sentences of middling
    length."""
    ids, lengths, labels = encoded.test
    some = []
    for wanted in (0, len(encoded.classes) - 1):
        mine = np.flatnonzero(labels == wanted) if (labels == wanted).any() else np.arange(len(labels))
        some.append(int(mine[np.abs(lengths[mine] - 14).argmin()]))
    figure, axes = pictures.new(9.4, 4.6, 2, 1, squeeze=False)
    for ax, k in zip(axes[:, 0], some, strict=True):
        count = int(lengths[k])
        with loopnest.no_grad():
            states, _ = model.rnn(model.embedding(loopnest.tensor(ids[k : k + 1, :count])))
            scored = model.out(states[0]).numpy()
        lean = scored[:, -1] - scored[:, 0]
        colors = [pictures.SERIES[0] if v > 0 else pictures.SERIES[1] for v in lean]
        ax.bar(range(count), lean, color=colors)
        ax.axhline(0, color=pictures.LIGHT["line"], lw=1)
        told = re.findall(r"\S+", " ".join(words(encoded.test_texts[k])))[:count]
        ax.set_xticks(range(count), told, rotation=38, ha="right", fontsize=8.5)
        names = encoded.classes
        ax.set_title(f"is {names[int(labels[k])]}; {names[-1]} above, {names[0]} below")
    return figure


def apply(options: Options) -> str:
    """The mood of the user's sentence."""
    facts = options.facts(MODEL)
    vocabulary = Vocabulary(facts["tokens"])
    model = Recurrent(len(vocabulary), len(facts["classes"]), nn.LSTM)
    options.restore(MODEL, model)
    text = options.inputs["text"]
    if not words(text):
        raise ValueError("--text: expected at least one word")
    return say_of(model, vocabulary, facts["classes"], text)
