"""The report of a tour: one HTML file that holds everything it shows and needs no network.

`page(facts)` takes the plain dict that `loopnest.tour.tour` returns (`loopnest tour --json` prints the same):

    loopnest     version, a string                        command, seconds, date    how the facts came about
    machine      what loopnest.machine.measure returns climbs       list of what loopnest.ladder.climb
    returns: op, title, shape, threads, flops, bytes, intensity, rungs trainings    list: op, name, title,
    layers, parameters, target, accuracy, epochs, wrong, ...  (loopnest.tour) digit        image (8, 8),
    label, filters (f, 3, 3), maps (f, 8, 8), hidden (8, h), guesses (8, 10)

Arrays may be NumPy arrays or nested lists. A part that is missing or empty is left out of the page.
"""

from __future__ import annotations

import html
import string
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from loopnest.viz import charts
from loopnest.viz.png import picture
from loopnest.viz.theme import DARK, LIGHT, color_of, variables

INK = "#000000"  # of a digit, on white paper
STYLE = Path(__file__).with_name("page.css")

PAGE = string.Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>loopnest tour: $cpu</title>
<link rel="icon" href="data:,">
<style>
:root { $light --sans: system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
@media (prefers-color-scheme: dark) { :root { $dark } }
$style</style>
</head>
<body>
<main>
<header>
<h1>loopnest tour</h1>
<p>$cpu, $date</p>
</header>
$body
<footer>Written by <code>$command</code>, loopnest $version, in $seconds s. Every figure on this page was
measured in that run.</footer>
</main>
</body>
</html>
""")


def write(facts: dict[str, Any], path: str | Path) -> Path:
    """Write the page of `facts` to `path`, making its folder; returns the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(facts), encoding="utf-8")
    return path


def page(facts: dict[str, Any]) -> str:
    """The whole page as a string. Needs matplotlib (extra `plot`)."""
    climbs, trainings = facts.get("climbs") or [], facts.get("trainings") or []
    parts = [headline(climbs, trainings)]
    if facts.get("machine"):
        parts.append(machine(facts["machine"], climbs))
    if climbs:
        parts.append(ladders(climbs))
    if trainings:
        parts.append(training(trainings))
    if facts.get("digit"):
        parts.append(across(facts["digit"]))
    if trainings:
        parts.append(mistakes(trainings))
    return PAGE.substitute(
        cpu=_text(facts.get("machine", {}).get("cpu", "this machine")),
        date=_text(facts.get("date", "")),
        command=_text(facts.get("command", "loopnest")),
        version=_text(facts.get("version", "")),
        seconds=f"{facts.get('seconds', 0):.0f}",
        light=variables(LIGHT),
        dark=variables(DARK),
        style=STYLE.read_text(encoding="utf-8"),
        body="\n".join(parts),
    )


def headline(climbs: list[dict], trainings: list[dict]) -> str:
    """The four figures at the top: the best rung of each ladder, the accuracy of each network."""
    cells = []
    for climb in climbs:
        best = max(climb["rungs"], key=lambda rung: rung["gflops"])
        first = climb["rungs"][0]
        cells.append(
            f'<div class="{color_of(climb["op"])}"><dt>{_text(climb["op"])} on {_text(climb["title"])}</dt>'
            f"<dd>{percent_text(best['percent'])}<small>of the FMA peak with <b>{_text(best['name'])}</b>: "
            f"{number_text(best['ms'])} ms, {number_text(first['ms'] / best['ms'])} times as fast as "
            f"{_text(first['name'])}{at_clock(best)}</small></dd></div>"
        )
    for one in trainings:
        cells.append(
            f'<div class="{color_of(one["op"])}"><dt>{_text(one["title"])}</dt>'
            f"<dd>{100 * one['accuracy']:.1f} %<small>{len(one['wrong'])} of {one['test_size']} held-back "
            f"digits wrong; {one['seconds']:.1f} s of training</small></dd></div>"
        )
    return f'<dl class="figures">{"".join(cells)}</dl>' if cells else ""


