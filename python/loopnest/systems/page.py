"""A system's result as one self-contained HTML page, PNG pictures and JSON, in the folder of the run."""

from __future__ import annotations

import base64
import html
import os
import re
import string
from pathlib import Path

from loopnest.systems.frame import Options, Result, Row
from loopnest.viz import charts
from loopnest.viz.facts import to_json
from loopnest.viz.report import STYLE
from loopnest.viz.theme import DARK, LIGHT, variables

PAGE = string.Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>loopnest $name</title>
<link rel="icon" href="data:,">
<style>
:root { $light --sans: system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
@media (prefers-color-scheme: dark) { :root { $dark } }
$style
figure.card img { width: 100%; min-width: 640px; height: auto; image-rendering: auto; border-radius: 0.3rem; }
pre { white-space: pre-wrap; font-size: 0.85rem; margin: 0; }
tr.baseline td { color: var(--soft); }
td { white-space: nowrap; }
table.wide { font-size: 0.8rem; }
</style>
</head>
<body>
<main>
<header>
<h1>$name</h1>
<p>$title</p>
</header>
$body
<footer>Written by <code>$command</code>, seed $seed$quick. Every figure on this page was
measured in that run.</footer>
</main>
</body>
</html>
""")


def write(result: Result, options: Options) -> Path:
    """Write result.html, result.json and a PNG per picture into the run's folder; returns the page's path."""
    result.quick, result.seed = options.quick, options.seed
    for picture in result.pictures:
        charts.save(picture.figure, options.folder / f"{picture.name}.png")
    _whole(options.folder / "result.json", to_json(result.facts()) + "\n")
    return _whole(options.folder / "result.html", page(result, options))


def _whole(path: Path, text: str) -> Path:
    """Write a file so that it appears whole or not at all."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)
    return path


def page(result: Result, options: Options) -> str:
    """The page as a string; the pictures are read from the run's folder."""
    parts = [f'<section><p class="lead">{_prose(result.say)}</p>{table(result)}</section>']
    for picture in result.pictures:
        data = base64.b64encode((options.folder / f"{picture.name}.png").read_bytes()).decode("ascii")
        parts.append(
            f"<section><h2>{_text(picture.title)}</h2>"
            f'<figure class="card"><div class="scroll"><img alt="{_text(picture.title)}" '
            f'src="data:image/png;base64,{data}"></div>'
            f"<figcaption>{_prose(picture.caption)}</figcaption></figure></section>"
        )
    if result.samples:
        shown = "".join(f'<div class="card"><pre>{_text(sample)}</pre></div>' for sample in result.samples)
        parts.append(f"<section><h2>What it does</h2>{shown}</section>")
    notes = "".join(f"<li>{_prose(note)}</li>" for note in result.notes)
    parts.append(
        f'<section><h2>How it was measured</h2><p class="lead">{_prose(result.about)}</p>'
        + (f'<ul class="note">{notes}</ul>' if notes else "")
        + "</section>"
    )
    return PAGE.substitute(
        name=_text(result.name),
        title=_text(result.title),
        command=_text(options.command),
        seed=result.seed,
        quick=", a quick run: it shows that everything works, not what it can reach" if result.quick else "",
        light=variables(LIGHT),
        dark=variables(DARK),
        style=STYLE.read_text(encoding="utf-8"),
        body="\n".join(parts),
    )


def table(result: Result) -> str:
    """The table of models and baselines."""
    head, lines = grid(result)
    cells = "".join(f"<th{' class=n' if k else ''}>{_text(h)}</th>" for k, h in enumerate(head))
    body = "".join(
        f"<tr{' class=baseline' if row.baseline else ''}>"
        + "".join(f"<td{' class=n' if k else ''}>{_text(c)}</td>" for k, c in enumerate(line))
        + "</tr>"
        for row, line in zip(result.rows, lines, strict=True)
    )
    wide = " class=wide" if len(head) > 8 else ""
    return (
        f'<div class="card scroll"><table{wide}><thead><tr>{cells}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def grid(result: Result) -> tuple[list[str], list[list[str]]]:
    """The headings and the lines of the table, without columns in which nothing stands."""
    head = ["", *(heading for heading, _ in result.columns.values()), "parameters", "training"]
    lines = [cells_of(result, row) for row in result.rows]
    kept = [k for k in range(len(head)) if k == 0 or any(line[k] for line in lines)]
    return [head[k] for k in kept], [[line[k] for k in kept] for line in lines]


def cells_of(result: Result, row: Row) -> list[str]:
    """A row of the table as texts: model, figures by the columns' formats, parameters, seconds.

    A figure "accuracy±" is half of the interval of "accuracy" and stands in its cell.
    """

    def cell(key: str, form: str) -> str:
        if key not in row.figures:
            return ""
        half = row.figures.get(f"{key}±")
        more = "" if half is None else f" ±{format(half, form).removesuffix('%')}"
        return format(row.figures[key], form) + more

    figures = [cell(key, form) for key, (_, form) in result.columns.items()]
    seconds = "" if row.seconds is None else f"{row.seconds:.1f} s"
    return [row.model, *figures, "" if row.parameters is None else f"{row.parameters:,}", seconds]


def _prose(text: str) -> str:
    """A sentence for the page; what stands in backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(text))


def _text(value: object) -> str:
    return html.escape(str(value))
