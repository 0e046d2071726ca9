"""Translation: an encoder reads the whole German sentence, a decoder with attention writes the English one
(C10-C12).

    loopnest run translate --data DIR [--text "ein hund läuft im schnee"]

DIR holds multi30k.{train12k,val,test2016}.{de,en} (or one's own pairs under these names). A GRU reads, a GRU
writes, dot attention looks back (Luong, Pham, Manning 2015); beside it the same without attention.
"""

from __future__ import annotations

import math

import numpy as np

import loopnest
from loopnest import data, distributed, metrics, nn, optim
from loopnest.data import Vocabulary
from loopnest.data.text import END, START, UNKNOWN, word_tokens
from loopnest.nn import functional as F
from loopnest.systems import pictures
from loopnest.systems.frame import BASE, Options, Picture, Result, Row, parameters

INPUTS = {"text": "a German sentence (or one of the language that was learned)"}
MODEL = "attention"
NEEDS = BASE | {"sacrebleu": "data"}
PAD = "<pad>"


class Translator(nn.Module):
    """Source (n, s) and target words (n, t) -> scores of the next target words (n, t, vocabulary)."""

    def __init__(
        self, source: int, target: int, attention: bool, width: int = 128, hidden: int = 256
    ) -> None:
        super().__init__()
        self.attention = attention
        self.source = nn.Embedding(source, width, 0)
        self.target = nn.Embedding(target, width, 0)
        self.encoder = nn.GRU(width, hidden, batch_first=True)
        self.decoder = nn.GRU(width, hidden, batch_first=True)
        self.mix = nn.Linear(2 * hidden if attention else hidden, width)
        self.out = nn.Linear(width, target)

    def encode(self, source):
        """States (n, s, hidden), the last true one of each sentence (1, n, hidden), and where padding is."""
        states, _ = self.encoder(F.dropout(self.source(source), 0.3, self.training))
        last = (source != 0).sum(1) - 1
        return states, states[loopnest.arange(len(source)), last].unsqueeze(0), source == 0

    def decode(self, memory, state, ids):
        """Scores, the state to go on with, and where each word looked (n, t, s), or None."""
        states, _, pad = memory
        h, state = self.decoder(F.dropout(self.target(ids), 0.3, self.training), state)
        look = None
        if self.attention:
            score = (h @ states.transpose(1, 2)).masked_fill(pad.unsqueeze(1), -1e9)
            look = F.softmax(score, -1)
            h = loopnest.cat([h, look @ states], 2)
        return self.out(F.dropout(self.mix(h).tanh(), 0.3, self.training)), state, look

    def forward(self, source, ids):
        memory = self.encode(source)
        return self.decode(memory, memory[1], ids)[0]


class Language:
    """Both vocabularies, and sentences as numbers."""

    def __init__(self, source: Vocabulary, target: Vocabulary) -> None:
        self.source, self.target = source, target

    @classmethod
    def of(cls, pairs: list[tuple[list[str], list[str]]]) -> Language:
        special = (PAD, START, END, UNKNOWN)
        made = [Vocabulary.of_words((pair[k] for pair in pairs), minimum=2, special=special) for k in (0, 1)]
        return cls(*made)

    @staticmethod
    def rows(vocabulary: Vocabulary, sentences: list[list[str]]) -> np.ndarray:
        """Numbers (n, longest + 2), each sentence between <s> and </s>, padded with 0."""
        rows = [vocabulary.encode([START, *s, END]) for s in sentences]
        out = np.zeros((len(rows), max(map(len, rows))), np.int64)
        for k, row in enumerate(rows):
            out[k, : len(row)] = row
        return out

    def batch(self, pairs: list[tuple[list[str], list[str]]]) -> tuple[np.ndarray, np.ndarray]:
        return self.rows(self.source, [a for a, _ in pairs]), self.rows(self.target, [b for _, b in pairs])


class Grouped(data.Dataset):
    """Pairs sorted by length and cut into batches of 64: sample k is a whole batch."""

    def __init__(self, language: Language, pairs: list[tuple[list[str], list[str]]], size: int = 64) -> None:
        order = sorted(range(len(pairs)), key=lambda k: len(pairs[k][0]))
        cut = [order[k : k + size] for k in range(0, len(order), size)]
        self.batches = [language.batch([pairs[k] for k in group]) for group in cut]

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int):
        return tuple(loopnest.tensor(part) for part in self.batches[index])


def loss_of(model: nn.Module, batch: tuple) -> loopnest.Tensor:
    source, target = batch
    scores = model(source, target[:, :-1])
    return F.cross_entropy(scores.reshape(-1, scores.shape[-1]), target[:, 1:].reshape(-1), ignore_index=0)


def words_in(batch: tuple) -> int:
    """How many words the loss of a batch is the mean of."""
    return int((batch[1].numpy()[:, 1:] != 0).sum())


