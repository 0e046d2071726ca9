"""The main job: measure the machine, climb two ladders, train two networks on real digits, write the report.

    from loopnest.tour import tour
    facts = tour("loopnest-tour")

`loopnest tour` is this with a display. Training needs the extra `data`, the report the extra `plot`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loopnest.extras import require

CLIMBS = ("conv2d", "lstm")
SECONDS_PER_RUNG = 0.4


class Watch:
    """What a display may do while the tour goes on: each method is called with facts as they come."""

    def part(self, title: str) -> None:
        """A part of the tour begins."""

    def measured(self, kind: str, name: str, value: float) -> None:
        """The machine: kind "peak", "threads" (GFLOP/s) or "bandwidth" (GB/s)."""

    def machine(self, machine: dict[str, Any]) -> None:
        """All of the machine."""

    def rung_begins(self, climb: dict[str, Any], rung: dict[str, Any]) -> None:
        """A rung is about to be timed."""

    def rung_ends(self, climb: dict[str, Any], rung: dict[str, Any]) -> None:
        """A rung has been timed; `climb` holds it and those before it."""

    def climbed(self, climb: dict[str, Any]) -> None:
        """A ladder is done."""

    def epoch(self, training: dict[str, Any], epoch: dict[str, Any]) -> None:
        """An epoch of training is done; `training` holds it and those before it."""

    def trained(self, training: dict[str, Any]) -> None:
        """A network is trained."""


def tour(
    out: str | Path = "loopnest-tour",
    *,
    seed: int = 0,
    isa: str | None = None,
    seconds: float = SECONDS_PER_RUNG,
    epochs: int | None = None,
    watch: Watch | None = None,
    command: str = "loopnest tour",
) -> dict[str, Any]:
    """Take the tour and write OUT/report.html.

    `isa` is the one to climb on (default: the best); `seconds` are spent on each rung; `epochs` shortens
    the training (None: as many as it takes to keep the tour's promise). Returns the facts, a plain dict
    that loopnest.viz.report describes; facts["report"] is the path written. Raises ModuleNotFoundError,
    with the command that helps, before anything is measured, where an extra is missing.
    """
    require("sklearn", "data")
    require("matplotlib", "plot")
    from loopnest import ladder, machine
    from loopnest.data import digits
    from loopnest.tour import training
    from loopnest.viz import report

    watch = watch or Watch()
    start = time.perf_counter()
    facts: dict[str, Any] = {
        "version": version(),
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }

    watch.part("The machine")
    facts["machine"] = machine.measure(each=watch.measured)
    watch.machine(facts["machine"])

    facts["climbs"] = []
    for op in CLIMBS:
        watch.part(f"The {op} ladder")
        climb = ladder.climb(op, isa=isa, seconds=seconds, before=watch.rung_begins, after=watch.rung_ends)
        facts["climbs"].append(climb)
        watch.climbed(climb)

    watch.part("Two networks learn real digits")
    data = digits()
    networks: list[Any] = []
    facts["trainings"] = []
    for recipe in (training.CNN, training.LSTM):
        network, learned = training.train(recipe, data, seed, watch.epoch, epochs)
        networks.append(network)
        facts["trainings"].append(learned)
        watch.trained(learned)
    seeing, reading = networks
    facts["digit"] = training.look_inside(seeing, reading, data, training.telling(reading, data))

    watch.part("The report")
    path = Path(out) / "report.html"
    facts["seconds"] = time.perf_counter() - start
    facts["report"] = str(report.write(facts, path))
    return facts


def version() -> str:
    """The installed version of loopnest."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("loopnest")
    except PackageNotFoundError:
        return "unknown"
