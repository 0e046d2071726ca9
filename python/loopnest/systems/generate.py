"""Text generation, character by character (char-rnn, Karpathy 2015): many to many, in step.

    loopnest run generate --data DIR [--prompt "ROMEO:"]
    loopnest run generate --data my.txt

DIR holds tinyshakespeare.txt.gz; a text file of one's own works as well. Two layers of 128 units (LSTM, GRU)
read 50 streams in steps of 50 characters, the state carried on; beside them min-char-rnn's single layer of
100 tanh units.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import loopnest
from loopnest import data, nn, optim
from loopnest.data import Vocabulary
from loopnest.systems import pictures
from loopnest.systems.frame import BASE, Options, Picture, Result, Row, parameters
from loopnest.train import Callback

INPUTS = {"prompt": "a text to go on from, or nothing"}
MODEL = "lstm"
NEEDS = BASE
LEAST = 2779  # characters: nine tenths of them are a step of 50 for each of 50 streams, and one more


class CharRNN(nn.Module):
    """Characters (n, t) -> scores of the next (n, t, vocabulary), and the state to go on with."""

    def __init__(self, vocabulary: int, hidden: int, layers: int, cell: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.rnn = cell(vocabulary, hidden, layers, batch_first=True)
        self.out = nn.Linear(hidden, vocabulary)

    def forward(self, ids, state=None):
        x = nn.functional.one_hot(ids, self.vocabulary).to(self.out.weight.dtype)
        states, state = self.rnn(x, state)
        return self.out(states), state


def detached(state: Any) -> Any:
    """A state without its history: backpropagation stops here (truncated through time)."""
    return tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


class Chunks:
    """A text as `streams` parallel streams, in steps of `span`: batches (x, y, first), y one character on."""

    def __init__(self, text: np.ndarray, streams: int, span: int, steps: int) -> None:
        n = (len(text) - 1) // streams
        if n < span:
            raise ValueError(
                f"generate: expected at least {streams * span + 1} characters, got {len(text)}: a longer text"
            )
        self.x = text[: n * streams].reshape(streams, n)
        self.y = text[1 : n * streams + 1].reshape(streams, n)
        self.span, self.steps, self.per_pass, self.at = span, steps, n // span, 0

    def __len__(self) -> int:
        return self.steps

    def __iter__(self):
        for _ in range(self.at % self.steps, self.steps):
            chunk = self.at % self.per_pass
            part = slice(chunk * self.span, (chunk + 1) * self.span)
            self.at += 1
            yield loopnest.tensor(self.x[:, part].copy()), loopnest.tensor(self.y[:, part].copy()), chunk == 0

    def state_dict(self) -> dict[str, int]:
        return {"at": self.at}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.at = state["at"]


class Carry(Callback):
    """The state between steps, kept in checkpoints."""

    def __init__(self) -> None:
        self.state: Any = None

    def loss(self, model: nn.Module, batch: tuple) -> loopnest.Tensor:
        x, y, first = batch
        scores, state = model(x, None if first else self.state)
        self.state = detached(state)
        return nn.functional.cross_entropy(scores.reshape(-1, scores.shape[-1]), y.reshape(-1))

    def state_dict(self) -> dict[str, Any]:
        return {"state": list(self.state) if isinstance(self.state, tuple) else self.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        held = state["state"]
        self.state = tuple(held) if isinstance(held, list) else held


def held_out(model: nn.Module, text: np.ndarray, streams: int = 50, span: int = 200) -> float:
    """Mean cross-entropy in nats per character, the state carried through the whole text."""
    streams = max(1, min(streams, len(text) // 50))
    n = (len(text) - 1) // streams
    x, y = text[: n * streams].reshape(streams, n), text[1 : n * streams + 1].reshape(streams, n)
    state, total = None, 0.0
    with loopnest.no_grad():
        for a in range(0, n, span):
            scores, state = model(loopnest.tensor(x[:, a : a + span].copy()), state)
            target = loopnest.tensor(y[:, a : a + span].copy()).reshape(-1)
            loss = nn.functional.cross_entropy(scores.reshape(-1, scores.shape[-1]), target)
            total += loss.item() * target.numel()
    return total / (n * streams)


def load(options: Options) -> str:
    return data.text.plain(options.file) if options.file else data.shakespeare(options.data)


def run(options: Options) -> Result:
    text = load(options)
    if len(text) < LEAST:
        raise ValueError(f"generate: expected a text of at least {LEAST} characters, got {len(text)}")
    text = text[: options.few(len(text), 60_000)]
    vocab = Vocabulary.of_characters(text)
    ids = vocab.encode(text)
    cut = int(0.9 * len(ids))
    learn, held = ids[:cut], ids[cut:]
    rows, history, told = [], {}, []
    for name, file, cell, hidden, layers, streams, span, steps in (
        ("LSTM 2x128", "lstm", nn.LSTM, 128, 2, 50, 50, options.few(4000, 60)),
        ("GRU 2x128", "gru", nn.GRU, 128, 2, 50, 50, options.few(2000, 40)),
        ("min-char-rnn, tanh 100", "min-char-rnn", nn.RNN, 100, 1, 1, 25, options.few(20_000, 200)),
    ):
        loopnest.manual_seed(options.seed)
        model = CharRNN(len(vocab), hidden, layers, cell)
        carry = Carry()
        small = file == "min-char-rnn"
        adam = optim.Adam(model.parameters(), 2e-3)
        trainer = options.trainer(
            file,
            model,
            optim.Adagrad(model.parameters(), 0.1, eps=1e-8) if small else adam,
            carry.loss if not small else summed(carry, span),
            clip_value=5.0,
            callbacks=[carry],
        )
        epochs = 20 if not options.quick else 2
        chunks = Chunks(learn, streams, span, steps // epochs)
        trainer.fit(chunks, epochs, validate=lambda m: {"held": held_out(m, held)}, resume=options.resume)
        if small:
            for record in trainer.history:
                record["loss"] /= span
        nats = trainer.history[-1]["held"]
        rows.append(Row(name, {"nats": nats, "bits": nats / math.log(2)}, trainer.seconds, parameters(model)))
        history[name] = trainer.history
        options.keep(file, model.eval(), characters="".join(vocab.tokens))
        if not small:
            told.append(f"{name}:\n{sample(model, vocab, chr(10), options.few(400, 80), options.seed)}")
    pairs = bigram(learn, held, len(vocab))
    rows.append(
        Row(
            "how often each pair occurs",
            {"nats": pairs, "bits": pairs / math.log(2)},
            baseline=True,
        )
    )
    best = rows[0]
    gain = pairs - best.figures["nats"]
    return Result(
        name="generate",
        title="A recurrent network writes, character by character",
        about=f"{len(learn):,} characters to learn from, the {len(held):,} behind them held back; "
        f"{len(vocab)} kinds. The figure is the mean cross-entropy of the next held-back character.",
        rows=rows,
        columns={"nats": ("nats a character", ".3f"), "bits": ("bits", ".3f")},
        say=f"After {trainer_steps(history, best.model):,} steps the LSTM needs {best.figures['nats']:.3f} "
        f"nats for a held-back character, {abs(gain):.2f} {'less' if gain > 0 else 'more'} than counting "
        f"pairs.",
        pictures=[
            Picture(
                "curves",
                "Learning",
                "Cross-entropy in nats: on the text it learns from, and on the part held back.",
                pictures.curves(history, {"held": "held-back text"}),
            ),
        ],
        samples=told,
        history=history,
    )


def summed(carry: Carry, span: int):
    """min-char-rnn adds up the losses of its 25 characters instead of taking their mean."""
    return lambda model, batch: carry.loss(model, batch) * span


def trainer_steps(history: dict[str, list[dict[str, Any]]], name: str) -> int:
    return int(history[name][-1]["step"])


def bigram(learn: np.ndarray, held: np.ndarray, kinds: int) -> float:
    """Nats per character of counting which character follows which (add-one smoothing)."""
    table = np.ones((kinds, kinds))
    np.add.at(table, (learn[:-1], learn[1:]), 1)
    chance = table / table.sum(1, keepdims=True)
    return float(-np.log(chance[held[:-1], held[1:]]).mean())


def sample(
    model: CharRNN, vocab: Vocabulary, prompt: str, count: int, seed: int = 0, temperature: float = 0.8
) -> str:
    """Go on from `prompt` for `count` characters, drawn from softmax(scores / temperature)."""
    rng, state, out = np.random.default_rng(seed), None, []
    ids = vocab.encode(prompt)[None]
    with loopnest.no_grad():
        for _ in range(count):
            scores, state = model(loopnest.tensor(ids), state)
            last = scores.numpy()[0, -1].astype(np.float64) / temperature
            chance = np.exp(last - last.max())
            pick = int(rng.choice(len(chance), p=chance / chance.sum()))
            out.append(vocab.tokens[pick])
            ids = np.array([[pick]])
    return "".join(out)


def apply(options: Options) -> str:
    """Go on from the user's prompt."""
    vocab = Vocabulary(list(options.facts(MODEL)["characters"]))
    model = CharRNN(len(vocab), 128, 2, nn.LSTM)
    options.restore(MODEL, model)
    prompt = options.inputs["prompt"]
    unknown = sorted(set(prompt) - set(vocab.tokens))
    if unknown:
        raise ValueError(
            f"--prompt: expected characters of the text it learned from ({''.join(vocab.tokens).strip()}), "
            f"got {' '.join(map(repr, unknown))} as well: leave out or replace what it has never seen"
        )
    # Without a prompt it starts as if a line had just ended.
    start = prompt or ("\n" if "\n" in vocab else vocab.tokens[0])
    return prompt + sample(model, vocab, start, 400, options.seed)
