"""CNN, GRU, LSTM, TCN and a bag of words over language tasks, after Yin, Kann, Yu, Schuetze 2017 (C15).

    loopnest run faceoff --data DIR

Real sentences (TREC, MR, SST-2, tweets), real sentences against their words shuffled (only order tells), and
the first of T symbols named at the end (only memory tells), with a dial for T on which the crossing is
found. Every figure is a mean over seeds with a 95 % interval; models get equal epochs, and about equal
parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import loopnest
from loopnest import data, metrics, nn, optim
from loopnest.data import Drawn, Sentences
from loopnest.data.text import words
from loopnest.nn import functional as F
from loopnest.systems import pictures, sentiment
from loopnest.systems.frame import Options, Picture, Result, Row, parameters
from loopnest.systems.models import TCN, Bag, Recurrent, Steps, TextCNN, table

MODEL = "trec-cnn"
T95 = {1: 12.7, 2: 4.30, 3: 3.18, 4: 2.78}  # Student's t, 97.5 %, by degrees of freedom


class WordTCN(nn.Module):
    """A TCN over the words, the state after the last."""

    def __init__(self, vocabulary: int, classes: int, width: int = 128, hidden: int = 64) -> None:
        super().__init__()
        self.embedding = table(vocabulary, width)
        self.body = TCN(width, hidden, hidden, 4, 3)
        self.out = nn.Linear(hidden, classes)

    def forward(self, ids, lengths):
        longest = int(lengths.max().item())
        states = self.body(F.dropout(self.embedding(ids[:, :longest]), 0.5, self.training))
        return self.out(F.dropout(states[loopnest.arange(len(ids)), lengths - 1], 0.5, self.training))


def models(vocabulary: int, classes: int) -> dict[str, Callable[[], nn.Module]]:
    return {
        "CNN": lambda: TextCNN(vocabulary, classes),
        "GRU": lambda: Recurrent(vocabulary, classes, nn.GRU),
        "LSTM": lambda: Recurrent(vocabulary, classes, nn.LSTM),
        "TCN": lambda: WordTCN(vocabulary, classes),
        "bag of words": lambda: Bag(vocabulary, classes),
    }


def shuffled(held: Sentences) -> Sentences:
    """Each sentence of six or more words once as it is (1) and once with its words shuffled (0)."""
    rng = np.random.default_rng(0)

    def both(rows: list[tuple[str, int]]) -> list[tuple[str, int]]:
        out = []
        for text, _ in rows:
            tokens = words(text)
            if len(tokens) > 5:
                out += [(" ".join(tokens), 1), (" ".join(tokens[k] for k in rng.permutation(len(tokens))), 0)]
        return out

    return Sentences(both(held.train), both(held.dev), both(held.test), ["shuffled", "real"])


class Pooled(nn.Module):
    """Short convolutions and the maximum of each map: (n, t, 4) -> (n, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv1d(4, 64, span) for span in (3, 4, 5)])
        self.out = nn.Linear(192, 4)

    def forward(self, x):
        x = x.transpose(1, 2)
        return self.out(loopnest.cat([F.relu(conv(x)).amax(-1) for conv in self.convs], 1))


