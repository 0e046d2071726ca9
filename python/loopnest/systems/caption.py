"""An image told in a sentence: a CNN sees, a GRU writes, attention shows where it looks (C11, C17).

    loopnest run caption --data DIR [--image my.png]

DIR is that of classify. Two real digits stand on a 56x56 canvas, beside or above each other; the sentence is
one of the two true ones, "a seven above a two" or "a two below a seven". The CNN's 7x7 places are the words'
memory: before each word the writer looks at some of them (Bahdanau, Cho, Bengio 2015; Xu et al. 2015).
"""

from __future__ import annotations

import numpy as np

import loopnest
from loopnest import data, nn, optim
from loopnest.data import DataLoader, Drawn, TensorDataset, Vocabulary
from loopnest.nn import functional as F
from loopnest.systems import classify, pictures
from loopnest.systems.frame import BASE, Options, Picture, Result, Row, parameters

INPUTS = {"image": "a picture with two digits on it"}
MODEL = "attention"
NEEDS = BASE | {"sacrebleu": "data"}
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
WORDS = Vocabulary(["<pad>", "<s>", "</s>", "a", "above", "below", "left", "right", "of", *DIGITS])
PAD, START, END = 0, 1, 2
LENGTH = 8  # <s> a seven left of a two </s>


class Captioner(nn.Module):
    """Images (n, 1, 56, 56) and words (n, t) -> scores of the next words (n, t, vocabulary).

    Without attention the image enters as one vector with every word (the model of the PyTorch twin). With
    it, each word first looks at the 49 places of the last feature map, and what it sees there enters.
    """

    def __init__(self, attention: bool, hidden: int = 128, width: int = 32) -> None:
        super().__init__()
        self.attention = attention
        self.eye = nn.Sequential(*part(1, 16, attention), *part(16, 32, attention), *part(32, 64, attention))
        self.embedding = nn.Embedding(len(WORDS), width)
        self.rnn = nn.GRU(width + hidden, hidden, batch_first=True)
        if attention:
            # One convolution more: each of the 49 places has then seen a whole digit (38 pixels against 28).
            self.around = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU())
            # What a word looks for depends on itself: after "a seven" on where the seven is.
            self.ask = nn.Linear(width + hidden, hidden)
            self.key, self.value = nn.Linear(64, hidden), nn.Linear(64, hidden)
            # Where a place is: "above" is nothing that a place itself shows.
            self.place = nn.Parameter(0.5 * loopnest.randn(49, hidden))
            self.first = nn.Embedding(2, hidden)
        self.whole = nn.Linear(64 * 49, hidden)
        self.out = nn.Linear(hidden, len(WORDS))

    def see(self, images):
        """What the writer needs of the images: one vector each (n, hidden), and with attention keys and
        values (n, 49, hidden)."""
        maps = self.eye(images)
        seen = F.relu(self.whole(maps.flatten(1)))
        if not self.attention:
            return seen, None, None
        places = self.around(maps).flatten(2).transpose(1, 2)  # (n, 49, 64)
        return seen, self.key(places) + self.place, self.value(places) + self.place

    def step(self, memory, ids, state):
        """Scores, the state, and where each word looked (n, t, 49), or None."""
        seen, keys, values = memory
        words = self.embedding(ids)
        if not self.attention:
            beside = seen.unsqueeze(1).expand(-1, ids.shape[1], -1)
            states, state = self.rnn(loopnest.cat([words, beside], 2), state)
            return self.out(states), state, None
        told, looks, keys = [], [], keys.transpose(1, 2) * keys.shape[-1] ** -0.5
        for t in range(ids.shape[1]):
            word = words[:, t : t + 1]
            query = self.ask(loopnest.cat([word, state.transpose(0, 1)], 2))
            looks.append(F.softmax(query @ keys, -1))
            states, state = self.rnn(loopnest.cat([word, looks[-1] @ values], 2), state)
            told.append(states)
        return self.out(loopnest.cat(told, 1)), state, loopnest.cat(looks, 1)

    def begin(self, memory, ids=None):
        """The state before the first word (1, n, hidden).

        Which of both digits a sentence begins with is chance, no image shows it. So with attention the
        writer is told while it learns from `ids`; on its own it begins with the upper or the left one.
        """
        state = memory[0].tanh()
        if self.attention:
            if ids is None:
                ids = loopnest.zeros(state.shape[0], 1, dtype=loopnest.int64)
            other = (ids == WORDS["below"]) | (ids == WORDS["right"])
            state = state + self.first(other.any(1).long())
        return state.unsqueeze(0)

    def forward(self, images, ids):
        memory = self.see(images)
        return self.step(memory, ids, self.begin(memory, ids))[0]


