"""`loopnest run NAME`: a system is trained, measured and shown, or asked about the user's own input."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loopnest.cli.app import Json, app

Given = Annotated[
    str | None, typer.Option(help="Your own input, for the systems that take it.", show_default=False)
]


@app.command()
def run(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A system; without: list them.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The folder of data sets, or your own file; default: $LOOPNEST_DATA.")
    ] = None,
    quick: Annotated[bool, typer.Option(help="Seconds, not minutes: shows that everything works.")] = False,
    seed: Annotated[int, typer.Option(help="For weights, order and all other chance.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="For the kernels; default: all.")] = None,
    save: Annotated[
        Path | None, typer.Option(help="For models, pictures and the page; default: loopnest-NAME.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoints of a broken run.")] = False,
    image: Given = None,
    prompt: Given = None,
    text: Given = None,
    wav: Given = None,
    json: Json = False,
) -> None:
    """Train a system on real data and show what it reaches, beside an honest baseline.

    With several processes: mpiexec -n 4 loopnest run NAME (extra mpi).
    """
    from loopnest import distributed, systems
    from loopnest.cli import show

    if name is None:
        for one, about in systems.SYSTEMS.items():
            show.console.print(f"{one:12} {about}")
        return
    if distributed.launched():
        distributed.init_process_group()
    given = {"image": image, "prompt": prompt, "text": text, "wav": wav}
    options = systems.Options(
        data=data,
        quick=quick,
        seed=seed,
        threads=threads,
        save=save,
        resume=resume,
        progress=not json and show.console.is_terminal,
        inputs={kind: value for kind, value in given.items() if value is not None},
        command=f"loopnest run {name}" + (" --quick" if quick else ""),
    )
    if options.inputs:
        answer = systems.apply(name, options)
        if distributed.get_rank() == 0:
            show.answered(name, answer, json)
        return
    result = systems.run(name, options)
    if distributed.get_rank() > 0:
        return
    if json:
        from loopnest.viz.facts import to_json

        print(to_json(result.facts()))
    else:
        show.system(result, options)
