"""What the benches share: interleaved timing, and a line that says on what machine the figures were made."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
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
    rounds = 300_000
    operations = _core.measure_fma(isa, rounds)

    def repeat(times: int) -> list[float]:
        return [s / operations * 1e9 for s in python_repeat(lambda: _core.measure_fma(isa, rounds))(times)]

    return repeat


def interleave(candidates: Mapping[str, Repeat], seconds: float) -> dict[str, tuple[float, float]]:
    """Lets the candidates take turns of about 20 ms for `seconds` in all: (minimum, median) of each."""
    runs = {name: max(1, int(0.02 / max(repeat(1)[0], 1e-7))) for name, repeat in candidates.items()}
    runs = {name: min(count, 2000) for name, count in runs.items()}
    found: dict[str, list[float]] = {name: [] for name in candidates}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, found.values())) < 3:
        for name, repeat in candidates.items():
            found[name] += repeat(runs[name])
    return {name: (min(times), median(times)) for name, times in found.items()}


def header() -> str:
    facts = machine.describe()
    return f"{facts['cpu']}, {facts['cpus']} CPUs, ISAs {', '.join(facts['isas'])}"
