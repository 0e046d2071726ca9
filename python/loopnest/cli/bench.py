"""`loopnest bench conv` and `loopnest bench rnn`: loopnest beside its rivals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="loopnest beside its rivals, in turns in one process.", no_args_is_help=True)

Rivals = Annotated[str, typer.Option(help="Who to compare with, by commas; default: all that can.")]
Threads = Annotated[int, typer.Option(min=1)]
Seconds = Annotated[float, typer.Option(min=0, help="For each shape.")]
Only = Annotated[str, typer.Option(help="Families or parts of shapes, by commas; the others are left out.")]
Train = Annotated[bool, typer.Option("--train", help="Forward and backward together.")]
Quick = Annotated[bool, typer.Option("--quick", help="0.2 seconds for each shape: figures are rougher.")]
Json = Annotated[Path | None, typer.Option(help="Write all figures to this file.")]
Keep = Annotated[Path | None, typer.Option(help="Keep them under this folder, by machine: bench/results.")]


@app.command()
def conv(
    suite: Annotated[
        str, typer.Option(help='A suite, a file of shapes (.txt), or a shape: "conv2d n1 ic64 ...".')
    ] = "conv",
    rivals: Rivals = "",
    threads: Threads = 1,
    train: Train = False,
    only: Only = "",
    seconds: Seconds = 1.5,
    quick: Quick = False,
    json: Json = None,
    keep: Keep = None,
) -> None:
    """Convolutions."""
    from loopnest import bench

    _run(bench.convolutions, suite, rivals, threads, train, only, 0.2 if quick else seconds, json, keep)


@app.command()
def rnn(
    suite: Annotated[
        str, typer.Option(help='A suite, a file (.txt), or a shape: "lstm t50 n32 i256 h256".')
    ] = "rnn",
    rivals: Rivals = "",
    threads: Threads = 1,
    train: Train = False,
    only: Only = "",
    seconds: Seconds = 1.5,
    quick: Quick = False,
    json: Json = None,
    keep: Keep = None,
) -> None:
    """Recurrent layers: sequences, and single steps with their p50 and p99."""
    from loopnest import bench

    _run(bench.recurrences, suite, rivals, threads, train, only, 0.2 if quick else seconds, json, keep)


@app.command()
def net(
    networks: Annotated[str, typer.Option(help="Names, by commas; default: all.")] = "",
    batch: Annotated[str, typer.Option(help="Batch sizes of the forward passes.")] = "1,8",
    rivals: Rivals = "",
    threads: Threads = 1,
    train: Annotated[bool, typer.Option("--train", help="A step of training, batch 64.")] = False,
    seconds: Seconds = 3.0,
    quick: Quick = False,
    json: Json = None,
    keep: Keep = None,
) -> None:
    """Whole networks: ResNet-50, MobileNetV2, VGG-16, LeNet-5; steps of training."""
    from loopnest import bench
    from loopnest.cli import show_bench

    facts = bench.whole_networks(
        _words(networks) or None,
        batches=_sizes(batch),
        rivals=_words(rivals) or None,
        threads=threads,
        train=train,
        seconds=0.2 if quick else seconds,
        each=show_bench.row,
    )
    _finish(facts, json, keep)


def _run(
    run: Any,
    suite: str,
    rivals: str,
    threads: int,
    train: bool,
    only: str,
    seconds: float,
    json: Path | None,
    keep: Path | None,
) -> None:
    from loopnest.cli import show_bench

    facts = run(
        suite,
        rivals=_words(rivals) or None,
        threads=threads,
        train=train,
        only=_words(only),
        seconds=seconds,
        each=show_bench.row,
    )
    _finish(facts, json, keep)


def _finish(facts: dict[str, Any], json: Path | None, keep: Path | None) -> None:
    from loopnest import bench
    from loopnest.cli import show_bench
    from loopnest.viz.facts import to_json

    show_bench.families(facts)
    if json:
        json.write_text(to_json(facts) + "\n", encoding="utf-8")
    if keep:
        show_bench.said(f"kept in {bench.save(facts, keep)}")


def _sizes(text: str) -> list[int]:
    words = _words(text)
    if not words or not all(word.isdecimal() and int(word) for word in words):
        raise ValueError(f"--batch: expected whole numbers above 0, by commas, such as 1,8, got {text!r}")
    return [int(word) for word in words]


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
