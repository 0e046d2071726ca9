"""C11: letters into names that nobody has, known words into numbers never translated, digits into new
captions.

Each time the test asks for wholes that were not in training, and a control puts the same parts together
without the network: letters drawn by their frequency, words translated one by one, the captions of other
images.
"""

from __future__ import annotations

import numpy as np

import loopnest
from loopnest import nn
from loopnest.data import DataLoader, Vocabulary
from loopnest.nn import functional as F
from loopnest.systems import generate, translate
from loopnest.systems.claims import draw, scenes
from loopnest.systems.claims.evidence import Check, Finding
from loopnest.systems.claims.lab import Lab
from loopnest.systems.frame import Picture

ENGLISH = "one two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905
ENGLISH += "thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()  # noqa: SIM905
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905
GERMAN = "eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf".split()  # noqa: SIM905
GERMAN += "dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn".split()  # noqa: SIM905
ZEHNER = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()  # noqa: SIM905


def english(n: int) -> list[str]:
    """123: one hundred twenty three."""
    hundreds, rest = divmod(n, 100)
    words = [ENGLISH[hundreds - 1], "hundred"] if hundreds else []
    if 0 < rest < 20:
        return [*words, ENGLISH[rest - 1]]
    tens, units = divmod(rest, 10)
    return [*words, *([TENS[tens - 2]] if tens else []), *([ENGLISH[units - 1]] if units else [])]


def german(n: int) -> list[str]:
    """123: ein hundert drei und zwanzig; the units come before the tens."""
    hundreds, rest = divmod(n, 100)
    first = "ein" if hundreds == 1 else GERMAN[hundreds - 1] if hundreds else ""
    words = [first, "hundert"] if hundreds else []
    if 0 < rest < 20:
        return [*words, GERMAN[rest - 1]]
    tens, units = divmod(rest, 10)
    if not rest:
        return words
    unit = ["ein" if units == 1 else GERMAN[units - 1], "und"] if units else []
    return [*words, *unit, ZEHNER[tens - 2]]


def word_by_word(words: list[str]) -> list[str]:
    """Each word by itself, in the order of the English ones."""
    table = dict(zip([*ENGLISH, *TENS, "hundred"], [*GERMAN, *ZEHNER, "hundert"], strict=True))
    return [table[word] for word in words]


def numbers(lab: Lab, seed: int) -> tuple[float, list[tuple[list[str], list[str], list[str]]]]:
    """How many numbers never seen are translated without a mistake; and some of them."""
    pairs = [(english(n), german(n)) for n in range(1, 1000)]
    order = np.random.default_rng(seed).permutation(len(pairs))
    learn, test = [pairs[k] for k in order[200:]], [pairs[k] for k in order[:200]]
    language = translate.Language.of(learn)
    loader = DataLoader(translate.Grouped(language, learn, 32), batch_size=None, shuffle=True)
    loopnest.manual_seed(seed)
    model = lab.fit(
        translate.Translator(len(language.source), len(language.target), True, 32, 64),
        loader,
        lab.few(30, 22),
        6e-3,
        translate.loss_of,
    )
    told = translate.greedy(model, language, [a for a, _ in test], 10)
    shown = [(a, b, said) for (a, b), said in zip(test, told, strict=True)]
    return float(np.mean([said == b for _, b, said in shown])), shown


class Trigrams:
    """How usual a name's letters are: nats a letter by counts of three in a row, of other names."""

    def __init__(self, names: list[str], kinds: int) -> None:
        self.counts: dict[str, int] = {}
        self.kinds = kinds
        for name in names:
            text = f"\n\n{name}\n"
            for k in range(len(text) - 2):
                for part in (text[k : k + 3], text[k : k + 2]):
                    self.counts[part] = self.counts.get(part, 0) + 1

    def nats(self, names: list[str]) -> float:
        total, count = 0.0, 0
        for name in names:
            text = f"\n\n{name}\n"
            for k in range(len(text) - 2):
                three, two = (self.counts.get(text[k : k + n], 0) for n in (3, 2))
                total -= np.log((three + 0.1) / (two + 0.1 * self.kinds))
                count += 1
        return total / max(count, 1)


def characters(ids: np.ndarray, count: int = 64, span: int = 24):
    """Stretches (count, span) of a text, and the letters that follow."""

    def make(rng: np.random.Generator):
        rows = ids[rng.integers(0, len(ids) - span - 1, count)[:, None] + np.arange(span + 1)]
        return rows[:, :-1].copy(), rows[:, 1:].copy()

    return make


def letter_loss(model: nn.Module, batch: tuple) -> loopnest.Tensor:
    x, y = batch
    scores, _ = model(x)
    return F.cross_entropy(scores.reshape(-1, scores.shape[-1]), y.reshape(-1))


def made_up(lab: Lab, seed: int, letters: Vocabulary, ids: np.ndarray) -> list[str]:
    """Names that a GRU writes after it has read those in `ids`."""
    model = lab.practise(
        seed,
        lambda: generate.CharRNN(len(letters), 96, 1, nn.GRU),
        characters(ids),
        lab.few(1500, 260),
        rate=6e-3,
        loss=letter_loss,
    )
    told = generate.sample(model, letters, "\n", lab.few(3000, 1200), seed).split("\n")[1:-1]
    return [name for name in told if len(name) > 1]