def perplexity(model: nn.Module, language: Language, pairs: list[tuple[list[str], list[str]]]) -> float:
    total, count = 0.0, 0
    with loopnest.no_grad():
        for k in range(0, len(pairs), 100):
            batch = tuple(loopnest.tensor(part) for part in language.batch(pairs[k : k + 100]))
            words = int((batch[1][:, 1:] != 0).sum().item())
            total += loss_of(model, batch).item() * words
            count += words
    return math.exp(total / count)


def beam(
    model: Translator, language: Language, sentence: list[str], width: int = 4, limit: int = 40
) -> tuple[list[str], np.ndarray | None]:
    """The best sentence by beam search, scored by mean log chance a word, and where each word looked (t, s).

    With width 1 this is greedy search.
    """
    vocabulary = language.target
    start, end = vocabulary[START], vocabulary[END]
    with loopnest.no_grad():
        memory = model.encode(loopnest.tensor(language.rows(language.source, [sentence])))
        state = memory[1]
        kept: list[tuple[float, list[int], list]] = [(0.0, [start], [])]
        done: list[tuple[float, list[int], list]] = []
        for _ in range(limit):
            many = len(kept)
            wide = tuple(part.expand(many, *part.shape[1:]) for part in (memory[0], memory[2]))
            ids = loopnest.tensor(np.array([[words[-1]] for _, words, _ in kept], np.int64))
            scores, state, look = model.decode((wide[0], None, wide[1]), state, ids)
            chance = F.log_softmax(scores[:, -1], -1).numpy()
            chance[:, [vocabulary[PAD], start, vocabulary[UNKNOWN]]] = -np.inf
            grown = []
            for k, (score, words, looks) in enumerate(kept):
                seen = [] if look is None else [*looks, look.numpy()[k, 0]]
                for word in np.argsort(-chance[k])[:width]:
                    grown.append((score + float(chance[k, word]), [*words, int(word)], seen, k))
            grown.sort(key=lambda one: -one[0])
            rows, kept = [], []
            for score, words, looks, k in grown[: 2 * width]:
                if words[-1] == end:
                    done.append((score / (len(words) - 1), words, looks))
                elif len(kept) < width:
                    kept.append((score, words, looks))
                    rows.append(k)
            if not kept or len(done) >= width:
                break
            state = loopnest.tensor(state.numpy()[:, rows].copy())
    done = done or [(s / len(w), [*w, end], looks) for s, w, looks in kept]
    _, words, looks = max(done, key=lambda one: one[0])
    return vocabulary.decode(words[1:-1]), np.array(looks[: len(words) - 2]) if looks else None


def greedy(
    model: Translator, language: Language, sentences: list[list[str]], limit: int = 40
) -> list[list[str]]:
    """The likeliest word each time, for many sentences at once."""
    told = []
    with loopnest.no_grad():
        for k in range(0, len(sentences), 100):
            memory = model.encode(loopnest.tensor(language.rows(language.source, sentences[k : k + 100])))
            state, count = memory[1], memory[0].shape[0]
            word = loopnest.full((count, 1), language.target[START], dtype=loopnest.int64)
            said = []
            for _ in range(limit):
                scores, state, _ = model.decode(memory, state, word)
                word = scores.argmax(-1)
                said.append(word.numpy())
            end = language.target[END]
            for row in np.concatenate(said, 1).tolist():
                told.append(language.target.decode(row[: row.index(end)] if end in row else row))
    return told


def tokens(pairs: list[tuple[str, str]]) -> list[tuple[list[str], list[str]]]:
    """Pairs of sentences as pairs of lists of words."""
    return [(word_tokens(a), word_tokens(b)) for a, b in pairs]


def load(options: Options):
    pairs = data.multi30k(options.data)
    few = (
        options.few(len(pairs.train), 400),
        options.few(len(pairs.dev), 50),
        options.few(len(pairs.test), 50),
    )
    return [
        tokens(part[:count]) for part, count in zip((pairs.train, pairs.dev, pairs.test), few, strict=True)
    ]


def bleu(told: list[list[str]], test: list[tuple[list[str], list[str]]]) -> float:
    return metrics.bleu([" ".join(t) for t in told], [" ".join(b) for _, b in test])


