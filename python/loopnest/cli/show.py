"""How facts look in a terminal, by rich. Nothing is measured here."""

from __future__ import annotations

import textwrap
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from loopnest.tour import Watch
from loopnest.viz.report import bytes_text, error_text, number_text, percent_text

console = Console(highlight=False)
COLORS = {"space": "blue", "time": "dark_orange3"}
NAME, BAR = 13, 24  # columns of a rung's step and name, and of a full bar


def color(op: str) -> str:
    """The terminal colour of an operator's ladder."""
    from loopnest.viz.theme import color_of

    return COLORS.get(color_of(op), "default")


def bar(percent: float, style: str, full: float = 100.0, width: int = BAR) -> Text:
    """A bar of eighths of a column; `full` is what fills it."""
    eighths = round(8 * width * min(max(percent / full, 0), 1)) or 1
    whole, rest = divmod(eighths, 8)
    text = "█" * whole + (" ▏▎▍▌▋▊▉"[rest] if rest else "")
    return Text(text.ljust(width), style=style)


class Climb:
    """One ladder, a bar per rung. On a terminal it is redrawn, between runs only, so that it does not disturb
    them; elsewhere every rung is printed once.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal and not quiet else None
        self._quiet = quiet

    def __enter__(self) -> Climb:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def begins(self, facts: dict[str, Any], rung: dict[str, Any]) -> None:
        """A rung is about to be timed."""
        if self._live:
            name = Text(f"{rung['step']} {rung['name']}".ljust(NAME), style="bold")
            running = name.append("running", style="dim italic not bold")
            self._live.update(Group(head(), *bars(facts), running), refresh=True)
        elif not facts["rungs"] and not self._quiet:
            console.print(head())

    def ends(self, facts: dict[str, Any], rung: dict[str, Any]) -> None:
        """A rung has been timed."""
        if self._live:
            self._live.update(Group(head(), *bars(facts)), refresh=True)
        elif not self._quiet:
            console.print(*bars(facts)[-2:], sep="\n")


def head() -> Text:
    """The line above the bars."""
    line = f"{'rung':<{NAME}}{'':<{BAR}} {'of peak':>7} {'ms':>8} {'GFLOP/s':>8} {'error':>6}"
    return Text(line, style="dim", no_wrap=True)


def bars(facts: dict[str, Any]) -> list[Text]:
    """A climb so far, two lines per rung: bar, per cent of peak, time, speed, error; below them the idea."""
    style = color(facts["op"])
    lines = []
    full = max([100.0] + [rung["percent"] for rung in facts["rungs"]])
    for rung in facts["rungs"]:
        line = Text(f"{rung['step']} {rung['name']}".ljust(NAME), style="bold", no_wrap=True)
        line.append(bar(rung["percent"], style, full))
        numbers = f" {percent_text(rung['percent']):>7} {number_text(rung['ms']):>8} "
        line.append(
            numbers + f"{number_text(rung['gflops']):>8} {error_text(rung['error']):>6}", style="not bold"
        )
        idea = textwrap.fill(rung["idea"], console.width - 2, initial_indent="  ", subsequent_indent="  ")
        lines += [line, Text(idea, style="dim")]
    return lines


def threads_text(facts: dict[str, Any]) -> str:
    """1 thread, 2 threads."""
    return f"{facts['threads']} thread" + "s" * (facts["threads"] != 1)


def title(facts: dict[str, Any]) -> Text:
    """What a climb is about, in two lines."""
    head = Text(f"{facts['op']} on {facts['title']}\n", style=f"bold {color(facts['op'])}")
    work = f"{facts['flops'] / 1e6:.0f} MFLOP, {facts['bytes'] / 1e6:.1f} MB"
    return head.append(
        f"{facts['shape']}; {work}, {facts['dtype']}, {facts['isa']}, {threads_text(facts)}",
        style="dim not bold",
    )


def climbed(facts: dict[str, Any]) -> None:
    """What is said below a climb."""
    reference = facts["reference"]
    lines = [
        f"peak {number_text(facts['peak'])} GFLOP/s; "
        f"the NumPy reference (float64) takes {number_text(reference['ms'])} ms"
    ]
    if facts["rungs"]:
        first, best = facts["rungs"][0], min(facts["rungs"], key=lambda rung: rung["ms"])
        lines.append(
            f"{best['name']} is {number_text(first['ms'] / best['ms'])} times as fast as {first['name']}"
        )
        if best["percent_at_clock"]:
            lines.append(
                f"{best['name']} does {percent_text(best['percent_at_clock'])} of what multiply-adds alone "
                "do right after it, at the clock it leaves behind"
            )
    lines += [f"passed over: {one['name']}: {one['reason']}" for one in facts["skipped"]]
    console.print(Text("\n".join(lines), style="dim"))


class Display(Watch):
    """The tour, live."""

    def __init__(self) -> None:
        self._climb: Climb | None = None
        self._progress: Progress | None = None
        self._task: Any = None

    def part(self, title: str) -> None:
        console.print()
        console.rule(Text(title, style="bold"), align="left", style="dim")

    def measured(self, kind: str, name: str, value: float) -> None:
        unit = "GB/s read" if kind == "bandwidth" else "GFLOP/s"
        what = {"peak": f"FMA {name}", "threads": f"FMA, threads: {name}", "bandwidth": name}[kind]
        console.print(f"  {what:<24}{value:>8.1f} {unit}")

    def machine(self, machine: dict[str, Any]) -> None:
        sizes = ", ".join(f"L{c['level']} {bytes_text(c['bytes'])}" for c in machine["caches"])
        console.print(
            f"  {machine['cpu']}; threads: {machine['threads']}; {' '.join(machine['isas'])}; {sizes}"
        )

    def rung_begins(self, climb: dict[str, Any], rung: dict[str, Any]) -> None:
        if self._climb is None:
            console.print(title(climb))
            self._climb = Climb().__enter__()
        self._climb.begins(climb, rung)

    def rung_ends(self, climb: dict[str, Any], rung: dict[str, Any]) -> None:
        if self._climb:
            self._climb.ends(climb, rung)

    def climbed(self, climb: dict[str, Any]) -> None:
        if self._climb:
            self._climb.__exit__()
        self._climb = None
        climbed(climb)

    def epoch(self, training: dict[str, Any], epoch: dict[str, Any]) -> None:
        if self._progress is None:
            style = color(training["op"])
            self._progress = Progress(
                TextColumn("{task.description:<5}", style=f"bold {style}"),
                BarColumn(BAR // 2, complete_style=style, finished_style=style),
                TextColumn("{task.fields[figures]}"),
                TimeElapsedColumn(),
                console=console,
                auto_refresh=False,
            )
            self._progress.start()
            self._task = self._progress.add_task(
                training["name"], total=training["planned_epochs"], figures=""
            )
        figures = (
            f"{len(training['epochs']):>2}  loss {epoch['loss']:.4f}  train "
            f"{100 * epoch['train_accuracy']:5.1f} %  held back {100 * epoch['test_accuracy']:5.1f} %"
        )
        self._progress.update(self._task, advance=1, figures=figures)
        self._progress.refresh()

    def trained(self, training: dict[str, Any]) -> None:
        if self._progress:
            self._progress.stop()
        self._progress = None
        kept = "kept" if training["accuracy"] >= training["target"] else "NOT kept"
        console.print(
            Text(
                f"{training['title']}: {100 * training['accuracy']:.1f} % of the held-back quarter right "
                f"({len(training['wrong'])} of {training['test_size']} wrong); "
                f"promised {100 * training['target']:.0f} %: {kept}",
                style="dim",
            )
        )


def tour(facts: dict[str, Any]) -> None:
    """The tour's last lines."""
    console.print(f"{facts['report']} ({facts['seconds']:.0f} s)")


