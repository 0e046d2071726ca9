"""The commands: what is asked for, handed to the API below, and shown or printed as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from loopnest.cli import bench, show

app = typer.Typer(
    help="Convolutional and recurrent networks on the CPU, with loop nests you can read, measure and beat.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(bench.app, name="bench")

Op = Annotated[str, typer.Argument(metavar="OP", help="An operator, as `loopnest ladder` lists them.")]
Shape = Annotated[
    str | None,
    typer.Argument(
        metavar="SHAPE",
        help='As text: "n1 ic64 ih56 iw56 oc64 kh3 kw3 p1" (see loopnest.shapes); '
        "default: the operator's own example.",
    ),
]
Isa = Annotated[str | None, typer.Option(help="scalar, sse, avx2, avx512 or neon; default: the best.")]
Threads = Annotated[int, typer.Option(min=1, help="How many threads run the kernel.")]
Dtype = Annotated[str, typer.Option(help="float32 or float64.")]
Json = Annotated[bool, typer.Option("--json", help="Print the facts as JSON and nothing else.")]


class Interrupted(Exception):
    """Ctrl-C, and what is left of the work."""


def _version(wanted: bool) -> None:
    if wanted:
        from loopnest.tour import version

        print(f"loopnest {version()}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


@app.command()
def tour(
    out: Annotated[Path, typer.Option(help="The folder for report.html.")] = Path("loopnest-tour"),
    seed: Annotated[int, typer.Option(help="For the weights and the order of the digits.")] = 0,
    isa: Isa = None,
    threads: Annotated[int | None, typer.Option(min=1, help="For training; default: all.")] = None,
    json: Json = False,
) -> None:
    """Measure this machine, climb two ladders, train two networks on real digits, write a report."""
    import loopnest
    from loopnest.tour import Watch
    from loopnest.tour import tour as take

    if threads:
        loopnest.set_num_threads(threads)
    watch = Watch() if json else show.Display()
    facts = take(out, seed=seed, isa=isa, watch=watch, command="loopnest tour")
    _finish(facts, json, show.tour)


@app.command()
def climb(
    op: Op,
    shape: Shape = None,
    isa: Isa = None,
    threads: Threads = 1,
    dtype: Dtype = "float32",
    seconds: Annotated[float, typer.Option(min=0, help="Spent on each rung.")] = 0.5,
    json: Json = False,
) -> None:
    """Time every rung of an operator on one shape."""
    from loopnest import ladder

    with show.Climb(quiet=json) as display:
        facts = ladder.climb(
            op,
            shape,
            isa=isa,
            threads=threads,
            dtype=dtype,
            seconds=seconds,
            before=display.begins,
            after=display.ends,
        )
    _finish(facts, json, show.climbed)


@app.command()
def ladder(op: Annotated[str | None, typer.Argument(metavar="OP")] = None, json: Json = False) -> None:
    """List the rungs of an operator, or all operators."""
    from dataclasses import asdict

    from loopnest import ladder as ladders

    ops = [op] if op else ladders.operators()
    facts = {"ladders": {one: [asdict(rung) for rung in ladders.ladder(one)] for one in ops}}
    _finish(facts, json, show.ladders)


@app.command()
def explain(
    op: Op,
    shape: Shape = None,
    isa: Isa = None,
    rung: Annotated[str | None, typer.Option(help="Ask for this rung.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="0: as many as the work is worth.")] = 0,
    dtype: Dtype = "float32",
    json: Json = False,
) -> None:
    """Say which rung runs for a shape, and what was passed over, and why."""
    from loopnest import ladder

    facts = ladder.explain(op, shape, isa=isa, rung=rung, threads=threads, dtype=dtype)
    _finish(facts, json, show.explained)


@app.command()
def source(op: Op, rung: Annotated[str, typer.Argument(metavar="RUNG")], json: Json = False) -> None:
    """Print the source of a rung ("numpy": of the reference)."""
    from loopnest import ladder

    text = ladder.source(op, rung)
    _finish(
        {"op": op, "rung": rung, "source": text}, json, lambda _: show.source(text, python=rung == "numpy")
    )


@app.command()
def roofline(
    out: Annotated[Path | None, typer.Option(help="Draw it to this PNG or SVG file (extra plot).")] = None,
    json: Json = False,
) -> None:
    """Measure this machine: FMA peak of every ISA, bandwidth of every level of memory."""
    from loopnest import machine
    from loopnest.viz import charts

    if out and out.suffix not in (".png", ".svg"):
        raise ValueError(f"--out: expected a file that ends in .png or .svg, got {out}")
    display = show.Display()
    facts: dict[str, Any] = machine.measure(each=None if json else display.measured)
    if not json:
        display.machine(facts)
    if out:
        charts.save(charts.roofline(facts, []), out)
        facts["chart"] = str(out)
    _finish(facts, json, show.roofline)


def _finish(facts: dict[str, Any], json: bool, display: Any) -> None:
    if json:
        from loopnest.viz.facts import to_json

        print(to_json(facts))
    else:
        display(facts)
