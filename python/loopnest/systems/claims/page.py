"""The findings as one self-contained HTML page, as Markdown with pictures beside it, and as JSON."""

from __future__ import annotations

import base64
import html
import os
import string
from pathlib import Path

from loopnest.extras import require
from loopnest.systems.claims.evidence import HOLDS, NOT, PART, RULE, Check, Finding
from loopnest.systems.frame import Options, Picture
from loopnest.viz.charts import LIGHT as COLORS
from loopnest.viz.facts import to_json
from loopnest.viz.report import STYLE
from loopnest.viz.theme import DARK, LIGHT, variables

MARK = {HOLDS: ("yes", "✓"), PART: ("part", "◐"), NOT: ("no", "✗")}
OUTCOME = {"passes": "✓ passes", "open": "◐ open", "fails": "✗ fails"}
COLOURS = 128  # of a PNG: enough for these pictures, and a quarter of the bytes

PAGE = string.Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>loopnest claims</title>
<link rel="icon" href="data:,">
<style>
:root { $light --yes: #2e7d4f; --part: #a8741a; --no: #b3392f;
  --sans: system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
@media (prefers-color-scheme: dark) { :root { $dark --yes: #6cc48f; --part: #e0b25c; --no: #ef8a80; } }
$style
figure.card img { width: 100%; min-width: 640px; height: auto; image-rendering: auto; border-radius: 0.3rem; }
.yes { --mark: var(--yes); } .part { --mark: var(--part); } .no { --mark: var(--no); }
.verdict { display: inline-block; color: var(--mark); border: 1px solid var(--mark); border-radius: 1rem;
  padding: 0.1rem 0.8rem; font-size: 0.85rem; font-weight: 620; white-space: nowrap; }
.all { display: grid; gap: 0.7rem; margin-top: 2rem;
  grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); }
.all a { display: block; background: var(--card); border: 1px solid var(--line); border-radius: 0.5rem;
  border-left: 4px solid var(--mark); padding: 0.7rem 0.9rem; text-decoration: none; font-size: 0.88rem;
  line-height: 1.4; }
.all b { color: var(--mark); } .all small { display: block; color: var(--mark); margin-top: 0.3rem; }
h2 .number { color: var(--soft); font-weight: 500; margin-right: 0.4em; }
h2 { max-width: 50rem; line-height: 1.3; margin-bottom: 0.6rem; }
.say { max-width: 46rem; margin: 0.9rem 0; }
.checks td:last-child { color: var(--mark); white-space: nowrap; }
tr.control td:first-child::before { content: "control "; color: var(--soft); font-size: 0.75rem;
  border: 1px solid var(--line); border-radius: 0.7rem; padding: 0 0.5em; margin-right: 0.5em; }
</style>
</head>
<body>
<main>
<header>
<h1>What they are good at</h1>
<p>$count on convolutional and recurrent networks, each put to a test that it can fail: $tally.</p>
</header>
<nav class="all">$index</nav>
$body
<section><h2>The rule</h2><p class="lead">$rule</p></section>
<footer>Written by <code>$command</code> in $seconds, seeds $seeds$quick. Every figure on this page was
measured in that run.</footer>
</main>
</body>
</html>
""")


def write(findings: list[Finding], options: Options) -> Path:
    """Write claims.html, .md, .json and the PNGs into the run's folder; returns the page's path."""
    for finding in findings:
        for picture in finding.pictures if not finding.drawn else ():
            save(picture, options.folder)
        finding.drawn = True
    facts = {"command": options.command, "quick": options.quick, "claims": [f.facts() for f in findings]}
    _whole(options.folder / "claims.json", to_json(facts) + "\n")
    _whole(options.folder / "claims.md", markdown(findings, options))
    return _whole(options.folder / "claims.html", page(findings, options))


def save(picture: Picture, folder: Path) -> None:
    """Write a picture as a small PNG: few colours, where Pillow is there to choose them."""
    path = folder / f"{picture.name}.png"
    picture.figure.savefig(path, dpi=110, facecolor=COLORS["card"])
    image_module = require("PIL.Image", "data")
    with image_module.open(path) as image:
        small = image.convert("RGB").quantize(COLOURS, dither=image_module.Dither.NONE)
    small.save(path, optimize=True)


def _whole(path: Path, text: str) -> Path:
    """Write a file so that it appears whole or not at all."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)
    return path


def tally(findings: list[Finding]) -> str:
    """How many claims hold, hold in part, and do not."""
    counts = {word: sum(f.verdict == word for f in findings) for word in MARK}
    texts = {HOLDS: ("hold", "holds"), PART: ("hold in part", "holds in part"), NOT: ("do not", "does not")}
    parts = [f"{count} {texts[word][count == 1]}" for word, count in counts.items() if count]
    return ", ".join(parts)


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def seeds_of(findings: list[Finding]) -> str:
    seeds = findings[0].seeds if findings else []
    return ", ".join(map(str, seeds)) + (" (one seed: no intervals)" if len(seeds) == 1 else "")


def page(findings: list[Finding], options: Options) -> str:
    """The page as a string; the pictures are read from the run's folder."""
    index = "".join(
        f'<a class="{MARK[f.verdict][0]}" href="#{f.name}"><b>{f.name}</b> {_text(f.statement)}'
        f"<small>{MARK[f.verdict][1]} {f.verdict}</small></a>"
        for f in findings
    )
    return PAGE.substitute(
        count=counted(findings),
        tally=tally(findings),
        index=index,
        body="\n".join(_section(finding, options.folder) for finding in findings),
        rule=_text(RULE),
        command=_text(options.command),
        seconds=duration(sum(f.seconds for f in findings)),
        seeds=seeds_of(findings),
        quick=", a quick run with small budgets" if options.quick else "",
        light=variables(LIGHT),
        dark=variables(DARK),
        style=STYLE.read_text(encoding="utf-8"),
    )


def _section(finding: Finding, folder: Path) -> str:
    kind, mark = MARK[finding.verdict]
    parts = [
        f'<section id="{finding.name}" class="{kind}"><h2><span class="number">{finding.name}</span>'
        f"{_text(finding.statement)}</h2>",
        f'<span class="verdict">{mark} {finding.verdict}</span>',
        f'<p class="say">{_text(finding.say)}</p>',
    ]
    for picture in finding.pictures:
        data = base64.b64encode((folder / f"{picture.name}.png").read_bytes()).decode("ascii")
        parts.append(
            f'<figure class="card"><div class="scroll"><img alt="{_text(picture.title)}" '
            f'src="data:image/png;base64,{data}"></div>'
            f"<figcaption><b>{_text(picture.title)}.</b> {_text(picture.caption)}</figcaption></figure>"
        )
    rows = "".join(
        f'<tr class="{MARK_OF[check.outcome]}{" control" if check.control else ""}">'
        f"<td>{_text(check.what)}</td>"
        f'<td class="n">{_text(check.measured)}</td><td class="n">{_text(check.must)}</td>'
        f"<td>{OUTCOME[check.outcome]}</td></tr>"
        for check in finding.checks
    )
    parts.append(
        '<div class="card scroll"><table class="checks"><thead><tr><th>check</th><th class="n">measured</th>'
        f'<th class="n">must be</th><th></th></tr></thead><tbody>{rows}</tbody></table></div>'
    )
    notes = [*finding.notes, *_standins(finding), f"{duration(finding.seconds)}."]
    parts.append(f'<p class="note">{_text(finding.done)} {_text(" ".join(notes))}</p></section>')
    return "\n".join(parts)


MARK_OF = {"passes": "yes", "open": "part", "fails": "no"}


def _standins(finding: Finding) -> list[str]:
    return [f"Made up in place of real data: {', '.join(finding.standins)}."] if finding.standins else []


def counted(findings: list[Finding]) -> str:
    """ "1 statement", "18 statements"."""
    return f"{len(findings)} statement{'s' * (len(findings) != 1)}"


def markdown(findings: list[Finding], options: Options) -> str:
    """The same as a page of documentation; its pictures are looked for beside it."""
    quick = ", a quick run with small budgets" if options.quick else ""
    lines = [
        "# What they are good at",
        "",
        f"{counted(findings)} on convolutional and recurrent networks, each put to a test that it "
        f"can fail: {tally(findings)}. Written by `{options.command}` in "
        f"{duration(sum(f.seconds for f in findings))}, seeds {seeds_of(findings)}{quick}.",
        "",
        "| | statement | verdict |",
        "| --- | --- | --- |",
        *(
            f"| [{f.name}](#{f.name.lower()}) | {f.statement} | {MARK[f.verdict][1]} {f.verdict} |"
            for f in findings
        ),
        "",
        f"**The rule.** {RULE}",
    ]
    for finding in findings:
        lines += ["", f"## {finding.name}", "", f"> {finding.statement}", ""]
        lines += [f"**{MARK[finding.verdict][1]} {finding.verdict}.** {finding.say}", ""]
        for picture in finding.pictures:
            lines += [f"![{picture.title}]({picture.name}.png)", ""]
            lines += [f"*{picture.title}.* {picture.caption}", ""]
        lines += ["| check | measured | must be | |", "| --- | ---: | ---: | --- |"]
        lines += [_row(check) for check in finding.checks]
        lines += ["", " ".join([finding.done, *finding.notes, *_standins(finding)])]
    return "\n".join(lines) + "\n"


def _row(check: Check) -> str:
    control = "control: " if check.control else ""
    return f"| {control}{check.what} | {check.measured} | {check.must} | {OUTCOME[check.outcome]} |"


def _text(value: object) -> str:
    return html.escape(str(value))