def roofline(facts: dict[str, Any]) -> None:
    """What the measured figures mean."""
    peak = max(p["gflops"] for p in facts["peaks"])
    grid = Table(box=None, padding=(0, 1), header_style="dim")
    grid.add_column("data in")
    grid.add_column("FLOP per byte needed to reach the FMA peak", justify="right")
    for band in facts["bandwidths"]:
        grid.add_row(band["level"], number_text(peak / band["gbs"]))
    console.print(grid)
    if "chart" in facts:
        console.print(facts["chart"])


def ladders(facts: dict[str, Any]) -> None:
    """The rungs of one or more operators."""
    parts = []
    for op, rungs in facts["ladders"].items():
        grid = Table(box=None, padding=(0, 1), header_style="dim", title=Text(op, style=f"bold {color(op)}"))
        grid.title_justify = "left"
        grid.add_column("rung", style="bold", no_wrap=True)
        grid.add_column("ISAs")
        grid.add_column("dtypes")
        grid.add_column("idea", style="dim")
        for rung in rungs:
            grid.add_row(
                f"{rung['step']} {rung['name']}",
                " ".join(rung["isas"]),
                " ".join(rung["dtypes"]),
                rung["idea"],
            )
        parts.append(grid)
    console.print(Group(*parts))


def explained(facts: dict[str, Any]) -> None:
    """The chooser's walk."""
    console.print(Text(f"{facts['op']} {facts['shape']}", style=f"bold {color(facts['op'])}"))
    for step in facts["walk"]:
        name = f"{step['rung']}@{step['isa']}"
        if step["reason"]:
            console.print(Text(f"  {name:<20} passed over: {step['reason']}", style="dim"))
        else:
            console.print(Text(f"  {name:<20} runs: {facts['idea']}"))
    console.print(
        Text(
            f"  {facts['flops'] / 1e6:.1f} MFLOP, {facts['bytes'] / 1e6:.2f} MB, "
            f"{number_text(facts['intensity'])} FLOP per byte, "
            f"{bytes_text(facts['packed_bytes'])} of packed weights, {threads_text(facts)}",
            style="dim",
        )
    )


