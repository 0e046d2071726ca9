"""Small data in the format of the public sets, so that every system runs in the tests without them.

Where LOOPNEST_DATA names a folder that holds the real file, that one is taken. Each maker writes one file;
the numbers are made to be learnable, not to be real.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np


def real(name: str) -> Path | None:
    """The real file of that name, if it is there."""
    place = os.environ.get("LOOPNEST_DATA")
    path = Path(place) / name if place else None
    return path if path is not None and path.is_file() else None


def mnist_10k_2k(path: Path) -> None:
    """scikit-learn's 8x8 digits, enlarged to 24x24 in a frame of 28x28."""
    from loopnest.data import digits

    d = digits()

    def large(x: np.ndarray) -> np.ndarray:
        big = np.kron(x, np.ones((3, 3)))
        return np.pad((255 * big).astype(np.uint8), ((0, 0), (2, 2), (2, 2)))

    np.savez(path, x_train=large(d.x_train), y_train=d.y_train, x_test=large(d.x_test), y_test=d.y_test)


def nuclei_dsb2018_46(path: Path) -> None:
    """Bright discs on dark ground."""
    rng = np.random.default_rng(0)
    arrays = {}
    names = [(f"train_{k:02}", 128) for k in range(4)] + [
        ("test_00", 128),
        ("test_01", 128),
        ("other_00", 150),
    ]
    for name, side in names:
        image, label = rng.normal(12, 2, (side, side + 10)), np.zeros((side, side + 10), np.uint16)
        rows, columns = np.mgrid[:side, : side + 10]
        for k in range(1, 9):
            r, c = rng.integers(12, side - 12, 2)
            inside = ((rows - r) ** 2 + (columns - c) ** 2 < rng.integers(6, 11) ** 2) & (label == 0)
            label[inside], image[inside] = k, rng.normal(90, 6, inside.sum())
        arrays |= {f"{name}_image": image.clip(0, 255).astype(np.uint8), f"{name}_label": label}
    np.savez(path, **arrays)


def radar_fmi_20160928_4km(path: Path) -> None:
    """A field of showers that drifts by two pixels a frame."""
    rng = np.random.default_rng(0)
    field = np.zeros((100, 190))
    rows, columns = np.mgrid[:100, :190]
    for _ in range(40):
        r, c = rng.integers(0, 100), rng.integers(0, 190)
        field += np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / 120)
    frames = np.stack([np.roll(field, 2 * t, 1)[:, :100] for t in range(40)])
    np.savez(path, frames=(64 + 60 * frames.clip(0, 2)).astype(np.uint8), valid=np.ones((100, 100), bool))


def write_gz(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode("utf-8")))


