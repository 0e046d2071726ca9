"""Charts by matplotlib (extra `plot`): the roofline and the training curves, as figures, inline SVG or PNG.

Every function takes the plain dicts described in loopnest.viz.report and draws what they hold, nothing else.
"""

from __future__ import annotations

import io
import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loopnest.extras import require
from loopnest.viz.theme import LIGHT, color_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: sharp, small, selectable
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": LIGHT["line"],
    "axes.labelcolor": LIGHT["soft"],
    "axes.titlecolor": LIGHT["ink"],
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": LIGHT["ink"],
    "xtick.color": LIGHT["soft"],
    "ytick.color": LIGHT["soft"],
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "grid.color": LIGHT["line"],
    "grid.linewidth": 0.6,
    "lines.solid_capstyle": "round",
}


def roofline(machine: dict[str, Any], climbs: list[dict[str, Any]], wide: bool = True) -> Figure:
    """The machine's roofs, log-log, with every rung of every climb on them.

    A kernel of intensity i FLOP per byte can reach min(peak, i * bandwidth) (Williams, Waterman, Patterson
    2009). Intensity counts every array once, so a ladder is one column of points that climbs towards its
    roof.
    """
    require("matplotlib", "plot")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    peaks = sorted(machine["peaks"], key=lambda p: p["gflops"])
    bands = sorted(machine["bandwidths"], key=lambda b: -b["gbs"])
    best = peaks[-1]["gflops"]
    rungs = [(climb, rung) for climb in climbs for rung in climb["rungs"]]
    left = min([best / bands[0]["gbs"]] + [c["intensity"] for c in climbs]) / 4
    right = max([best / bands[-1]["gbs"]] + [c["intensity"] for c in climbs]) * (8 if wide else 50)
    high = max([best] + [r["gflops"] for _, r in rungs]) * 2.6
    low = min([peaks[0]["gflops"], bands[-1]["gbs"] * left] + [r["gflops"] for _, r in rungs]) / 1.8
    with rc_context(STYLE):
        figure = Figure(figsize=(9.4, 5.2) if wide else (4.6, 5.4), layout="constrained")
        axes = figure.add_subplot(xscale="log", yscale="log", xlim=(left, right), ylim=(low, high))
        axes.set_xlabel("FLOP per byte, every array counted once")
        axes.set_ylabel("GFLOP/s")
        axes.grid(True, which="major")
        axes.xaxis.set_major_formatter(_plain)
        axes.yaxis.set_major_formatter(_plain)
        _roofs(axes, peaks, bands, (left, right, low, high), wide)
        ordered = sorted(climbs, key=lambda climb: climb["intensity"])
        for place, climb in enumerate(ordered):
            _column(axes, climb, right_hand=place == len(ordered) - 1, wide=wide)
        _lay_along(figure, axes, bands)
        return figure


def _roofs(axes: Axes, peaks: list, bands: list, box: tuple[float, float, float, float], wide: bool) -> None:
    left, right, low, _ = box
    best = peaks[-1]["gflops"]
    for band in bands:
        strong = band is bands[-1]
        x = [max(left, low / band["gbs"]), best / band["gbs"]]
        axes.plot(x, [i * band["gbs"] for i in x], color=LIGHT["roof"], lw=1.6 if strong else 0.8)
    for peak in peaks:
        strong = peak is peaks[-1]
        x = [peak["gflops"] / bands[0]["gbs"], right]
        axes.plot(x, [peak["gflops"]] * 2, color=LIGHT["roof"], lw=1.6 if strong else 0.8)
        label = f"{peak['isa']} FMA {peak['gflops']:.3g}" if wide else f"{peak['isa']} {peak['gflops']:.3g}"
        axes.text(
            right, peak["gflops"] * 1.06, label, color=LIGHT["soft"], fontsize=8.5, ha="right", va="bottom"
        )


def _lay_along(figure: Figure, axes: Axes, bands: list) -> None:
    """Write each bandwidth along its line, on the side where the neighbouring line is further away."""
    figure.draw_without_rendering()  # only now is the slope on paper known
    (left, right), low = axes.get_xlim(), axes.get_ylim()[0]
    gaps = [np.inf, *(a["gbs"] / b["gbs"] for a, b in itertools.pairwise(bands)), np.inf]
    for place, band in enumerate(bands):
        x = max(left, low / band["gbs"]) * (right / left) ** 0.03
        (x0, y0), (x1, y1) = axes.transData.transform([(x, x * band["gbs"]), (2 * x, 2 * x * band["gbs"])])
        angle = float(np.degrees(np.arctan2(y1 - y0, x1 - x0)))
        above = gaps[place] >= gaps[place + 1]
        axes.annotate(
            f"{band['level']} {band['gbs']:.0f} GB/s",
            (x, x * band["gbs"]),
            xytext=(-2, 3) if above else (3, -3),
            textcoords="offset points",
            rotation=angle,
            rotation_mode="anchor",
            va="bottom" if above else "top",
            color=LIGHT["soft"],
            fontsize=8.5,
        )


