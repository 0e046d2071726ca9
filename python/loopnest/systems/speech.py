"""Spoken digits: a CNN and recurrent networks on log-mel frames, and strings of digits by CTC (C13).

    loopnest run speech --data DIR [--wav my.wav]

DIR holds fsdd_900_mulaw.npz, or wav files of one's own named digit_speaker_index.wav. Single digits are
named by a CNN, a GRU and an LSTM. Strings of three to six digits, set one behind the other with pauses, are
written down by a GRU trained with CTC (Graves et al. 2006), which is never told where a digit begins.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import loopnest
from loopnest import data, metrics, nn, optim
from loopnest.data import DataLoader, Drawn, Spoken, TensorDataset
from loopnest.nn import functional as F
from loopnest.systems import pictures
from loopnest.systems.frame import BASE, Options, Picture, Result, Row, parameters

INPUTS = {"wav": "a recording of spoken digits"}
MODEL = "ctc"
NEEDS = BASE
FRAMES, BANDS, PAUSE = 64, 40, 8  # frames of a digit at most, mel bands, frames of a pause at most
BLANK = 0  # of CTC; digit k is k + 1


class Recurrent(nn.Module):
    """(n, frames, bands) -> (n, 10), from the mean state."""

    def __init__(self, cell: Callable[..., nn.Module], hidden: int = 96) -> None:
        super().__init__()
        self.rnn = cell(BANDS, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 10)

    def forward(self, x):
        return self.out(F.dropout(self.rnn(x)[0].mean(1), 0.3, self.training))


class CNN(nn.Module):
    """(n, frames, bands) -> (n, 10): the frames as a picture."""

    def __init__(self) -> None:
        super().__init__()

        def part(inputs: int, outputs: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)
            )

        self.body = nn.Sequential(part(1, 16), part(16, 32), part(32, 64))
        self.out = nn.Linear(64 * (BANDS // 8), 10)

    def forward(self, x):
        h = self.body(x.unsqueeze(1)).mean(2).flatten(1)
        return self.out(F.dropout(h, 0.3, self.training))


class Writer(nn.Module):
    """(n, frames, bands) -> log chances of blank and the digits (n, frames, 11), for CTC."""

    def __init__(self, hidden: int = 96) -> None:
        super().__init__()
        self.rnn = nn.GRU(BANDS, hidden, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hidden, 11)

    def forward(self, x):
        states = F.dropout(self.rnn(x)[0], 0.3, self.training)
        return F.log_softmax(self.out(states), -1)


def fitted(frames: np.ndarray) -> np.ndarray:
    """Cut or padded with zeros to FRAMES."""
    out = np.zeros((FRAMES, BANDS), np.float32)
    out[: min(FRAMES, len(frames))] = frames[:FRAMES]
    return out


def prepared(spoken: Spoken, count: int | None = None) -> list[np.ndarray]:
    """The log-mel frames (t, BANDS) of the first `count` recordings; None: of all."""
    return [data.log_mel(sound, spoken.rate, BANDS) for sound in spoken.sounds[:count]]


def strings(frames: list[np.ndarray], digits: np.ndarray, count: int, rng: np.random.Generator):
    """A batch of spoken strings: frames (count, longest, bands), their lengths, digits (count, 6), how
    many.

    Of each recording the first FRAMES count, as where single digits are named."""
    rows, said = [], []
    for _ in range(count):
        picked = rng.integers(0, len(frames), rng.integers(3, 7))
        parts = []
        for k in picked:
            one = frames[k][:FRAMES]
            parts += [one, np.full((rng.integers(1, PAUSE + 1), BANDS), one.min(), np.float32)]
        rows.append(np.concatenate(parts))
        said.append(digits[picked] + 1)
    longest = max(len(row) for row in rows)
    x = np.zeros((count, longest, BANDS), np.float32)
    y = np.zeros((count, 6), np.int64)
    for k, (row, spoken) in enumerate(zip(rows, said, strict=True)):
        x[k, : len(row)] = row
        y[k, : len(spoken)] = spoken
    lengths = np.array([len(row) for row in rows], np.int64)
    return x, lengths, y, np.array([len(s) for s in said], np.int64)


def ctc(model: nn.Module, batch: tuple) -> loopnest.Tensor:
    x, lengths, y, counts = batch
    return F.ctc_loss(model(x).transpose(0, 1), y, lengths, counts, blank=BLANK)


def collapse(row: np.ndarray) -> list[int]:
    """The best path read as CTC says: repeats merged, blanks dropped; digits 0 to 9."""
    kept = [int(k) for place, k in enumerate(row) if place == 0 or k != row[place - 1]]
    return [k - 1 for k in kept if k != BLANK]


def written(model: nn.Module, x: np.ndarray, lengths: np.ndarray) -> list[list[int]]:
    """The digits that the model hears in each row."""
    with loopnest.no_grad():
        best = model(loopnest.tensor(x)).numpy().argmax(-1)
    return [collapse(row[:length]) for row, length in zip(best, lengths, strict=True)]


def loss_of(model: nn.Module, batch: tuple) -> loopnest.Tensor:
    x, y = batch
    return F.cross_entropy(model(x), y)


def scores(model: nn.Module, x: np.ndarray) -> np.ndarray:
    with loopnest.no_grad():
        return model.eval()(loopnest.tensor(x)).numpy()


def run(options: Options) -> Result:
    spoken = data.spoken_digits(options.data)
    frames = prepared(spoken)
    test = spoken.test
    x = np.stack([fitted(f) for f in frames])
    learned = TensorDataset(x[~test], spoken.digit[~test])
    rows, history, said = [], {}, {}
    kinds: list[tuple[str, Callable[[], nn.Module], int]] = [
        ("CNN 16-32-64", CNN, options.few(15, 3)),
        ("GRU-96", lambda: Recurrent(nn.GRU), options.few(40, 4)),
        ("LSTM-96", lambda: Recurrent(nn.LSTM), options.few(40, 4)),
    ]
    for name, make, epochs in kinds:
        loopnest.manual_seed(options.seed)
        model = make()
        trainer = options.trainer(
            name.lower().replace(" ", "-"),
            model,
            optim.Adam(model.parameters(), 2e-3),
            loss_of,
            clip_norm=1.0,
        )
        trainer.fit(
            DataLoader(learned, batch_size=32, shuffle=True),
            epochs,
            validate=lambda m: {"accuracy": metrics.accuracy(scores(m, x[test]), spoken.digit[test])},
            resume=options.resume,
        )
        said[name] = scores(model, x[test])
        accuracy = metrics.accuracy(said[name], spoken.digit[test])
        rows.append(Row(name, {"accuracy": accuracy}, trainer.seconds, parameters(model)))
        history[name] = trainer.history
        options.keep(name.lower().replace(" ", "-"), model)
    rows.append(template_row(x, spoken))
    writer, trainer, error, held = learn_strings(options, frames, spoken)
    rows.append(Row("GRU-96 both ways, CTC", {"errors": error}, trainer.seconds, parameters(writer)))
    history["CTC"] = trainer.history
    options.keep(MODEL, writer)
    return Result(
        name="speech",
        title="Spoken digits, one by one and in strings",
        about=f"{int((~test).sum())} recordings by {len(spoken.speakers)} speakers to learn from, "
        f"{int(test.sum())} held back. Log-mel frames every 16 ms. Strings are put together from recordings "
        "of the same part; the error rate is the edit distance over the number of digits spoken, on "
        f"{len(held[0])} held-back strings.",
        rows=rows,
        columns={"accuracy": ("single digits", ".1%"), "errors": ("errors in strings", ".1%")},
        say=f"The CNN names {rows[0].figures['accuracy']:.1%} of the held-back digits, the GRU "
        f"{rows[1].figures['accuracy']:.1%}, the nearest recording {rows[3].figures['accuracy']:.1%}; "
        f"strings of three to six digits are written with {error:.1%} errors.",
        pictures=[
            Picture(
                "string",
                "A string, as CTC hears it",
                "Above the log-mel frames of a held-back string; below the chance of each digit at every "
                "frame. A digit is a short peak, and blank in between.",
                heard(writer, *(part[:1] for part in held)),
            ),
            Picture(
                "curves",
                "Learning",
                "Training loss, and accuracy on the held-back recordings after every epoch.",
                pictures.curves(
                    {k: v for k, v in history.items() if k != "CTC"}, {"accuracy": "held-back accuracy"}
                ),
            ),
        ],
        samples=[transcript(writer, held)],
        history=history,
    )


def template_row(x: np.ndarray, spoken: Spoken) -> Row:
    """A baseline without learning: the nearest training recording, frame by frame."""
    learn, test = x[~spoken.test].reshape(-1, FRAMES * BANDS), x[spoken.test].reshape(-1, FRAMES * BANDS)
    far = (test**2).sum(1)[:, None] - 2 * test @ learn.T + (learn**2).sum(1)
    said = spoken.digit[~spoken.test][far.argmin(1)]
    accuracy = metrics.accuracy(said, spoken.digit[spoken.test])
    return Row("nearest recording", {"accuracy": accuracy}, baseline=True)


def learn_strings(options: Options, frames: list[np.ndarray], spoken: Spoken):
    """Train the writer; returns it, its Trainer, its error rate and the held-back strings."""
    parts = {held: [k for k in range(len(frames)) if spoken.test[k] == held] for held in (False, True)}

    def make(rng: np.random.Generator, held: bool = False, count: int = 16):
        mine = parts[held]
        return strings([frames[k] for k in mine], spoken.digit[mine], count, rng)

    loopnest.manual_seed(options.seed)
    model = Writer()
    adam = optim.Adam(model.parameters(), 3e-3)
    trainer = options.trainer(MODEL, model, adam, ctc, clip_norm=1.0)
    held = make(np.random.default_rng(9), held=True, count=options.few(200, 20))

    def validate(m: nn.Module) -> dict[str, float]:
        return {"errors": error_rate(m, held)}

    trainer.fit(
        Drawn(make, options.few(60, 10), options.seed),
        options.few(15, 2),
        validate=validate,
        resume=options.resume,
    )
    return model.eval(), trainer, error_rate(model.eval(), held), held


def error_rate(model: nn.Module, held: tuple) -> float:
    x, lengths, y, counts = held
    true = [(row[:n] - 1).tolist() for row, n in zip(y, counts, strict=True)]
    return metrics.error_rate(written(model, x, lengths), true)


def heard(model: nn.Module, x: np.ndarray, lengths: np.ndarray, y: np.ndarray, counts: np.ndarray):
    with loopnest.no_grad():
        chance = np.exp(model(loopnest.tensor(x)).numpy()[0, : lengths[0]])
    figure, (above, below) = pictures.new(9.4, 4.6, 2, 1, sharex=True)
    above.imshow(x[0, : lengths[0]].T, origin="lower", aspect="auto", cmap="Greys")
    above.set(yticks=[], title="spoken: " + " ".join(str(k - 1) for k in y[0, : counts[0]]))
    below.imshow(chance[:, 1:].T, origin="lower", aspect="auto", cmap="Oranges", vmin=0, vmax=1)
    below.set(yticks=range(0, 10, 3), xlabel="frames of 16 ms", ylabel="digit")
    return figure


def transcript(model: nn.Module, held: tuple) -> str:
    x, lengths, y, counts = (part[:5] for part in held)
    lines = [
        f"spoken {' '.join(map(str, row[:n] - 1)):14} written {' '.join(map(str, said))}"
        for row, n, said in zip(y, counts, written(model, x, lengths), strict=True)
    ]
    return "\n".join(lines)


def apply(options: Options) -> str:
    """The digits in the user's recording."""
    sound, rate = data.read_wav(options.inputs["wav"], 8000)
    model = Writer()
    options.restore(MODEL, model)
    frames = data.log_mel(sound, rate, BANDS)
    said = written(model, frames[None], np.array([len(frames)]))[0]
    return " ".join(map(str, said)) or "(no digit heard)"