def run(options: Options) -> Result:
    train, dev, test = load(options)
    language = Language.of(train)
    rows, history, kept = [], {}, None
    for name, file, attention in (("with attention", MODEL, True), ("without", "plain", False)):
        loopnest.manual_seed(options.seed)
        model = Translator(len(language.source), len(language.target), attention)
        trainer = options.trainer(
            file,
            model,
            optim.Adam(model.parameters(), 1e-3),
            loss_of,
            clip_norm=1.0,
            split=distributed.by_rows,
            weigh=words_in,
        )
        trainer.fit(
            data.DataLoader(Grouped(language, train), batch_size=None, shuffle=True),
            options.few(8, 2),
            validate=lambda m: {"perplexity": perplexity(m, language, dev)},
            resume=options.resume,
        )
        model.eval()
        figures = {
            "perplexity": perplexity(model, language, test),
            "greedy": bleu(greedy(model, language, [a for a, _ in test]), test),
        }
        if attention:
            searched = [beam(model, language, a)[0] for a, _ in test[: options.few(200, 10)]]
            figures["beam"] = bleu(searched, test[: len(searched)])
            kept = model
        rows.append(Row(f"GRU-256 {name}", figures, trainer.seconds, parameters(model)))
        history[name] = trainer.history
        options.keep(file, model, source=language.source.tokens, target=language.target.tokens)
    rows.append(word_for_word(train, test))
    assert kept is not None
    shown = test[min(3, len(test) - 1)][0]
    return Result(
        name="translate",
        title="German captions into English",
        about=f"{len(train):,} pairs to learn from, {len(dev):,} to watch, {len(test):,} held back "
        "(Multi30k, test2016). Words that occur once are unknown words; BLEU-4 on lower-case words; beam "
        f"search of width 4 on the first {options.few(200, 10)} pairs.",
        rows=rows,
        columns={
            "perplexity": ("perplexity", ".1f"),
            "greedy": ("BLEU-4, greedy", ".1f"),
            "beam": ("BLEU-4, beam", ".1f"),
        },
        say=f"With attention the held-back perplexity is {rows[0].figures['perplexity']:.1f} and BLEU-4 "
        f"{rows[0].figures['greedy']:.1f}, without {rows[1].figures['perplexity']:.1f} and "
        f"{rows[1].figures['greedy']:.1f}; BLEU-4 word for word {rows[2].figures['greedy']:.1f}.",
        pictures=[
            Picture(
                "attention",
                "Where each English word looks",
                "A held-back sentence: the darker, the more the word in this row looked at the German word "
                "below.",
                looking(kept, language, shown),
            ),
            Picture(
                "curves",
                "Learning",
                "Training loss in nats a word, and perplexity on the pairs to watch.",
                pictures.curves(history, {"perplexity": "perplexity"}),
            ),
        ],
        samples=[context(kept, language), examples(kept, language, test)],
        notes=[
            "The context table is made from the model's own outputs: what follows a word changes what it "
            "becomes."
        ],
        history=history,
    )


CONTEXTS = (
    "ein hund läuft über die wiese .",
    "ein heißer hund mit senf .",
    "ein mann isst einen hot dog .",
    "ein mann sitzt auf einer bank .",
    "ein mann geht in eine bank .",
)


def context(model: Translator, language: Language) -> str:
    """C12: the same word among other words, as this model translates it."""
    lines = []
    for text in CONTEXTS:
        words = word_tokens(text)
        unknown = sum(word not in language.source for word in words)
        note = f"   ({unknown} words it never learned)" if unknown else ""
        lines.append(f"{text:36} {' '.join(beam(model, language, words)[0])}{note}")
    return "\n".join(lines)


def examples(model: Translator, language: Language, test: list[tuple[list[str], list[str]]]) -> str:
    return "\n\n".join(
        f"{' '.join(a)}\n  {' '.join(beam(model, language, a)[0])}\n  (true: {' '.join(b)})"
        for a, b in test[:4]
    )


def word_for_word(train: list[tuple[list[str], list[str]]], test: list[tuple[list[str], list[str]]]) -> Row:
    """A baseline without order: each German word becomes the English word it occurs with most (Dice)."""
    together: dict[str, dict[str, int]] = {}
    counts: dict[str, int] = {}
    seen: dict[str, int] = {}
    for a, b in train:
        for english in set(b):
            counts[english] = counts.get(english, 0) + 1
        for german in set(a):
            seen[german] = seen.get(german, 0) + 1
            mine = together.setdefault(german, {})
            for english in set(b):
                mine[english] = mine.get(english, 0) + 1
    best = {
        german: max(mine, key=lambda e: 2 * mine[e] / (seen[german] + counts[e]))
        for german, mine in together.items()
    }
    told = [[best.get(word, word) for word in a] for a, _ in test]
    return Row("word for word", {"greedy": bleu(told, test)}, baseline=True)


def looking(model: Translator, language: Language, sentence: list[str]):
    told, looks = beam(model, language, sentence)
    figure, ax = pictures.new(9.4, 0.9 + 0.34 * max(1, len(told)))
    if looks is not None and len(told):
        ax.imshow(looks, cmap="Oranges", aspect="auto", vmin=0, vmax=1)
        labels = ["<s>", *sentence, "</s>"]
        ax.set_xticks(range(len(labels)), labels, rotation=35, ha="right")
        ax.set_yticks(range(len(told)), told)
    return figure


def apply(options: Options) -> str:
    """The user's sentence, translated by beam search."""
    facts = options.facts(MODEL)
    language = Language(Vocabulary(facts["source"]), Vocabulary(facts["target"]))
    model = Translator(len(language.source), len(language.target), attention=True)
    options.restore(MODEL, model)
    words = word_tokens(options.inputs["text"])
    if not words:
        raise ValueError("--text: expected at least one word")
    said = " ".join(beam(model, language, words)[0])
    if not any(word in language.source for word in words):
        said += f"\n(it never learned any of these words: it knows {len(language.source):,} others)"
    return said