class Last(nn.Module):
    """The last step's answer of a model over steps."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x):
        return self.body(x)[:, -1]


LATCH: dict[str, Callable[[], nn.Module]] = {
    "CNN": Pooled,
    "GRU": lambda: Last(Steps(nn.GRU, 4, 4, 64, open_gate=3.0)),
    "LSTM": lambda: Last(Steps(nn.LSTM, 4, 4, 64, open_gate=3.0)),
    "TCN": lambda: Last(TCN(4, 4, 24, 4, 3)),
}


def first_of(steps: int, count: int) -> Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]:
    """Rows of `steps` random symbols, one-hot (count, steps, 4), and the first of each (the latch of Bengio
    1994)."""

    def make(rng: np.random.Generator):
        ids = rng.integers(0, 4, (count, steps))
        return np.eye(4, dtype=np.float32)[ids], ids[:, 0]

    return make


def latch_loss(model: nn.Module, batch: tuple) -> loopnest.Tensor:
    x, y = batch
    return F.cross_entropy(model(x), y)


def remembered(options: Options, name: str, steps: int, seed: int, history: dict) -> float:
    """Train to name the first of `steps` symbols; accuracy on 1,000 fresh rows."""
    loopnest.manual_seed(seed)
    model = LATCH[name]()
    adam = optim.Adam(model.parameters(), 3e-3)
    file = f"first-of-{steps}-{name.lower()}-{seed}"
    trainer = options.trainer(file, model, adam, latch_loss, clip_norm=1.0)
    trainer.fit(
        Drawn(first_of(steps, 64), options.few(150, 10), seed), options.few(10, 2), resume=options.resume
    )
    history[file] = trainer.history
    x, y = first_of(steps, 1000)(np.random.default_rng(9))
    with loopnest.no_grad():
        said = [model.eval()(loopnest.tensor(x[k : k + 250])).numpy() for k in range(0, 1000, 250)]
    return metrics.accuracy(np.concatenate(said), y)


def interval(values: list[float]) -> float:
    """Half of the 95 % interval of the mean (Student's t); 0 for a single value."""
    n = len(values)
    return 0.0 if n < 2 else T95.get(n - 1, 1.96) * float(np.std(values, ddof=1)) / n**0.5


def run(options: Options) -> Result:
    seeds = [options.seed + k for k in range(options.few(5, 1))]
    history: dict[str, list[dict[str, Any]]] = {}
    figures: dict[str, dict[str, list[float]]] = {}
    seconds: dict[str, float] = {}
    counts: dict[str, int] = {}
    sets = {
        "TREC": (data.trec(options.data), 15),
        "MR": (data.mr(options.data), 8),
        "SST-2": (data.sst2(options.data), 8),
        "tweets": (data.tweets(options.data), 6),
        "order": (shuffled(data.mr(options.data)), 3),
    }
    if options.quick:
        sets = {name: sets[name] for name in ("TREC", "order")}
    for task, (held, epochs) in sets.items():
        encoded = sentiment.Encoded(held, options.few(len(held.train), 400))
        for seed in seeds:
            for name, make in models(len(encoded.vocabulary), len(encoded.classes)).items():
                loopnest.manual_seed(seed)
                model = make()
                file = f"{task}-{name}-{seed}".replace(" ", "-").lower()
                accuracy, trainer = sentiment.learn(options, file, model, encoded, options.few(epochs, 1))
                figures.setdefault(name, {}).setdefault(task, []).append(accuracy)
                seconds[name] = seconds.get(name, 0.0) + trainer.seconds
                counts.setdefault(name, parameters(model))
                history[file] = trainer.history
                if task == "TREC" and name == "CNN" and seed == seeds[0]:
                    options.keep(MODEL, model, tokens=encoded.vocabulary.tokens, classes=encoded.classes)
    far_apart = (5, 10) if options.quick else (5, 10, 20, 35, 50, 80)
    dial: dict[int, dict[str, list[float]]] = {steps: {} for steps in far_apart}
    for steps, row in dial.items():
        for name in LATCH:
            row[name] = [
                remembered(options, name, steps, seed, history) for seed in seeds[: options.few(3, 1)]
            ]
    far = max(t for t in dial if t <= 50)
    for name in LATCH:
        figures[name][f"first of {far}"] = dial[far][name]
    columns = {task: task for one in figures.values() for task in one}
    rows = [
        Row(
            name,
            {task: float(np.mean(v)) for task, v in mine.items()}
            | {f"{task}±": interval(v) for task, v in mine.items()},
            seconds.get(name),
            counts.get(name),
            baseline=name == "bag of words",
        )
        for name, mine in figures.items()
    ]
    shown: dict[str, tuple[str, str]] = {}
    for task in columns:
        shown[task] = (task, ".1%")
        if len(seeds) > 1:
            shown[f"{task}±"] = ("±", ".1%")
    winners = {
        task: max((row.figures[task], row.model) for row in rows if task in row.figures)[1]
        for task in columns
    }
    return Result(
        name="faceoff",
        title="CNN against GRU, LSTM, TCN and a bag of words",
        about=f"Accuracy on held-back rows, mean over {len(seeds)} seeds, with half of the 95 % interval "
        f"(Student's t) where "
        "there are several. Order: a real sentence or its words shuffled (chance 50 %). First of T: name the "
        "first of T "
        "random symbols after the last (chance 25 %).",
        rows=rows,
        columns=shown,
        say="Best on "
        + ", ".join(f"{task}: {name}" for task, name in winners.items())
        + ": the winner changes with the task.",
        pictures=[
            Picture(
                "dial",
                "How far back",
                "Naming the first of T symbols: pooled short convolutions lose it within tens of steps, "
                "gated recurrence "
                "keeps it. The crossing is where the lines part.",
                dial_picture(dial),
            )
        ],
        history=history,
    )


def dial_picture(dial: dict[int, dict[str, list[float]]]):
    figure, ax = pictures.new(9.4, 3.6)
    for color, name in zip(pictures.SERIES, LATCH, strict=False):
        means = [float(np.mean(row[name])) for row in dial.values()]
        halves = [interval(row[name]) for row in dial.values()]
        ax.errorbar(list(dial), means, halves, color=color, lw=1.8, marker="o", capsize=3, label=name)
    ax.axhline(0.25, color=pictures.LIGHT["line"], lw=1)
    ax.set(xlabel="T", title="accuracy", ylim=(0.15, 1.05))
    ax.grid(True, axis="y")
    ax.legend(frameon=False, labelcolor="linecolor")
    return figure
