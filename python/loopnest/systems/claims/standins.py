"""Data that stands in for the public sets in a quick run without them: made to be learnable, not to be real.

The digits alone are real: scikit-learn's. A page made with stand-ins says so.
"""

from __future__ import annotations

import numpy as np

from loopnest import data

SYLLABLES = ["ma", "ri", "lo", "an", "el", "sa", "to", "ni", "ka", "le", "jo", "be", "ra", "mi", "no", "da"]
LINES = ["To be, or not to be.", "What light is this?", "O Romeo, Romeo!", "The rest is silence."]
MOODS = (["bad", "dull", "late", "awful"], ["good", "quick", "kind", "great"])
FILLER = ["the", "flight", "was", "a", "crew", "of", "my", "gate", "and", "plane"]


def digits() -> data.Images:
    """scikit-learn's 8x8 digits, enlarged to 24x24 in a frame of 28x28."""
    d = data.digits()

    def large(x: np.ndarray) -> np.ndarray:
        big = np.kron(x, np.ones((3, 3)))
        return np.pad((255 * big).astype(np.uint8), ((0, 0), (2, 2), (2, 2)))

    return data.Images(large(d.x_train), d.y_train, large(d.x_test), d.y_test)


def nuclei() -> data.Cells:
    """Bright discs on dark ground."""
    rng = np.random.default_rng(0)

    def image(side: int) -> tuple[np.ndarray, np.ndarray]:
        light, label = rng.normal(12, 2, (side, side + 10)), np.zeros((side, side + 10), np.uint16)
        rows, columns = np.mgrid[:side, : side + 10]
        for k in range(1, 9):
            r, c = rng.integers(12, side - 12, 2)
            inside = ((rows - r) ** 2 + (columns - c) ** 2 < rng.integers(6, 11) ** 2) & (label == 0)
            label[inside], light[inside] = k, rng.normal(90, 6, inside.sum())
        return light.clip(0, 255).astype(np.uint8), label

    return data.Cells([image(128) for _ in range(6)], [image(128) for _ in range(3)], [image(150)])


def names() -> list[str]:
    rng = np.random.default_rng(0)
    return ["".join(SYLLABLES[k] for k in rng.integers(0, 16, rng.integers(2, 5))) for _ in range(4000)]


def shakespeare() -> str:
    rng = np.random.default_rng(0)
    return "\n".join(LINES[k] for k in rng.integers(0, 4, 4000))


def _sentences(count: int, classes: list[str], words: tuple[list[str], ...]) -> data.Sentences:
    rng = np.random.default_rng(count)
    rows = []
    for k in range(count):
        kind = k % len(classes)
        told = [FILLER[j] for j in rng.integers(0, 10, rng.integers(6, 12))]
        told.insert(int(rng.integers(len(told))), words[kind][rng.integers(len(words[kind]))])
        rows.append((" ".join(told), kind))
    tenth = count // 10
    return data.Sentences(rows[2 * tenth :], rows[tenth : 2 * tenth], rows[:tenth], classes)


def tweets() -> data.Sentences:
    classes = ["negative", "neutral", "positive"]
    return _sentences(1500, classes, (MOODS[0], ["noon", "monday", "seat"], MOODS[1]))


def questions() -> data.Sentences:
    classes = ["person", "place", "number"]
    return _sentences(1200, classes, (["who", "whom"], ["where", "city"], ["many", "much"]))


def pairs() -> data.Pairs:
    """English and German, word by word, with verbs that follow their subject's number."""
    rng = np.random.default_rng(0)
    nouns = [("dog", "hund"), ("man", "mann"), ("child", "kind")]
    verbs = [
        ("running", "läuft", "laufen"),
        ("sitting", "sitzt", "sitzen"),
        ("sleeping", "schläft", "schlafen"),
    ]
    places = [("in the snow", "im schnee"), ("in the park", "im park"), ("outside", "draußen")]

    def pair() -> tuple[str, str]:
        (noun, nomen), (verb, one, many) = nouns[rng.integers(3)], verbs[rng.integers(3)]
        (place, ort), some = places[rng.integers(3)], rng.integers(2)
        who, wer = (f"two {noun}s", f"zwei {nomen}") if some else (f"a {noun}", f"ein {nomen}")
        return f"{who} {verb} {place} .", f"{wer} {many if some else one} {ort} ."

    made = [pair() for _ in range(900)]
    return data.Pairs(made[:700], made[700:800], made[800:])


def series(name: str) -> data.Series:
    """A year's wave on a slope; a random walk in place of the stock market."""
    rng = np.random.default_rng(0)
    t = np.arange(600)
    if name == "sp500":
        walk = 1000 * np.exp(np.cumsum(rng.normal(0, 0.01, 1500)))
        return data.Series(walk, [str(k) for k in range(1500)], name, "points", 0)
    values = (100 + 0.5 * t) * (1 + 0.25 * np.sin(2 * np.pi * t / 12)) + rng.normal(0, 2, len(t))
    return data.Series(values, [str(k) for k in t], name, "units", 12)


def spoken() -> data.Spoken:
    """Each digit is two tones, one after the other, in noise."""
    rng = np.random.default_rng(0)
    sounds, digit, speaker, test = [], [], [], []
    for d in range(10):
        for s in range(2):
            for k in range(16):
                t = np.arange(1600 + 200 * int(rng.integers(3))) / 8000
                first, second = 400 + 500 * (d % 5) + 20 * s, 400 + 500 * ((d + 1 + d // 5) % 5)
                tone = np.where(t < t[-1] / 2, first, second)
                sounds.append(
                    (0.4 * np.sin(2 * np.pi * tone * t) + rng.normal(0, 0.02, len(t))).astype(np.float32)
                )
                digit.append(d)
                speaker.append(s)
                test.append(k < 5)
    return data.Spoken(sounds, np.array(digit), np.array(speaker), np.array(test), ["a", "b"], 8000)
