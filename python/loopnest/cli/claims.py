"""`loopnest claims [C1 ... C18]`: each statement on what the networks are good for is put to the test."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loopnest.cli.app import Interrupted, Json, app


@app.command()
def claims(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="C1 ... C18", help="Some claims; without: all.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The folder of data sets; default: $LOOPNEST_DATA.")
    ] = None,
    quick: Annotated[bool, typer.Option(help="Minutes for all: small budgets.")] = False,
    seed: Annotated[int, typer.Option(help="The first seed.")] = 0,
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds; default: 5.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="For the kernels; default: all.")] = None,
    save: Annotated[
        Path | None, typer.Option(help="For the page and the pictures; default: loopnest-claims.")
    ] = None,
    json: Json = False,
) -> None:
    """Run the experiment behind each claim, with its control, and say whether it holds."""
    from loopnest import systems
    from loopnest.cli import show
    from loopnest.systems import claims as the

    options = systems.Options(
        data=data,
        quick=quick,
        seed=seed,
        threads=threads,
        save=save,
        command=" ".join(
            [
                "loopnest claims",
                *(names or []),
                *(["--quick"] if quick else []),
                *([f"--seed {seed}"] if seed else []),
                *([f"--seeds {seeds}"] if seeds else []),
            ]
        ),
    )
    try:
        findings = the.run(
            names or [],
            options,
            seeds,
            watch=None if json else show.finding,
            before=None if json else show.investigates,
        )
    except KeyboardInterrupt:
        page = options.folder / "claims.html"
        raise Interrupted(
            f"what was found is in {page}" if page.is_file() else "nothing was found yet"
        ) from None
    if json:
        from loopnest.viz.facts import to_json

        print(to_json({"command": options.command, "claims": [f.facts() for f in findings]}))
    else:
        show.claimed(findings, options)