def part(inputs: int, outputs: int, norm: bool) -> list[nn.Module]:
    made: list[nn.Module] = [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return [made[0], nn.BatchNorm2d(outputs), *made[1:]] if norm else made


def compose(images: np.ndarray, labels: np.ndarray, count: int, rng: np.random.Generator):
    """Canvases (count, 1, 56, 56), both true captions as numbers (count, 2, LENGTH) in random order, and
    as word lists."""
    canvas = np.zeros((count, 1, 56, 56), np.float32)
    ids, both = np.zeros((count, 2, LENGTH), np.int64), []
    for k in range(count):
        a, b, tall = rng.integers(len(labels)), rng.integers(len(labels)), rng.integers(2)
        shift = rng.integers(0, 29, 2)
        for item, far in ((a, 0), (b, 28)):
            r, c = (far, shift[far // 28]) if tall else (shift[far // 28], far)
            canvas[k, 0, r : r + 28, c : c + 28] = images[item]
        first, second = DIGITS[labels[a]], DIGITS[labels[b]]
        there, back = (["above"], ["below"]) if tall else (["left", "of"], ["right", "of"])
        true = [["a", first, *there, "a", second], ["a", second, *back, "a", first]]
        both.append(true)
        turned = rng.integers(2)
        for place in (0, 1):
            words = ["<s>", *true[(turned + place) % 2], "</s>"]
            ids[k, place, : len(words)] = WORDS.encode(words)
    return canvas, ids, both


class Scenes:
    """Batches of scenes, each with either of its sentences, moved by up to three pixels.

    A fixed sentence per scene would be learned by heart, which of both it is included. A digit of MNIST has
    four empty pixels around it, so nothing moves off the canvas but ground.
    """

    def __init__(self, canvas: np.ndarray, ids: np.ndarray, size: int = 64) -> None:
        self.canvas, self.ids, self.size = canvas, ids, size

    def __call__(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        some = rng.integers(0, len(self.canvas), self.size)
        moves = rng.integers(-3, 4, (self.size, 2))
        moved = [np.roll(self.canvas[k], tuple(by), (1, 2)) for k, by in zip(some, moves, strict=True)]
        return np.stack(moved), self.ids[some, rng.integers(0, 2, self.size)]


def loss_of(model: nn.Module, batch: tuple) -> loopnest.Tensor:
    images, ids = batch
    scores = model(images, ids[:, :-1])
    return F.cross_entropy(scores.reshape(-1, len(WORDS)), ids[:, 1:].reshape(-1), ignore_index=PAD)


def words_in(batch: tuple) -> int:
    """How many words the loss of a batch is the mean of."""
    return int((batch[1].numpy()[:, 1:] != PAD).sum())


def write(model: Captioner, images: np.ndarray) -> tuple[list[list[str]], np.ndarray | None]:
    """The sentence of each image, the likeliest word each time, and where every word looked (n, LENGTH,
    49)."""
    told, looks = [], []
    with loopnest.no_grad():
        for k in range(0, len(images), 250):
            memory = model.see(loopnest.tensor(images[k : k + 250]))
            state = model.begin(memory)
            word = loopnest.full((memory[0].shape[0], 1), START, dtype=loopnest.int64)
            said, looked = [], []
            for _ in range(LENGTH):
                scores, state, look = model.step(memory, word, state)
                word = scores.argmax(-1)
                said.append(word.numpy())
                if look is not None:
                    looked.append(look.numpy())
            for row in np.concatenate(said, 1).tolist():
                told.append(WORDS.decode(row[: row.index(END)] if END in row else row))
            if looked:
                looks.append(np.concatenate(looked, 1))
    return told, np.concatenate(looks) if looks else None


def run(options: Options) -> Result:
    images, classes = classify.load(options)
    if len(classes) > len(DIGITS):
        raise ValueError(f"caption: expected at most {len(DIGITS)} classes of digits, got {len(classes)}")
    learned, held = (classify.inputs(part)[:, 0] for part in (images.x_train, images.x_test))
    x, ids, _ = compose(
        learned, images.y_train, options.few(8000, 300), np.random.default_rng([options.seed, 1])
    )
    xt, _, true = compose(held, images.y_test, options.few(500, 60), np.random.default_rng([options.seed, 2]))
    rows, history, kept = [], {}, None
    for name, file, attention in (("with attention", MODEL, True), ("without", "plain", False)):
        loopnest.manual_seed(options.seed)
        model, epochs = Captioner(attention), options.few(16, 2)
        steps = -(-len(x) // 64)
        loader: DataLoader | Drawn
        if attention:
            adam = optim.Adam(model.parameters(), 2e-3)
            falling = optim.lr_scheduler.CosineAnnealingLR(adam, epochs * steps)
            trainer = options.trainer(
                file, model, adam, loss_of, scheduler=falling, schedule="step", weigh=words_in
            )
            loader = Drawn(Scenes(x, ids), steps, options.seed)
        else:  # as in the twin
            adam = optim.Adam(model.parameters(), 1e-3)
            trainer = options.trainer(file, model, adam, loss_of, weigh=words_in)
            loader = DataLoader(TensorDataset(x, ids[:, 0]), batch_size=64, shuffle=True)
        trainer.fit(
            loader,
            epochs,
            validate=lambda m: {"exact": exact(write(m, xt)[0], true)},
            resume=options.resume,
        )
        told, looks = write(model.eval(), xt)
        figures = {"exact": exact(told, true), "bleu": bleu(told, true)}
        rows.append(Row(f"CNN -> GRU-128 {name}", figures, trainer.seconds, parameters(model)))
        history[name] = trainer.history
        options.keep(file, model)
        if attention:
            kept = told, looks
    guess = [["a", DIGITS[1], "above", "a", DIGITS[1]]] * len(true)
    rows.append(
        Row(
            "always the same sentence",
            {"exact": exact(guess, true), "bleu": bleu(guess, true)},
            baseline=True,
        )
    )
    assert kept is not None
    told, looks = kept
    return Result(
        name="caption",
        title="An image, told in a sentence",
        about=f"{len(x):,} scenes composed of training digits, {len(xt)} of held-back digits. Exact: the "
        "sentence is one of the two true ones. BLEU-4 against both.",
        rows=rows,
        columns={"exact": ("exact", ".1%"), "bleu": ("BLEU-4", ".3f")},
        say=f"With attention {rows[0].figures['exact']:.1%} of the sentences are exactly right, without "
        f"{rows[1].figures['exact']:.1%}.",
        pictures=[
            Picture(
                "attention",
                "Where each word looks",
                "Held-back scenes, and for every word of the sentence the places the writer looked at.",
                looking(xt, told, looks),
            ),
            Picture(
                "curves",
                "Learning",
                "Training loss, and the share of exact sentences on held-back scenes.",
                pictures.curves(history, {"exact": "exact sentences"}),
            ),
        ],
        samples=[f"{' '.join(a)}   (true: {' '.join(b[0])})" for a, b in zip(told[:4], true, strict=False)],
        history=history,
    )


def exact(told: list[list[str]], true: list[list[list[str]]]) -> float:
    return float(np.mean([said in both for said, both in zip(told, true, strict=True)]))


def bleu(told: list[list[str]], true: list[list[list[str]]]) -> float:
    """BLEU-4, 0 to 1, against both true sentences."""
    from loopnest.extras import require

    scorer = require("sacrebleu", "data").BLEU(tokenize="none", force=True)
    references = [[" ".join(both[k]) for both in true] for k in (0, 1)]
    return float(scorer.corpus_score([" ".join(said) for said in told], references).score) / 100


def looking(images: np.ndarray, told: list[list[str]], looks: np.ndarray | None):
    count = min(3, len(images))
    figure, axes = pictures.new(9.4, 1.45 * count, count, LENGTH + 1, squeeze=False)
    for row in range(count):
        axes[row, 0].imshow(images[row, 0], cmap="Greys")
        for step in range(LENGTH):
            ax = axes[row, step + 1]
            if looks is not None and step < len(told[row]):
                near = np.kron(looks[row, step].reshape(7, 7), np.ones((8, 8)))
                ax.imshow(images[row, 0], cmap="Greys", alpha=0.45)
                ax.imshow(near, cmap="Oranges", alpha=0.6, vmin=0)
                ax.set_title(told[row][step], fontsize=8.5, loc="center")
    for ax in axes.ravel():
        ax.axis("off")
    return figure


def apply(options: Options) -> str:
    """A sentence about the user's picture, which is fitted into 56x56, light on dark."""
    image = data.read_image(options.inputs["image"], size=(56, 56)).astype(np.float32)
    if np.median(np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])) > 127:
        image = 255 - image
    model = Captioner(attention=True)
    options.restore(MODEL, model)
    return " ".join(write(model, image[None, None] / 255)[0][0])
