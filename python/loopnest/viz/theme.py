"""The colours of charts and report: one name each, a light and a dark value.

Charts are drawn with the light values. An inline SVG then has each of them replaced by `var(--name)`, so
that the page's style sheet decides and one drawing serves light and dark. Every value therefore occurs once
in LIGHT.
"""

from __future__ import annotations

LIGHT = {
    "paper": "#fbfaf7",
    "card": "#ffffff",
    "ink": "#1f2530",
    "soft": "#667080",
    "line": "#dfddd6",
    "space": "#2f6fb0",  # convolution: patterns across space
    "time": "#c4622d",  # recurrence: patterns across time
    "roof": "#39414e",
}
DARK = {
    "paper": "#14171c",
    "card": "#1b1f26",
    "ink": "#e6e4df",
    "soft": "#98a1af",
    "line": "#323843",
    "space": "#6aa9e9",
    "time": "#ee9660",
    "roof": "#c3c8d1",
}
KINDS = {"conv2d": "space", "gemm": "roof", "lstm": "time"}  # which colour an operator's ladder wears


def color_of(op: str) -> str:
    """The colour name of an operator: "time" for recurrence, "space" for everything else."""
    return KINDS.get(op, "time" if "lstm" in op or "gru" in op or "rnn" in op else "space")


def variables(colors: dict[str, str]) -> str:
    """The colours as CSS custom properties."""
    return " ".join(f"--{name}: {value};" for name, value in colors.items())
