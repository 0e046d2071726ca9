"""What the benches share: interleaved timing, and a line that says on what machine the figures were made."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

from loopnest import machine

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


@dataclass
class Times:
    """One candidate: minimum and median of all its runs, and (median, peak right after) of each turn."""

    best: float
    median: float
    turns: list[tuple[float, float]]

    def of_peak(self, gflop: float) -> float:
        """Per cent of the peak at the clock it ran at: the median of all turns."""
        return 100 * median(gflop * peak / seconds for seconds, peak in self.turns)


def interleave(candidates: Mapping[str, Repeat], peak: machine.Peak, seconds: float) -> dict[str, Times]:
    """Lets the candidates take turns of about 5 ms (a run at least) for `seconds` in all."""
    runs = {name: max(1, int(0.005 / max(repeat(2)[1], 1e-7))) for name, repeat in candidates.items()}
    runs_of: dict[str, list[float]] = {name: [] for name in candidates}
    turns: dict[str, list[tuple[float, float]]] = {name: [] for name in candidates}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, turns.values())) < 3:
        for name, repeat in candidates.items():
            times = repeat(runs[name])
            turns[name].append((median(times), peak.now()))
            runs_of[name] += times
    return {name: Times(min(t), median(t), turns[name]) for name, t in runs_of.items()}


def header() -> str:
    facts = machine.describe()
    return f"{facts['cpu']}, {facts['cpus']} CPUs, ISAs {', '.join(facts['isas'])}"
