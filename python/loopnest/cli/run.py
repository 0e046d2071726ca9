"""`loopnest run NAME`: a system is trained, measured and shown, or asked about the user's own input."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loopnest.cli.app import Interrupted, Json, app

if TYPE_CHECKING:
    from loopnest.systems import Options

IMAGE, PROMPT, TEXT, WAV = (
    typer.Option(help=f"Your own {what}.", show_default=False)
    for what in (
        "picture, for classify, outline or caption",
        "text to go on from, for generate",
        "sentence, for sentiment or translate",
        "recording, for speech",
    )
)


@app.command()
def run(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="A system, or a file of your own (.py); without: list them."),
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
    image: Annotated[str | None, IMAGE] = None,
    prompt: Annotated[str | None, PROMPT] = None,
    text: Annotated[str | None, TEXT] = None,
    wav: Annotated[str | None, WAV] = None,
    json: Json = False,
) -> None:
    """Train a system on real data and show what it reaches, beside an honest baseline.

    With input of your own: what its trained model says of that; without such a model, or if --data names a
    file of yours that it did not learn from, it is trained first.

    With several processes: mpiexec -n 4 loopnest run NAME (extra mpi).
    """
    from loopnest import distributed, systems
    from loopnest.cli import show

    if name is None:
        for one, about in systems.SYSTEMS.items():
            show.console.print(f"{one:12} {about}", soft_wrap=True)
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
        tell=show.told,
        command=f"loopnest run {name}" + (" --quick" if quick else ""),
    )
    try:
        _answer(name, options, json) if options.inputs else _train(name, options, json)
    except KeyboardInterrupt:
        there = any(options.folder.glob("*.checkpoint")) if options.system else False
        go_on = "the same command with --resume goes on from its checkpoints"
        raise Interrupted(go_on if there else "there is no checkpoint yet") from None


def _answer(name: str, options: Options, json: bool) -> None:
    from loopnest import distributed, systems
    from loopnest.cli import show

    answer = systems.apply(name, options)
    if distributed.get_rank() == 0:
        show.answered(name, answer, options.facts(systems.load(name).MODEL).get("quick", False), json)


def _train(name: str, options: Options, json: bool) -> None:
    from loopnest import distributed, systems
    from loopnest.cli import show

    result = systems.run(name, options)
    if distributed.get_rank() > 0:
        return
    if json:
        from loopnest.viz.facts import to_json

        print(to_json(result.facts()))
    else:
        show.system(result, options)