def tinyshakespeare(path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = ["To be, or not to be.", "What light is this?", "O Romeo, Romeo!", "The rest is silence."]
    write_gz(path, "\n".join(lines[k] for k in rng.integers(0, 4, 4000)))


GERMAN = ["ein", "hund", "mann", "kind", "läuft", "sitzt", "schläft", "im", "schnee", "park", "."]
ENGLISH = ["a", "dog", "man", "child", "runs", "sits", "sleeps", "in the", "snow", "park", "."]


def multi30k(path: Path) -> None:
    """Sentences that translate word by word."""
    rng = np.random.default_rng(len(path.name.split(".")[1]))
    table = GERMAN if ".de" in path.name else ENGLISH
    rows = [[0, rng.integers(1, 4), rng.integers(4, 7), 7, rng.integers(8, 10), 10] for _ in range(300)]
    write_gz(path, "\n".join(" ".join(table[k] for k in row) for row in rows) + "\n")


MOODS = (["bad", "dull", "boring", "awful"], ["good", "bright", "touching", "great"])


def sentence(rng: np.random.Generator, mood: int) -> str:
    filler = ["the", "film", "is", "a", "story", "of", "its", "time", "and", "plot"]
    words = [filler[k] for k in rng.integers(0, 10, rng.integers(6, 12))]
    words.insert(int(rng.integers(len(words))), MOODS[mood][rng.integers(4)])
    return " ".join(words)


def rt_polarity(path: Path) -> None:
    rng, mood = np.random.default_rng(1), int("pos" in path.name)
    write_gz(path, "".join(sentence(rng, mood) + "\n" for _ in range(400)))


def labelled(path: Path) -> None:
    """Lines "label sentence", two moods."""
    rng = np.random.default_rng(len(path.name))
    write_gz(path, "".join(f"{k % 2} {sentence(rng, k % 2)}\n" for k in range(400)))


def tweets(path: Path) -> None:
    rng = np.random.default_rng(2)
    names = ("negative", "positive")
    write_gz(path, "".join(f"{names[k % 2]}\t{sentence(rng, k % 2)}\n" for k in range(400)))


def airline(path: Path) -> None:
    t = np.arange(144)
    values = (100 + 2.5 * t) * (1 + 0.25 * np.sin(2 * np.pi * t / 12))
    rows = [f'"{1949 + k // 12}-{k % 12 + 1:02}",{v:.0f}' for k, v in enumerate(values)]
    path.write_text("\n".join(['"Month","Passengers"', *rows]) + "\n")


def fsdd_900_mulaw(path: Path) -> None:
    """Each digit is a tone of its own, with noise."""
    rng = np.random.default_rng(0)
    codes, facts = [], []
    for digit in range(10):
        for speaker in range(2):
            for index in range(12):
                t = np.arange(2400 + 200 * int(rng.integers(4))) / 8000
                wave = 0.4 * np.sin(2 * np.pi * (300 + 300 * digit + 20 * speaker) * t)
                wave += rng.normal(0, 0.01, len(t))
                y = np.sign(wave) * np.log1p(255 * np.abs(wave)) / np.log(256)
                codes.append(np.round((y + 1) / 2 * 255).astype(np.uint8))
                facts.append((len(t), digit, speaker, index))
    length, digit, speaker, index = np.array(facts).T
    np.savez(path, audio=np.concatenate(codes), length=length, digit=digit, speaker=speaker, index=index)


def chorales(path: Path) -> None:
    """Chords that take turns."""
    from scipy.io import savemat

    rng = np.random.default_rng(0)

    def rolls(count: int) -> np.ndarray:
        made = np.empty((1, count), object)
        for k in range(count):
            roll = np.zeros((24, 88))
            for t in range(24):
                roll[t, [30 + (t % 4), 40 + (t % 3), 50 + int(rng.integers(2))]] = 1
            made[0, k] = roll
        return made

    savemat(path, {"traindata": rolls(12), "validdata": rolls(4), "testdata": rolls(6)})


MAKERS: dict[str, Callable[[Path], None]] = {
    "mnist_10k_2k.npz": mnist_10k_2k,
    "nuclei_dsb2018_46.npz": nuclei_dsb2018_46,
    "radar_fmi_20160928_4km.npz": radar_fmi_20160928_4km,
    "tinyshakespeare.txt.gz": tinyshakespeare,
    **{
        f"multi30k.{part}.{two}.gz": multi30k
        for part in ("train12k", "val", "test2016")
        for two in ("de", "en")
    },
    "rt-polarity.pos.gz": rt_polarity,
    "rt-polarity.neg.gz": rt_polarity,
    **{f"stsa.binary.{part}.gz": labelled for part in ("train", "dev", "test")},
    "TREC.train.all.gz": labelled,
    "TREC.test.all.gz": labelled,
    "airline_tweets_even.tsv.gz": tweets,
    "airline-passengers.csv": airline,
    "fsdd_900_mulaw.npz": fsdd_900_mulaw,
    "JSB_Chorales.mat": chorales,
}
MOOD = ["rt-polarity.pos.gz", "rt-polarity.neg.gz"]
SENTENCES = [*MOOD, *(name for name in MAKERS if name.startswith(("stsa", "TREC", "airline_tweets")))]
PAIRS = [name for name in MAKERS if name.startswith("multi30k")]


def folder(place: Path, names: list[str]) -> Path:
    """A folder with those files, real ones linked, the others made."""
    place.mkdir(parents=True, exist_ok=True)
    for name in names:
        path, there = place / name, real(name)
        if path.exists():
            continue
        if there is not None:
            path.symlink_to(there.resolve())
        else:
            MAKERS[name](path)
    return place