def run(lab: Lab) -> Finding:
    names = lab.names()
    order = np.random.default_rng(0).permutation(len(names))
    learn, judge, held = (
        [names[k] for k in part] for part in np.split(order, [len(names) // 2, 9 * len(names) // 10])
    )
    letters = Vocabulary.of_characters("\n" + "".join(sorted(set("".join(names)))))
    ids = letters.encode("\n" + "\n".join(learn) + "\n")
    usual = Trigrams(judge, len(letters))
    known, real = set(names), usual.nats(held)
    plain = np.array(list("".join(learn)))
    figures: dict[str, list[float]] = {
        name: []
        for name in ("new", "odd", "odd letters", "numbers", "one by one", "captions", "other images")
    }
    shown: dict[str, list] = {}
    for seed in lab.seeds:
        told = made_up(lab, seed, letters, ids)
        new = sorted({name for name in told if name not in known}, key=told.index)
        rng = np.random.default_rng(seed)
        drawn = ["".join(rng.choice(plain, len(name))) for name in new]
        figures["new"].append(len(new) / max(len(set(told)), 1))
        figures["odd"].append(usual.nats(new) - real)
        figures["odd letters"].append(usual.nats(drawn) - real)
        right, some = numbers(lab, seed)
        figures["numbers"].append(right)
        figures["one by one"].append(float(np.mean([word_by_word(a) == b for a, b, _ in some])))
        captioner, _, (images, _, true) = scenes.captioner(lab, seed)
        figures["captions"].append(scenes.exact(captioner, images, true))
        figures["other images"].append(scenes.exact(captioner, np.roll(images, 1, 0), true))
        if not shown:
            shown = {"names": new, "letters": drawn, "numbers": some, "images": list(images[:3, 0])}
            shown["captions"] = [" ".join(w) for w in scenes.caption.write(captioner, images[:3])[0]]
    mean = {name: float(np.mean(row)) for name, row in figures.items()}
    return Finding(
        done=f"A GRU writes names letter by letter after {len(learn):,} real ones; how usual its new names "
        "are is judged by the triples of letters in other real names. An encoder-decoder translates "
        "English number words to German ones (the units move before the tens), 200 of 999 numbers held "
        "back. A captioner describes two digits; a fifth of the pairs never stood together in training.",
        checks=[
            Check("names that nobody has, of those it writes", figures["new"], 0.5),
            Check("new names: nats a letter above real ones", figures["odd"], 0.3, "below", form=".2f"),
            Check("numbers never seen, translated exactly", figures["numbers"], 0.8),
            Check("captions of pairs never seen, exactly right", figures["captions"], 0.5),
            Check(
                "letters drawn by frequency: nats above real names",
                figures["odd letters"],
                0.6,
                control=True,
                form=".2f",
            ),
            Check(
                "numbers translated word by word, exactly", figures["one by one"], 0.5, "below", control=True
            ),
            Check(
                "captions of another image, exactly right",
                figures["other images"],
                0.2,
                "below",
                control=True,
            ),
        ],
        say=f"{mean['new']:.0%} of the names it writes are nobody's, and their letters are as usual as those "
        f"of real names ({mean['odd']:+.2f} nats; drawn letters {mean['odd letters']:+.2f}). Of numbers it "
        f"never saw it translates {mean['numbers']:.0%} exactly (word by word {mean['one by one']:.0%}), and "
        f"{mean['captions']:.0%} of the captions of pairs it never saw are right.",
        pictures=[
            Picture(
                "c11",
                "New wholes",
                "Names the network made up, beside letters drawn by frequency; numbers it never saw, in "
                "German; pairs of digits it never saw together.",
                picture(shown),
            )
        ],
    )


def picture(shown: dict[str, list]):
    figure, axes = draw.mosaic(
        [["names", "numbers", "i0"], ["names", "numbers", "i1"], ["names", "numbers", "i2"]],
        9.4,
        3.3,
        width_ratios=[1.3, 2.3, 1.5],
    )
    ax = axes["names"]
    ax.set_title("names that nobody has")
    for column, (words, color, head) in enumerate(
        ((shown["names"], draw.TIME, "the network's"), (shown["letters"], draw.GREY, "drawn letters"))
    ):
        ax.text(0.5 * column, 0.97, head, fontsize=8.5, color=draw.SOFT, va="top")
        for k, word in enumerate(words[:11]):
            ax.text(0.5 * column, 0.87 - 0.08 * k, word[:12], fontsize=10, color=color, va="top")
    ax = axes["numbers"]
    ax.set_title("numbers it never saw")
    for k, (a, b, said) in enumerate(shown["numbers"][:6]):
        ax.text(0, 0.97 - 0.16 * k, " ".join(a), fontsize=9, color=draw.SOFT, va="top")
        ax.text(
            0.02,
            0.90 - 0.16 * k,
            " ".join(said) + ("" if said == b else "  ✗"),
            fontsize=10,
            va="top",
            color=draw.TIME if said == b else draw.SERIES[4],
        )
    for k in range(3):
        ax = axes[f"i{k}"]
        draw.image(ax, shown["images"][k])
        ax.set_title(shown["captions"][k], fontsize=9, loc="center")
    axes["names"].axis("off")
    axes["numbers"].axis("off")
    return figure