def _column(axes: Axes, climb: dict[str, Any], right_hand: bool, wide: bool) -> None:
    color = LIGHT[color_of(climb["op"])]
    x = climb["intensity"]
    rungs = sorted(climb["rungs"], key=lambda r: r["gflops"])
    speeds = [r["gflops"] for r in rungs]
    axes.plot([x, x], [speeds[0], speeds[-1]], color=color, lw=1, alpha=0.35)
    axes.plot([x] * len(speeds), speeds, "o", color=color, ms=6, mec=LIGHT["card"], mew=0.8)
    # Names keep a distance of one line height on the log axis; a name that had to move gets a thin leader.
    low, high = axes.get_ylim()
    height = 0.036 * np.log10(high / low)
    places = spread([float(np.log10(s)) for s in speeds], height)
    side = 1 if right_hand else -1
    left, right = axes.get_xlim()
    away = (right / left) ** (0.022 if wide else 0.045)
    for rung, speed, place in zip(rungs, speeds, places, strict=True):
        y = 10**place
        axes.plot([x, x * away ** (0.9 * side)], [speed, y], color=color, lw=0.6, alpha=0.6)
        axes.text(
            x * away**side,
            y,
            rung["name"],
            color=color,
            fontsize=8.5,
            va="center",
            ha="left" if side > 0 else "right",
            bbox={"facecolor": LIGHT["card"], "edgecolor": "none", "pad": 0.6},  # a roof may pass behind
        )
    axes.text(
        x,
        high / 1.3,
        climb["op"],
        color=color,
        fontsize=9.5,
        fontweight="bold",
        ha="left" if side > 0 else "right",
    )


def spread(values: list[float], gap: float) -> list[float]:
    """Move the ascending `values` apart until neighbours differ by at least `gap`, as little as possible.

    Runs of values that touch become blocks around their mean, as in isotonic regression (pool adjacent
    violators).
    """
    blocks: list[list[float]] = []  # [sum of (value - its offset in the block), members]
    for value in values:
        blocks.append([value, 1])
        while len(blocks) > 1:
            (a, n), (b, m) = blocks[-2], blocks[-1]
            if b / m - a / n >= gap * n:
                break
            blocks[-2:] = [[a + b - m * n * gap, n + m]]
    return [total / count + gap * k for total, count in blocks for k in range(int(count))]


def curves(trainings: list[dict[str, Any]], wide: bool = True) -> Figure:
    """Loss and accuracy of each training over its epochs: training set dashed, held-back quarter solid."""
    require("matplotlib", "plot")
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with rc_context(STYLE):
        figure = Figure(figsize=(9.4, 3.4) if wide else (4.6, 6.2), layout="constrained")
        loss, accuracy = figure.subplots(1, 2) if wide else figure.subplots(2, 1)
        lowest = 1.0
        for training in trainings:
            color = LIGHT[color_of(training["op"])]
            epochs = training["epochs"]
            x = range(1, len(epochs) + 1)
            loss.plot(x, [e["loss"] for e in epochs], color=color, lw=1.8, label=training["name"])
            held = [e["test_accuracy"] for e in epochs]
            accuracy.plot(x, [e["train_accuracy"] for e in epochs], color=color, lw=1, ls=(0, (2, 2)))
            accuracy.plot(x, held, color=color, lw=1.8)
            accuracy.axhline(training["target"], color=color, lw=0.7, alpha=0.6)
            lowest = min(lowest, max(0.0, training["target"] - 0.06))
        loss.set(title="Training loss (cross-entropy)", xlabel="epoch", yscale="log")
        loss.yaxis.set_major_formatter(_plain)
        loss.yaxis.set_minor_formatter(lambda *_: "")
        loss.legend(frameon=False, labelcolor="linecolor", handlelength=1.2)
        accuracy.set(
            title="Accuracy: held-back quarter solid, training dashed", xlabel="epoch", ylim=(lowest, 1.003)
        )
        accuracy.yaxis.set_major_formatter(lambda v, _: f"{100 * v:.0f} %")
        for axes in (loss, accuracy):
            axes.grid(True, axis="y")
            axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10], integer=True))
        return figure


def svg(figure: Figure, name: str) -> str:
    """The figure as an <svg> element to put into a page: colours by the page, ids made unique by `name`."""
    require("matplotlib", "plot")
    from matplotlib import rc_context

    text = io.StringIO()
    with rc_context(STYLE | {"svg.hashsalt": name}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    body = text.getvalue()
    body = body[body.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r'\b(id="|href="#)', rf"\g<1>{name}-", body).replace("url(#", f"url(#{name}-")
    body = re.sub(r"^<svg[^>]*?(viewBox=\"[^\"]*\")[^>]*>", r'<svg \1 aria-hidden="true">', body)
    body = re.sub(r"font: (bold |700 )?([\d.]+)px [^;\"]*", r"font: \1\2px var(--sans)", body)
    for color, value in LIGHT.items():
        body = body.replace(value, f"var(--{color})")
    return body.strip()


def save(figure: Figure, path: str | Path) -> None:
    """Write the figure on the light background; the file's ending (.png, .svg) says as what."""
    figure.savefig(path, dpi=160, facecolor=LIGHT["card"])


def _plain(value: float, _: object = None) -> str:
    return f"{value:g}"