def machine(facts: dict[str, Any], climbs: list[dict]) -> str:
    """The roofline and the measured figures of the machine."""
    draw = {
        kind: charts.svg(charts.roofline(facts, climbs, kind == "wide"), f"roof-{kind}")
        for kind in ("wide", "narrow")
    }
    both = "".join(f'<div class="{kind}">{drawing}</div>' for kind, drawing in draw.items())
    threads = facts.get("peak_threads")
    peaks = [(p["isa"], f"{p['gflops']:.1f}") for p in facts["peaks"]]
    if threads and threads["threads"] > 1:
        peaks.append((f"{threads['isa']}, {threads['threads']} threads together", f"{threads['gflops']:.1f}"))
    bands = [(b["level"], bytes_text(b["bytes"]), f"{b['gbs']:.1f}") for b in facts["bandwidths"]]
    caches = ", ".join(
        f"L{c['level']} {bytes_text(c['bytes'])}"
        + (f" (shared by {c['shared_by']})" if c["shared_by"] > 1 else "")
        for c in facts.get("caches", [])
    )
    about = [
        f"{facts['cpus']} CPUs for this process",
        f"threads: {facts['threads']}",
        "ISAs " + " ".join(facts["isas"]),
    ]
    return f"""<section>
<h2>The machine</h2>
<p class="lead">{_text("; ".join([*about, caches] if caches else about))}.</p>
<figure class="card" role="img" aria-label="Roofline: this machine's measured ceilings and every rung">{both}
<figcaption>A kernel that does <i>i</i> operations per byte can reach the lower of the FMA peak and <i>i</i>
times the bandwidth. Each dot is a rung on one core; a ladder climbs straight up, because its rungs do the
same sums on the same arrays. A rung above the roof saves multiplications and is still counted by the
textbook's sum.</figcaption></figure>
<div class="card pair">
<div>{_table(["FMA peak, one core, float32", "GFLOP/s"], peaks)}</div>
<div>{_table(["Read bandwidth, one core", "array", "GB/s"], bands)}</div>
</div>
</section>"""


def clock_text(rung: dict[str, Any]) -> str:
    """Per cent of the peak at the clock that the rung ran at; empty if that was not measured."""
    value = rung.get("percent_at_clock")
    return percent_text(value) if value else ""


def at_clock(rung: dict[str, Any]) -> str:
    """The same as the end of a sentence."""
    return f"; {clock_text(rung)} at the clock it runs at" if clock_text(rung) else ""


def ladders(climbs: list[dict]) -> str:
    """One table of bars per ladder."""
    cards = "".join(ladder(climb) for climb in climbs)
    return f"""<section>
<h2>The ladders</h2>
<p class="lead">Each rung is a complete kernel for the same job. A full bar is the FMA peak, measured between
the runs; a mark stands there if a rung goes beyond it. Some CPUs lower their clock while a kernel loads what
it multiplies: &ldquo;at its clock&rdquo; compares with multiply-adds right after the rung, at the clock it
left behind.</p>
{cards}
</section>"""


