"""What the benches share: interleaved timing, and a line that says on what machine the figures were made."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

from loopnest import _core, machine

Repeat = Callable[[int], list[float]]  # runs something so many times, returns the seconds of each run


def python_repeat(work: Callable[[], object]) -> Repeat:
    """Times a Python callable (for rivals, whose calls cross into C++ once per run anyway)."""

    def repeat(times: int) -> list[float]:
        seconds = []
        for _ in range(times):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
        return seconds

    return repeat


def peak_repeat(isa: str) -> Repeat:
    """Seconds per GFLOP of multiply-adds in registers, as one more candidate that takes its turn."""
    rounds = 300_000  # about 0.6 ms, so that the call from Python is nothing beside it
    operations = _core.measure_fma(isa, rounds)

    def repeat(times: int) -> list[float]:
        return [s / operations * 1e9 for s in python_repeat(lambda: _core.measure_fma(isa, rounds))(times)]

    return repeat


@dataclass
class Times:
    """Seconds of one candidate: the minimum and median of all runs, and the best run of each turn."""

    best: float
    median: float
    turns: list[float]


def interleave(candidates: Mapping[str, Repeat], seconds: float) -> dict[str, Times]:
    """Lets the candidates take turns of about 5 ms (a run at least) for `seconds` in all."""
    runs = {name: max(1, int(0.005 / max(repeat(2)[1], 1e-7))) for name, repeat in candidates.items()}
    found: dict[str, list[list[float]]] = {name: [] for name in candidates}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, found.values())) < 3:
        for name, repeat in candidates.items():
            found[name].append(repeat(runs[name]))
    return {
        name: Times(min(map(min, turns)), median(t for turn in turns for t in turn), list(map(min, turns)))
        for name, turns in found.items()
    }


def share(times: Times, ideal: Times, scale: float) -> float:
    """Per cent: `scale` times the ideal's time over the candidate's, turn by turn, the median of all turns.

    The clock of a shared machine drifts by 10 % within seconds; neighbours in time saw the same clock.
    """
    return 100 * median(scale * i / t for t, i in zip(times.turns, ideal.turns, strict=True))


def header() -> str:
    facts = machine.describe()
    return f"{facts['cpu']}, {facts['cpus']} CPUs, ISAs {', '.join(facts['isas'])}"
