"""Pictures that several systems share, by matplotlib (extra `plot`), in the report's colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from loopnest.extras import require
from loopnest.viz.charts import STYLE
from loopnest.viz.theme import LIGHT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SERIES = [LIGHT["space"], LIGHT["time"], "#4f8a5b", "#8c5aa8", "#b3475f", "#7a6a3f", LIGHT["soft"]]


def new(
    width: float = 9.4, height: float = 3.4, rows: int = 1, columns: int = 1, **more: Any
) -> tuple[Figure, Any]:
    """A figure in the house's style and its axes, (rows, columns) or one."""
    require("matplotlib", "plot")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns, **more)


def curves(history: dict[str, list[dict[str, Any]]], figures: dict[str, str], log: bool = False) -> Figure:
    """Training loss of every model over its epochs, and beside it each of `figures` (column: heading);
    `log`: losses of several sizes, on a logarithmic axis."""
    figure, axes = new(columns=1 + len(figures), squeeze=False)
    for place, (key, heading) in enumerate({"loss": "training loss", **figures}.items()):
        ax = axes[0, place]
        for color, (name, records) in zip(SERIES * 9, history.items(), strict=False):
            points = [(r["epoch"], r[key]) for r in records if key in r]
            if points:
                ax.plot(
                    *zip(*points, strict=True),
                    color=color,
                    lw=1.8,
                    label=name,
                    marker="." if len(points) < 3 else "",
                )
        ax.set(title=heading, xlabel="epoch")
        ax.grid(True, axis="y")
        ax.xaxis.get_major_locator().set_params(integer=True)
    if log:
        axes[0, 0].set_yscale("log")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    # Below the axes: within, it would cover a curve of one run or another.
    figure.legend(
        handles,
        labels,
        loc="outside lower left",
        ncols=min(len(labels), 5),
        frameon=False,
        labelcolor="linecolor",
        handlelength=1.2,
    )
    return figure


def signed_colors() -> Any:
    """Blue above zero, orange below, white at zero."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("both", [LIGHT["time"], "#ffffff", LIGHT["space"]])


def tiles(
    images: Sequence[np.ndarray],
    titles: Sequence[str] | None = None,
    columns: int = 8,
    signed: bool = False,
    low: float | None = None,
    high: float | None = None,
) -> Figure:
    """Small pictures side by side: grey, ink dark; `signed`: blue above zero and orange below, one scale."""
    count = max(1, len(images))
    rows = -(-count // columns)
    figure, axes = new(9.4, rows * 9.4 / columns * (1.22 if titles else 1.0), rows, columns, squeeze=False)
    both = signed_colors()
    top = max((float(np.abs(i).max()) for i in images), default=1.0) if signed else high
    for place, ax in enumerate(axes.ravel()):
        ax.axis("off")
        if place >= len(images):
            continue
        if signed:
            ax.imshow(images[place], cmap=both, vmin=-(top or 1), vmax=top or 1)
        else:
            ax.imshow(images[place], cmap="Greys", vmin=low, vmax=high)
        if titles:
            ax.set_title(titles[place], fontsize=8.5, loc="center", color=LIGHT["ink"])
    if not images:
        axes[0, 0].text(0.5, 0.5, "none", ha="center", color=LIGHT["soft"])
    return figure


def bars(values: dict[str, float], heading: str, baseline: Sequence[str] = (), form: str = ".3g") -> Figure:
    """Horizontal bars, one per name, written out; those in `baseline` are grey."""
    figure, ax = new(9.4, 0.6 + 0.42 * len(values))
    names = list(values)[::-1]
    colors = [LIGHT["line"] if n in baseline else LIGHT["space"] for n in names]
    ax.barh(names, [values[n] for n in names], color=colors, height=0.62)
    for place, name in enumerate(names):
        ax.text(values[name], place, f" {values[name]:{form}}", va="center", fontsize=9, color=LIGHT["ink"])
    ax.set(title=heading)
    ax.margins(x=0.12)
    return figure
