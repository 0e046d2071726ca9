"""C13: what came last, in language, in speech and in series; and the stock market.

Language: a GRU says the next character of Shakespeare after the last 1, 2, 4 ... characters; more should
help, and not if the letters are shuffled. Speech: a GRU on the frames of spoken digits, against the mean of
the frames, which has no time. Series: a GRU one step ahead against persistence, on passengers, and on the S&P
500, where the claim names the stock market.
"""

from __future__ import annotations

import numpy as np

import loopnest
from loopnest import nn
from loopnest.data import Vocabulary
from loopnest.nn import functional as F
from loopnest.systems import forecast, generate, speech
from loopnest.systems.claims import draw
from loopnest.systems.claims.c11_wholes import characters, letter_loss
from loopnest.systems.claims.evidence import Check, Finding
from loopnest.systems.claims.lab import Lab
from loopnest.systems.claims.nets import Bag
from loopnest.systems.frame import Picture

BACK = (1, 2, 4, 8, 16)  # characters that are seen before one is said


def nats(model: nn.Module, ids: np.ndarray, back: int, count: int = 1500) -> float:
    """Cross-entropy of the next character when only the last `back` are seen."""
    starts = np.random.default_rng(back).integers(0, len(ids) - BACK[-1] - 1, count) + BACK[-1] - back
    x, y = ids[starts[:, None] + np.arange(back)], ids[starts + back]
    with loopnest.no_grad():
        scores = model(loopnest.tensor(x))[0][:, -1]
        return F.cross_entropy(scores, loopnest.tensor(y)).item()


def surprise(lab: Lab, seed: int, ids: np.ndarray, letters: int) -> dict[float, float]:
    """Nats for the next character after the last so many, in the last tenth of a text, of a GRU that has
    learned from the rest."""
    cut = int(0.9 * len(ids))
    model = lab.practise(
        seed,
        lambda: generate.CharRNN(letters, 96, 1, nn.GRU),
        characters(ids[:cut], 64, BACK[-1]),
        lab.few(1500, 260),
        rate=6e-3,
        loss=letter_loss,
    )
    return {back: nats(model, ids[cut:], back) for back in BACK}


def gain(name: str, lab: Lab, seed: int, epochs: int) -> tuple[float, forecast.Cut, np.ndarray]:
    """How far the GRU's error lies below persistence's (RMSE, as a share); the series, and what was said."""
    cut = forecast.Cut(lab.series(name), forecast.TASKS[name])
    learn = cut.x[: cut.first], cut.y[: cut.first]
    model = lab.learn(seed, forecast.GRU, learn, epochs, rate=4e-3, batch=32, loss=forecast.loss_of)
    with loopnest.no_grad():
        said = model(loopnest.tensor(cut.x[cut.first :])).numpy()
    return 1 - cut.rmse(said) / cut.rmse(cut.x[cut.first :, -1]), cut, said


