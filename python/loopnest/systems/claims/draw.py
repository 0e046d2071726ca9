"""Parts of the claims' pictures: small pictures, bars and lines with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loopnest.extras import require
from loopnest.systems.claims.evidence import half_interval
from loopnest.systems.pictures import SERIES
from loopnest.viz.charts import STYLE
from loopnest.viz.theme import LIGHT

SPACE, TIME, INK, SOFT, LINE = (LIGHT[k] for k in ("space", "time", "ink", "soft", "line"))
GREY = "#a9adb3"
Values = Mapping[str, Any]


def mosaic(layout: Any, width: float = 9.4, height: float = 3.4, **more: Any) -> tuple[Any, dict[str, Any]]:
    """A figure and its axes by name; `layout` as for matplotlib's subplot_mosaic."""
    require("matplotlib", "plot")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplot_mosaic(layout, **more)


def grid(
    rows: int, columns: int, width: float = 9.4, height: float = 3.4, **more: Any
) -> tuple[Any, np.ndarray]:
    """A figure and its axes (rows, columns)."""
    names = [[f"{r},{c}" for c in range(columns)] for r in range(rows)]
    figure, axes = mosaic(names, width, height, **more)
    return figure, np.array([[axes[name] for name in row] for row in names])


def image(ax: Any, values: np.ndarray, title: str = "", signed: bool = False, **more: Any) -> None:
    """A small picture without axes: ink dark, or signed: blue above zero, orange below."""
    if signed:
        from matplotlib.colors import LinearSegmentedColormap

        both = LinearSegmentedColormap.from_list("both", [TIME, "#ffffff", SPACE])
        top = float(np.nanmax(np.abs(values))) or 1.0
        ax.imshow(values, **{"cmap": both, "vmin": -top, "vmax": top} | more)
    else:
        ax.imshow(values, **{"cmap": "Greys"} | more)
    ax.set_title(title, fontsize=8.5, loc="center")
    frame(ax)


def frame(ax: Any) -> None:
    """No ticks, a thin frame."""
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(visible=True, color=LINE, linewidth=0.8)


def bars(
    ax: Any,
    values: Values,
    title: str = "",
    controls: Sequence[str] = (),
    form: str = ".0%",
    color: str = SPACE,
    chance: float | None = None,
    colors: Mapping[str, str] | None = None,
) -> None:
    """Horizontal bars of means over seeds with their intervals, written out; controls are grey."""
    names = list(values)[::-1]
    means = [float(np.mean(values[n])) for n in names]
    halves = [half_interval(list(values[n])) for n in names]
    shades = [GREY if n in controls else (colors or {}).get(n, color) for n in names]
    ax.barh(names, means, xerr=halves, color=shades, height=0.62, error_kw={"ecolor": INK, "elinewidth": 1})
    top = max([abs(m) + h for m, h in zip(means, halves, strict=True)] + [1e-9])
    for place, (mean, half) in enumerate(zip(means, halves, strict=True)):
        at = max(mean + half, 0) + 0.02 * top
        ax.text(at, place, f"{mean:{form}}", va="center", fontsize=9, color=INK)
    ax.set_xlim(min(0, min(m - h for m, h in zip(means, halves, strict=True)) * 1.1), top * 1.22)
    if chance is not None:
        ax.axvline(chance, color=INK, lw=0.9, ls=(0, (2, 2)))
        ax.text(chance, -0.5, " chance", fontsize=8, color=SOFT, va="top")
    ax.set_title(title)
    ax.tick_params(axis="y", length=0, labelcolor=INK)
    ax.spines["bottom"].set_visible(False)
    ax.set_xticks([])


def lines(
    ax: Any,
    points: Mapping[str, Mapping[float, Any]],
    title: str = "",
    xlabel: str = "",
    controls: Sequence[str] = (),
    chance: float | None = None,
    colors: Mapping[str, str] | None = None,
    percent: bool = True,
    label: bool = True,
) -> None:
    """Lines of means over seeds with their intervals as bands, named at their right end; controls dashed."""
    ends = []
    for color, (name, row) in zip(SERIES * 3, points.items(), strict=False):
        shade = GREY if name in controls else (colors or {}).get(name, color)
        x = list(row)
        mean = np.array([np.mean(row[k]) for k in x])
        half = np.array([half_interval(list(row[k])) for k in x])
        ax.plot(x, mean, color=shade, lw=2, marker="o", ms=4, ls=(0, (4, 2)) if name in controls else "-")
        ax.fill_between(x, mean - half, mean + half, color=shade, alpha=0.15, lw=0)
        ends.append((float(mean[-1]), name, shade))
    if chance is not None:
        ax.axhline(chance, color=SOFT, lw=0.9, ls=(0, (2, 2)))
    ax.set(title=title, xlabel=xlabel)
    ax.grid(True, axis="y")
    if percent:
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    if label:
        name_ends(ax, ends)


def name_ends(ax: Any, ends: list[tuple[float, str, str]]) -> None:
    """Names beside the last points, moved apart where they would touch."""
    from loopnest.viz.charts import spread

    low, high = ax.get_ylim()
    order = sorted(ends)
    places = spread([y for y, _, _ in order], 0.075 * (high - low))
    for (_, name, shade), y in zip(order, places, strict=True):
        text = INK if shade == GREY else shade
        ax.annotate(
            name,
            (1, y),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=text,
            annotation_clip=False,
        )


def montage(pictures: Sequence[np.ndarray], columns: int, gap: int = 1, ground: float = np.nan) -> np.ndarray:
    """Equal pictures as one, in rows of `columns`, with a gap between them."""
    h, w = pictures[0].shape
    rows = -(-len(pictures) // columns)
    out = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap), ground)
    for k, one in enumerate(pictures):
        r, c = (k // columns) * (h + gap), (k % columns) * (w + gap)
        out[r : r + h, c : c + w] = one
    return out
