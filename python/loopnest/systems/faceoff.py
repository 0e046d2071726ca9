"""CNN, GRU, LSTM, TCN and a bag of words over language tasks, after Yin, Kann, Yu, Schuetze 2017 (C15).

    loopnest run faceoff --data DIR

Real sentences (TREC, MR, SST-2, tweets), real sentences against their words shuffled (only order tells), and
the first of T symbols named at the end (only memory tells), with a dial for T on which the distance is found
from where a model falls behind the GRU. Every figure is a mean over seeds with a 95 % interval. The networks
have equal numbers of parameters; they are compared after equal epochs and after equal seconds of training.
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
from loopnest.systems.frame import BASE, Options, Picture, Result, Row, parameters
from loopnest.systems.models import TCN, Bag, Recurrent, Steps, TextCNN, table

MODEL = "trec-cnn"
NEEDS = BASE
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
    """The competitors by name. Beside the word vectors, which all have, the networks are of equal size:
    132,000 parameters within 1.3 %, those of the last layer left out."""
    return {
        "CNN": lambda: TextCNN(vocabulary, classes, maps=86),
        "GRU": lambda: Recurrent(vocabulary, classes, nn.GRU, hidden=155),
        "LSTM": lambda: Recurrent(vocabulary, classes, nn.LSTM, hidden=128),
        "TCN": lambda: WordTCN(vocabulary, classes, hidden=67),
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

    def __init__(self, maps: int = 64) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv1d(4, maps, span) for span in (3, 4, 5)])
        self.out = nn.Linear(3 * maps, 4)

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


# All of 13,700 parameters within 2 %.
LATCH: dict[str, Callable[[], nn.Module]] = {
    "CNN": lambda: Pooled(217),
    "GRU": lambda: Last(Steps(nn.GRU, 4, 4, 64, open_gate=3.0)),
    "LSTM": lambda: Last(Steps(nn.LSTM, 4, 4, 55, open_gate=3.0)),
    "TCN": lambda: Last(TCN(4, 4, 25, 4, 3)),
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


class Dial:
    """The distance T as a dial: accuracies by T and model, each measured when it is first asked for."""

    def __init__(self, measure: Callable[[str, int, int], float], seeds: list[int]) -> None:
        self.measure, self.seeds = measure, seeds
        self.found: dict[str, dict[int, list[float]]] = {}

    def at(self, name: str, steps: int) -> list[float]:
        """Accuracies of a model at distance `steps`, one per seed."""
        mine = self.found.setdefault(name, {})
        if steps not in mine:
            mine[steps] = [self.measure(name, steps, seed) for seed in self.seeds]
        return mine[steps]

    def behind(self, name: str, steps: int) -> bool:
        """Whether the GRU leads by more than 5 points, with the whole interval over the seeds."""
        gap = [a - b for a, b in zip(self.at("GRU", steps), self.at(name, steps), strict=True)]
        return float(np.mean(gap)) - interval(gap) > 0.05

    def crossing(self, name: str, points: tuple[int, ...]) -> int | None:
        """The distance from which a model is behind the GRU, found by halving the step of the dial on which
        it happens; None: at no point of the dial."""
        beyond = [k for k, steps in enumerate(points) if self.behind(name, steps)]
        if not beyond:
            return None
        high = points[beyond[0]]
        low = points[beyond[0] - 1] if beyond[0] else high - 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.behind(name, middle) else (middle, high)
        return high


def in_time(histories: dict[str, list[dict[str, Any]]], among: list[str]) -> dict[str, float]:
    """The accuracy of each model of `among` when the fastest of them has ended its last epoch: after its own
    last epoch within that time (the first, if none is)."""
    ends = {name: np.cumsum([record["seconds"] for record in histories[name]]) for name in among}
    budget = min(end[-1] for end in ends.values())
    epochs = {name: max(1, int(np.searchsorted(end, budget, "right"))) for name, end in ends.items()}
    return {name: histories[name][epochs[name] - 1]["accuracy"] for name in among}


class Found:
    """What was measured: accuracies per seed by model and task, seconds and parameters by model, histories
    by training."""

    def __init__(self) -> None:
        self.figures: dict[str, dict[str, list[float]]] = {}
        self.seconds: dict[str, float] = {}
        self.counts: dict[str, int] = {}
        self.history: dict[str, list[dict[str, Any]]] = {}

    def note(self, name: str, task: str, accuracy: float) -> None:
        self.figures.setdefault(name, {}).setdefault(task, []).append(accuracy)

    def rows(self) -> list[Row]:
        return [
            Row(
                name,
                {task: float(np.mean(v)) for task, v in mine.items()}
                | {f"{task}±": interval(v) for task, v in mine.items() if len(v) > 1},
                self.seconds.get(name),
                self.counts.get(name),
                baseline=name == "bag of words",
            )
            for name, mine in self.figures.items()
        ]

    def tasks(self) -> list[str]:
        """In the order in which they were measured."""
        return list({task: None for name in self.counts for task in self.figures[name]})

    def winners(self) -> dict[str, list[str]]:
        """The best models of each task after equal epochs: the one with the highest mean, and those whose gap
        to it, seed by seed, is within its 95 % interval. With one seed there is no interval, and no best."""
        won: dict[str, list[str]] = {}
        for task in self.tasks():
            values = {name: self.figures[name][task] for name in self.counts if task in self.figures[name]}
            if min(map(len, values.values())) < 2:
                continue
            best = max(values, key=lambda name: float(np.mean(values[name])))
            gaps = {
                name: [a - b for a, b in zip(values[best], mine, strict=True)]
                for name, mine in values.items()
            }
            won[task] = [name for name, gap in gaps.items() if float(np.mean(gap)) <= interval(gap)]
        return won


def sets_of(options: Options) -> dict[str, tuple[Sentences, int]]:
    """The sets of sentences, and how many epochs each."""
    if options.quick:
        return {"TREC": (data.trec(options.data), 1), "order": (shuffled(data.mr(options.data)), 1)}
    return {
        "TREC": (data.trec(options.data), 15),
        "MR": (data.mr(options.data), 8),
        "SST-2": (data.sst2(options.data), 8),
        "tweets": (data.tweets(options.data), 6),
        "order": (shuffled(data.mr(options.data)), 3),
    }


def over_sentences(options: Options, seeds: list[int], found: Found) -> None:
    """Every model on every set of sentences, with every seed."""
    for task, (held, epochs) in sets_of(options).items():
        encoded = sentiment.Encoded(held, options.few(len(held.train), 400))
        for seed in seeds:
            mine = {}
            for name, make in models(len(encoded.vocabulary), len(encoded.classes)).items():
                loopnest.manual_seed(seed)
                model, file = make(), file_of(task, name, seed)
                accuracy, trainer = sentiment.learn(options, file, model, encoded, epochs)
                found.note(name, task, accuracy)
                found.seconds[name] = found.seconds.get(name, 0.0) + trainer.seconds
                found.counts.setdefault(name, parameters(model))
                found.history[file] = mine[name] = trainer.history
                if file == file_of("TREC", "CNN", seeds[0]):
                    options.keep(MODEL, model, tokens=encoded.vocabulary.tokens, classes=encoded.classes)
            for name, accuracy in in_time(mine, list(LATCH)).items():
                found.note(f"{name}, equal time", task, accuracy)


def file_of(task: str, name: str, seed: int) -> str:
    return f"{task}-{name}-{seed}".replace(" ", "-").lower()


def run(options: Options) -> Result:
    seeds = [options.seed + k for k in range(options.few(5, 1))]
    found = Found()
    over_sentences(options, seeds, found)
    dial = Dial(
        lambda name, steps, seed: remembered(options, name, steps, seed, found.history),
        seeds[: options.few(3, 1)],
    )
    points = (5, 10) if options.quick else (5, 10, 20, 35, 50, 80)
    for name in LATCH:
        for steps in points:
            dial.at(name, steps)
        for steps in (10,) if options.quick else (20, 50):
            found.figures[name][f"first of {steps}"] = dial.at(name, steps)
    # One seed tells neither who is best nor where one falls behind.
    crossings = {} if len(seeds) == 1 else {name: dial.crossing(name, points) for name in ("CNN", "TCN")}
    mean = f"mean over {len(seeds)} seeds ({len(dial.seeds)} for first of T)"
    mean = "one seed" if len(seeds) == 1 else f"{mean}, with half of the 95 % interval (Student's t)"
    return Result(
        name="faceoff",
        title="CNN against GRU, LSTM, TCN and a bag of words",
        about=f"Accuracy on held-back rows, {mean}. The networks have equal numbers of parameters beside the "
        "word vectors. Best: all whose gap to the highest mean is within its own interval. Above after equal "
        "epochs; equal time: after as many seconds of training (the CPU's, if on one thread) as the fastest "
        "network takes for all its epochs. Parameters: on TREC, word vectors included; training: on all sets "
        "of sentences with all seeds. Order: a real sentence or its words shuffled (chance 50 %). First of "
        "T: name the first of T random symbols after the last (chance 25 %).",
        rows=found.rows(),
        columns={task: (task, ".1%") for task in found.tasks()},
        say=finding(found, crossings, points[-1]),
        pictures=[
            Picture(
                "dial",
                "How far back",
                "Naming the first of T symbols: pooled short convolutions lose it within tens of steps, a "
                "TCN before its reach ends, gated recurrence keeps it. A dashed line: from there on the GRU "
                "leads by more than 5 points.",
                dial_picture(dial, crossings),
            ),
            Picture(
                "time",
                "Accuracy against time",
                "Held-back accuracy on TREC after every epoch, over the seconds of training; the first seed.",
                time_picture(found.history, seeds[0]),
            ),
        ],
        history=found.history,
    )


def finding(found: Found, crossings: dict[str, int | None], last: int) -> str:
    """Who is best on what, and where one falls behind; with one seed the highest figures, which decide
    nothing."""
    winners = found.winners()
    if not winners:
        highest = {
            task: max(found.counts, key=lambda name: found.figures[name].get(task, [0.0])[0])
            for task in found.tasks()
        }
        told = "; ".join(
            f"{task}: {name} {found.figures[name][task][0]:.1%}" for task, name in highest.items()
        )
        return f"One seed tells no winner. Highest on {told}."
    always = set.intersection(*(set(names) for names in winners.values()))
    return (
        "Best on "
        + "; ".join(f"{task}: {', '.join(names)}" for task, names in winners.items())
        + (f". {' and '.join(sorted(always))} always. " if always else ": the winner changes with the task. ")
        + " ".join(crossed(name, at, last) for name, at in crossings.items())
    )


def crossed(name: str, at: int | None, last: int) -> str:
    """A crossing in a sentence."""
    if at is None:
        return f"The {name} is nowhere behind the GRU up to {last} symbols."
    return f"From {at} symbols on the {name} is behind the GRU."


def dial_picture(dial: Dial, crossings: dict[str, int | None]):
    figure, ax = pictures.new(9.4, 3.6)
    for color, (name, mine) in zip(pictures.SERIES, dial.found.items(), strict=False):
        steps = sorted(mine)
        means = [float(np.mean(mine[t])) for t in steps]
        # An interval of three seeds may reach beyond what an accuracy can be.
        around = [(interval(mine[t]), mean) for t, mean in zip(steps, means, strict=True)]
        halves = [[min(h, mean) for h, mean in around], [min(h, 1 - mean) for h, mean in around]]
        ax.errorbar(steps, means, halves, color=color, lw=1.8, marker="o", capsize=3, label=name)
        at = crossings.get(name)
        if at is not None:
            ax.axvline(at, color=color, lw=1, ls="--")
    ax.axhline(0.25, color=pictures.LIGHT["line"], lw=1)
    ax.set(xlabel="T", title="accuracy", ylim=(0.15, 1.05))
    ax.grid(True, axis="y")
    ax.legend(frameon=False, labelcolor="linecolor", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def time_picture(history: dict[str, list[dict[str, Any]]], seed: int):
    figure, ax = pictures.new(9.4, 3.6)
    for color, name in zip(pictures.SERIES, LATCH, strict=False):
        records = history[file_of("TREC", name, seed)]
        seconds = np.cumsum([record["seconds"] for record in records])
        ax.plot(seconds, [r["accuracy"] for r in records], color=color, lw=1.8, marker="o", label=name)
    ax.set(xlabel="seconds of training", title="held-back accuracy")
    ax.grid(True, axis="y")
    ax.legend(frameon=False, labelcolor="linecolor")
    return figure