def source(text: str, python: bool) -> None:
    """A kernel's text; coloured on a terminal, plain in a pipe."""
    if console.is_terminal:
        console.print(Syntax(text, "python" if python else "cpp", background_color="default"))
    else:
        print(text, end="")


def whole(table: Table) -> None:
    """A table, nothing of it cut off. A pipe has no width: there its lines are as long as they need to be."""
    if console.is_terminal:
        console.print(table)
        return
    needed = console.measure(table, options=console.options.update(max_width=9999)).maximum
    Console(file=console.file, highlight=False, width=max(console.width, needed)).print(table)


def system(result: Any, options: Any) -> None:
    """A system's table, its finding, samples, and where the page is."""
    from loopnest.systems.page import grid

    head, lines = grid(result)
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("", no_wrap=True)
    for heading in head[1:]:
        # Where it is narrow, headings of several words stand in two lines; the others keep their width.
        table.add_column(heading, justify="right", overflow="fold", no_wrap=" " not in heading)
    for row, line in zip(result.rows, lines, strict=True):
        table.add_row(*line, style="dim" if row.baseline else "")
    console.print(Text(result.title, style="bold"))
    whole(table)
    console.print(Text(result.say))
    for sample in result.samples[:3]:
        console.print(Text(textwrap.indent(sample, "  "), style="dim"))
    for note in result.notes:
        console.print(Text(f"Note: {note}", style="dim"))
    console.print(Text(f"Page, pictures and models: {options.folder / 'result.html'}"), soft_wrap=True)


VERDICTS = {"holds": "green", "holds in part": "yellow", "does not hold here": "red"}
OUTCOMES = {"passes": "green", "open": "yellow", "fails": "red"}


def finding(found: Any) -> None:
    """A claim, what was measured, and the verdict."""
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 2))
    for heading, side in (("", "left"), ("measured", "right"), ("must be", "right"), ("", "left")):
        table.add_column(heading, justify=side)  # type: ignore[arg-type]
    for check in found.checks:
        outcome = Text(check.outcome, style=OUTCOMES[check.outcome])
        what = f"control: {check.what}" if check.control else check.what
        table.add_row(what, check.measured, check.must, outcome, style="dim" if check.control else "")
    console.print(Text(f"{found.name}  {found.statement}", style="bold"))
    whole(table)
    console.print(Text.assemble((found.verdict, f"bold {VERDICTS[found.verdict]}"), ". ", found.say))
    if found.standins:
        console.print(Text(f"Made up in place of real data: {', '.join(found.standins)}.", style="dim"))
    console.print()


def told(text: str) -> None:
    """A line on what goes on, beside the results."""
    Console(stderr=True, highlight=False).print(Text(text, style="dim"), soft_wrap=True)


def investigates(name: str, number: int, count: int) -> None:
    """A claim's experiment begins."""
    told(f"{name} ... ({number} of {count})")


def claimed(findings: list[Any], options: Any) -> None:
    """Where the page with the claims is."""
    seconds = sum(f.seconds for f in findings)
    console.print(
        Text(f"Page and pictures: {options.folder / 'claims.html'} ({seconds:.0f} s)"), soft_wrap=True
    )


def answered(name: str, answer: Any, quick: bool, json: bool) -> None:
    """What a system says of the user's own input; `quick`: by the model of a quick run."""
    if json:
        from loopnest.viz.facts import to_json

        print(to_json({"system": name, "answer": answer, "quick": quick}))
    else:
        console.print(Text(str(answer)))
        if quick:
            console.print(Text("Note: by the model of a quick run, which learned for seconds.", style="dim"))