def ladder(climb: dict[str, Any]) -> str:
    """The bars of one climb."""
    full = max([100.0] + [rung["percent"] for rung in climb["rungs"]])
    rows = []
    for rung in climb["rungs"]:
        width, mark = 100 * rung["percent"] / full, 100 * 100 / full
        tick = f'<u style="left:{mark:.2f}%"></u>' if full > 100 else ""
        rows.append(
            f'<tr class="what"><td class="rung"><small>{rung["step"]}</small>'
            f'<span class="name">{_text(rung["name"])}</span></td>'
            f'<td class="wide-cell"><span class="track"><i style="width:{width:.2f}%"></i>{tick}</span></td>'
            f'<td class="n percent">{percent_text(rung["percent"])}</td>'
            f'<td class="n clock">{clock_text(rung)}</td>'
            f'<td class="n">{number_text(rung["ms"])} ms</td>'
            f'<td class="n">{number_text(rung["gflops"])} GFLOP/s</td>'
            f'<td class="n error">{error_text(rung["error"])}</td></tr>'
            f'<tr class="why"><td colspan="7" class="idea">{_text(rung["idea"])}</td></tr>'
        )
    names = ("of peak", "at its clock", "time", "speed", "error")
    head = "<th>rung</th><th></th>" + "".join(f'<th class="n">{name}</th>' for name in names)
    reference, threads = climb["reference"], f"{climb['threads']} thread" + "s" * (climb["threads"] > 1)
    skipped = "".join(
        f"<p class='note'>Passed over: {_text(one['name'])}, because: {_text(one['reason'])}.</p>"
        for one in climb["skipped"]
    )
    return f"""<div class="card {color_of(climb["op"])}">
<h3><span class="name">{_text(climb["op"])}</span> on {_text(climb["title"])}</h3>
<p class="note">{_text(climb["shape"])}; {climb["flops"] / 1e6:.0f} MFLOP, {climb["bytes"] / 1e6:.1f} MB,
{_text(climb["dtype"])}, {_text(climb["isa"])}, {threads}; FMA peak {number_text(climb["peak"])} GFLOP/s. Time
is the best of several runs, weights packed beforehand; error is the largest difference from the NumPy
reference in float64 (which takes {number_text(reference["ms"])} ms), relative to its largest value.</p>
<table class="ladder"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>{skipped}
</div>"""


def training(trainings: list[dict]) -> str:
    """The curves of every training, its network and its figures."""
    draw = {
        kind: charts.svg(charts.curves(trainings, kind == "wide"), f"curves-{kind}")
        for kind in ("wide", "narrow")
    }
    both = "".join(f'<div class="{kind}">{drawing}</div>' for kind, drawing in draw.items())
    cards = []
    for one in trainings:
        epochs = [
            (k, f"{e['loss']:.4f}", f"{100 * e['train_accuracy']:.1f} %", f"{100 * e['test_accuracy']:.1f} %")
            for k, e in enumerate(one["epochs"], 1)
        ]
        table = _table(["epoch", "loss", "training", "held back"], epochs)
        cards.append(
            f'<div class="card {color_of(one["op"])}"><h3><span class="name">{_text(one["name"])}</span></h3>'
            f'<p class="note">{_text(one["about"])}</p>'
            f"{_table(['layer', 'gives'], one['layers'])}"
            f"<details><summary>{len(one['epochs'])} epochs in figures</summary>{table}</details></div>"
        )
    sizes = trainings[0]
    return f"""<section>
<h2>Two networks learn the same digits</h2>
<p class="lead">{sizes["train_size"]} real handwritten digits of 8x8 pixels to learn from,
{sizes["test_size"]} held back to be judged on. One network sees a digit across space, the other reads it row
by row across time.</p>
<figure class="card" role="img" aria-label="Training loss and accuracy by epoch">{both}
<figcaption>The thin lines are what the tour promises on the held-back quarter. Training accuracy is counted
while learning, on the moved copies where there are any.</figcaption></figure>
<div class="pair" style="gap:0 1rem">{"".join(cards)}</div>
</section>"""


def across(digit: dict[str, Any]) -> str:
    """What both networks make of one held-back digit."""
    image = np.asarray(digit["image"], float)
    label = digit["label"]
    return f"""<section>
<h2>One digit, across space and across time</h2>
<p class="lead">The same held-back {label} through both trained networks.</p>
<div class="card space">
<h3>Across space: what the <span class="name">CNN</span>'s first layer finds</h3>
{space(image, digit)}
</div>
<div class="card time">
<h3>Across time: what the <span class="name">LSTM</span> remembers after each row</h3>
{time(image, digit)}
</div>
</section>"""


def space(image: np.ndarray, digit: dict[str, Any]) -> str:
    """The first layer's filters, each with its feature map of the digit."""
    filters, maps = np.asarray(digit["filters"], float), np.asarray(digit["maps"], float)
    top, bright = float(np.abs(filters).max()), float(maps.max())
    plus, minus = LIGHT["space"], LIGHT["time"]
    pairs = "".join(
        f'<div><img alt="filter {k}" title="filter {k}" src="{picture(f, plus, minus, top)}">'
        f'<img alt="its feature map" title="feature map {k}" src="{picture(m, plus, None, bright)}"></div>'
        for k, (f, m) in enumerate(zip(filters, maps, strict=True))
    )
    return f"""<div class="across">
<div>{_digit(image, digit["label"])}</div>
<figure><div class="maps">{pairs}</div>
<figcaption>Small: a filter of 3x3 weights, blue above zero, orange below. Beside it: where in the digit it
answers, after ReLU. All on one scale; an empty map is a filter that finds nothing here.</figcaption></figure>
</div>"""