def run(lab: Lab) -> Finding:
    text = lab.shakespeare()[:300_000]
    letters = Vocabulary.of_characters(text)
    ids = letters.encode(text)
    mixed = np.random.default_rng(0).permutation(ids)
    spoken = lab.speech()
    frames = np.stack([speech.fitted(frames) for frames in speech.prepared(spoken)])
    seen = {name: {back: [] for back in BACK} for name in ("Shakespeare", "his letters shuffled")}  # type: dict[str, dict[float, list[float]]]
    heard: dict[str, list[float]] = {"GRU": [], "mean of the frames": []}
    ahead: dict[str, list[float]] = {"airline": [], "sp500": []}
    shown: dict[str, tuple[forecast.Cut, np.ndarray]] = {}
    for seed in lab.seeds:
        for row, source in zip(seen.values(), (ids, mixed), strict=True):
            for back, figure in surprise(lab, seed, source, len(letters)).items():
                row[back].append(figure)
        test, digit = spoken.test, spoken.digit
        for name, make in (
            ("GRU", lambda: speech.Recurrent(nn.GRU, 64)),
            ("mean of the frames", lambda: Bag(speech.BANDS, 64, 10)),
        ):
            listener = lab.learn(
                seed, make, (frames[~test], digit[~test]), lab.few(40, 18), rate=4e-3, batch=32
            )
            heard[name].append(lab.accuracy(listener, frames[test], digit[test]))
        for name, epochs in (("airline", lab.few(300, 120)), ("sp500", lab.few(15, 3))):
            figure, series, said = gain(name, lab, seed, epochs)
            ahead[name].append(figure)
            shown.setdefault(name, (series, said))
    told = {name: np.subtract(row[BACK[0]], row[BACK[-1]]) for name, row in seen.items()}
    mean = {name: float(np.mean(row)) for name, row in (heard | ahead).items()}
    return Finding(
        done=f"Shakespeare, the last tenth held back: the next character after the last 1 to {BACK[-1]}. "
        f"Spoken digits, {int((~spoken.test).sum())} recordings to learn from, {int(spoken.test.sum())} "
        "held back, in frames of 16 ms. Airline passengers and the S&P 500, one step ahead over the last "
        "part of each series.",
        checks=[
            Check(
                "language: nats a character saved by 16 characters instead of one",
                told["Shakespeare"],
                0.2,
                form=".2f",
            ),
            Check(
                "speech: digits named, GRU less the mean of the frames",
                np.subtract(heard["GRU"], heard["mean of the frames"]),
                0.05,
            ),
            Check("passengers: error below persistence", ahead["airline"], 0.1),
            Check("stock market: error below persistence", ahead["sp500"], 0.02),
            Check(
                "shuffled letters: nats saved",
                told["his letters shuffled"],
                0.05,
                "below",
                control=True,
                form=".2f",
            ),
        ],
        say=f"Sixteen characters instead of one save {told['Shakespeare'].mean():.2f} nats on the next, of "
        f"shuffled letters {told['his letters shuffled'].mean():.2f}. The GRU names {mean['GRU']:.0%} of "
        f"spoken digits, the mean of their frames {mean['mean of the frames']:.0%}. It errs "
        f"{mean['airline']:.0%} less than persistence on passengers; on the S&P 500 {mean['sp500']:+.1%}: no "
        "skill that would count.",
        pictures=[
            Picture(
                "c13",
                "What came last shapes what comes next",
                "Left: how surprising the next character is (nats) after the last 1 to 16. Right: one step "
                "ahead on passengers, and on the S&P 500: there the best guess is the last value.",
                picture(seen, shown),
            )
        ],
        notes=[
            "Nobody should trade by this: what is said here of the stock market is that it was not foretold."
        ],
    )


def picture(seen, shown: dict[str, tuple[forecast.Cut, np.ndarray]]):
    figure, axes = draw.mosaic([["lines", "airline"], ["lines", "sp500"]], 9.4, 3.5, width_ratios=[1, 1.5])
    colors = {"Shakespeare": draw.TIME, "his letters shuffled": draw.GREY}
    ax = axes["lines"]
    draw.lines(
        ax,
        seen,
        "next character, nats",
        "characters seen",
        ["his letters shuffled"],
        colors=colors,
        percent=False,
        label=False,
    )
    ax.set_xscale("log", base=2)
    ax.set_xticks(BACK, [str(k) for k in BACK])
    for name, row in seen.items():
        at = float(np.mean(row[BACK[2]]))
        ax.annotate(name, (BACK[2], at), (6, 8), textcoords="offset points", fontsize=9, ha="left",
                    color=draw.SOFT if name not in colors or "shuffled" in name else draw.TIME)  # fmt: skip
    for name, title in (("airline", "airline passengers, thousands"), ("sp500", "S&P 500, points (part)")):
        cut, said = shown[name]
        few = slice(-60, None)
        ax = axes[name]
        ax.plot(cut.true[few], color=draw.INK, lw=1.2, label="what came")
        ax.plot(cut.back(said)[few], color=draw.TIME, lw=1.5, label="GRU, one step before")
        ax.plot(
            cut.back(cut.x[cut.first :, -1])[few],
            color=draw.GREY,
            lw=1,
            ls=(0, (2, 1.5)),
            label="persistence",
        )
        ax.set_title(title)
        ax.set_xticks([])
    axes["airline"].legend(frameon=False, fontsize=8, ncols=3, loc="upper left", bbox_to_anchor=(0, 1.05))
    low, high = axes["airline"].get_ylim()
    axes["airline"].set_ylim(low, high + 0.18 * (high - low))
    return figure
