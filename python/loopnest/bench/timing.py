"""Candidates take turns in one process, so that all see the same clock and the same neighbours."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from loopnest import machine

Repeat = Callable[[int], list[float]]  # runs something so many times, returns the seconds of each run


@dataclass(frozen=True)
class Candidate:
    """One way to do a piece of work: how to time it, and what it computes."""

    repeat: Repeat
    result: Callable[[], list[Any]]  # the results as arrays of PyTorch's shapes


def python_repeat(work: Callable[[], object]) -> Repeat:
    """Times a Python callable (for rivals, whose calls cross into C++ once per run anyway)."""

    def repeat(times: int) -> list[float]:
        seconds, clock = [], time.perf_counter
        for _ in range(times):
            start = clock()
            work()
            seconds.append(clock() - start)
        return seconds

    return repeat


@dataclass
class Times:
    """One candidate: minimum and median of all its runs, and (median, peak right after) of each turn."""

    best: float
    median: float
    turns: list[tuple[float, float]]
    runs: list[float]

    def of_peak(self, gflop: float) -> float:
        """Per cent of the peak at the clock it ran at: the median of all turns."""
        return 100 * median(gflop * peak / seconds for seconds, peak in self.turns)

    def percentile(self, q: float) -> float:
        """The time in seconds that a fraction q of all runs stays within."""
        ordered = sorted(self.runs)
        return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def interleave(
    candidates: Mapping[str, Repeat],
    peak: machine.Peak,
    seconds: float,
    settle: float = 0.0,
    hopeless: Callable[[dict[str, float]], set[str]] | None = None,
) -> dict[str, Times]:
    """Lets the candidates take turns of about 5 ms (a run at least) for `seconds` in all, 3 turns at least.

    settle: seconds to wait before each turn. After a run on several threads some libraries' workers spin
    (onnxruntime 36 to 80 ms, libgomp 10 ms) and would slow the next one; after the wait one run is not
    counted, because then workers sleep. hopeless: told the medians after the second turn, says who need not
    go on.
    """
    runs = {name: max(1, int(0.005 / max(repeat(2)[1], 1e-7))) for name, repeat in candidates.items()}
    runs_of: dict[str, list[float]] = {name: [] for name in candidates}
    turns: dict[str, list[tuple[float, float]]] = {name: [] for name in candidates}
    racing = dict(candidates)
    gc.collect()
    gc.disable()
    try:
        end, turn = time.perf_counter() + seconds, 0
        while time.perf_counter() < end or turn < 3:
            for name, repeat in racing.items():
                if settle:
                    time.sleep(settle)
                    repeat(1)
                times = repeat(runs[name])
                turns[name].append((median(times), peak.now()))
                runs_of[name] += times
            turn += 1
            if turn == 2 and hopeless:
                out = hopeless({name: median(times) for name, times in runs_of.items()})
                racing = {name: repeat for name, repeat in racing.items() if name not in out}
    finally:
        gc.enable()
    return {name: Times(min(t), median(t), turns[name], t) for name, t in runs_of.items()}


def keep_memory() -> bool:
    """Tells glibc's malloc to keep what is freed: a rival that allocates its results pays page faults on
    every call otherwise, or not, depending on what the process freed before (0.13 or 1.4 ms for one depthwise
    layer in PyTorch). Returns False where there is no mallopt."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    trim_threshold, mmap_max = -1, -4
    return bool(mallopt(trim_threshold, 2**31 - 1) and mallopt(mmap_max, 0))