def time(image: np.ndarray, digit: dict[str, Any]) -> str:
    """The hidden state after each row, beside the digit, with the answer the network would give so far."""
    hidden, guesses = np.asarray(digit["hidden"], float), np.asarray(digit["guesses"], float)
    # Units in the order in which they are most awake, so that time runs down the diagonal.
    order = np.lexsort((-np.abs(hidden).max(axis=0), np.abs(hidden).argmax(axis=0)))
    plus, minus = LIGHT["time"], LIGHT["space"]
    says = "".join(f"<li><b>{int(g.argmax())}</b><span>{100 * g.max():.0f} %</span></li>" for g in guesses)
    digits = "".join(f"<span>{k}</span>" for k in range(guesses.shape[1]))
    return f"""<figure>
<div class="rows">
<div class="head">read from top to bottom</div>
<div class="head">{hidden.shape[1]} hidden units after each row</div>
<div class="head guess">answer so far, 0 to 9</div>
<div class="head">says</div>
{_digit(image, digit["label"])}
<img alt="hidden state, one row per step" src="{picture(hidden[:, order], plus, minus, 1.0)}">
<img class="guess" alt="probability of each answer after each row" src="{picture(guesses, plus, None, 1.0)}">
<ol>{says}</ol>
<div class="foot"></div><div class="foot"></div><div class="foot ticks guess">{digits}</div>
</div>
<figcaption>Orange above zero, blue below, full colour at 1. Units stand in the order of the row at which they
are strongest. The answer so far is what the trained last layer makes of the state at that row; it was only
ever trained on the state after the last.</figcaption></figure>"""


def mistakes(trainings: list[dict]) -> str:
    """Every wrong answer on the held-back quarter, as an image with both labels."""
    cards = []
    for one in trainings:
        wrong = "".join(
            f"<figure>{_digit(np.asarray(w['image'], float), w['true'])}<figcaption>is <b>{w['true']}</b>, "
            f"said <b>{w['predicted']}</b><br>{100 * w['confidence']:.0f} % sure, #{w['index']}"
            "</figcaption></figure>"
            for w in one["wrong"]
        )
        body = f'<div class="wrong">{wrong}</div>' if wrong else '<p class="note">None.</p>'
        cards.append(
            f'<div class="card {color_of(one["op"])}"><h3><span class="name">{_text(one["name"])}</span>: '
            f"{len(one['wrong'])} of {one['test_size']}</h3>{body}</div>"
        )
    return f"""<section>
<h2>Wrong answers</h2>
<p class="lead">All of them. Some of these are hard for people, too.</p>
{"".join(cards)}
</section>"""


def _digit(image: np.ndarray, label: int) -> str:
    source = picture(image, INK, None, 1.0)
    return f'<img class="digit paper" alt="a handwritten {label}" src="{source}">'


def _table(head: list[str], rows: Iterable[tuple]) -> str:
    def cells(tag: str, row: Iterable) -> str:
        return "".join(
            f"<{tag}{' class=n' if place else ''}>{_text(value)}</{tag}>" for place, value in enumerate(row)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', head)}</tr></thead><tbody>{body}</tbody></table>"


def _text(value: object) -> str:
    return html.escape(str(value))


def number_text(value: float) -> str:
    """Three digits: 0.0123, 1.23, 12.3, 123, 1234."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3g}"


def percent_text(value: float) -> str:
    return f"{value:.0f} %" if value >= 10 else f"{value:.1f} %"


def error_text(value: float | None) -> str:
    return "" if value is None else "0" if value == 0 else f"{value:.0e}".replace("e-0", "e-")


def bytes_text(count: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} B"
