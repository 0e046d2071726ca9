"""What this machine is and what it can do: CPU, caches, FMA peak per ISA, read bandwidth per level of memory.

Everything is measured on one core (rooflines and ladders are per core), except `peak_threads`. A
measurement takes the best of many short runs: other programs and the clock only ever take speed away.
"""

from __future__ import annotations

import os
import platform
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
MiB = 1 << 20


def cpu_name() -> str:
    """The CPU's name as the system gives it, or the architecture where it gives none.

    A virtual machine may hide the model: where the name has no number but that of its clock, x86's family
    and model are added.

    Example:
      >>> from loopnest import machine
      >>> len(machine.cpu_name()) > 0
      True
    """
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        info = ""

    def line(name: str) -> str:
        found = re.search(rf"^(?:{name})\s*:\s*(.+)$", info, re.MULTILINE)
        return " ".join(found[1].split()) if found else ""

    name = line("model name|Model|Hardware") or platform.processor() or platform.machine()
    hidden = not re.search(r"\d", name.split("@")[0]) and line("cpu family")
    return f"{name}, family {line('cpu family')} model {line('model')}" if hidden else name


def caches(root: Path = CACHES) -> list[dict[str, int]]:
    """Data and unified caches of CPU 0 from sysfs, smallest level first; empty where the system says nothing.

    Each is {"level": 1, "bytes": 32768, "shared_by": number of CPUs that share it}.

    Example:
      >>> from loopnest import machine
      >>> all(cache["bytes"] > 0 for cache in machine.caches())
      True
    """
    found = []
    for index in sorted(root.glob("index*")):
        try:
            if (index / "type").read_text().strip() == "Instruction":
                continue
            level = int((index / "level").read_text())
            size = (index / "size").read_text().strip()
            shared = _count_cpus((index / "shared_cpu_list").read_text())
        except (OSError, ValueError):
            continue
        unit = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(size[-1:], 1)
        found.append({"level": level, "bytes": int(size.rstrip("KMG")) * unit, "shared_by": shared})
    return sorted(found, key=lambda cache: cache["level"])


def _count_cpus(text: str) -> int:
    """The number of CPUs in a sysfs list such as "0-3,8"."""
    count = 0
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        count += int(last or first) - int(first) + 1
    return count


def memory_bytes() -> int:
    """Main memory available now, in bytes; 1 GiB where the system does not say.

    Example:
      >>> from loopnest import machine
      >>> machine.memory_bytes() > 0
      True
    """
    try:
        found = re.search(r"^MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return int(found[1]) * 1024 if found else 1 << 30


def levels(known: list[dict[str, int]] | None = None, available: int | None = None) -> list[tuple[str, int]]:
    """Which array size stands for which level: [("L1", bytes), ..., ("memory", bytes)].

    Half of L1, so that other lines fit beside it; a quarter of L2, whose lines lie where the pages happen
    to be; for L3 eight times L2, but at most half of L3; for memory twice the last cache (a cyclic read of
    more than a cache's size finds little of it there), at least 256 MiB, at most 1 GiB and a quarter of
    what is available.

    Example:
      >>> from loopnest import machine
      >>> machine.levels([{"level": 1, "bytes": 32768}, {"level": 2, "bytes": 1 << 20}], 1 << 32)
      [('L1', 16384), ('L2', 262144), ('memory', 268435456)]
    """
    sizes = {cache["level"]: cache["bytes"] for cache in (caches() if known is None else known)}
    sizes = sizes or {1: 32 << 10, 2: 512 << 10}  # small enough for anything of the last fifteen years
    result = [(f"L{level}", size // (2 if level == 1 else 4)) for level, size in sorted(sizes.items())]
    if 2 in sizes and 3 in sizes:
        result[-1] = ("L3", max(min(8 * sizes[2], sizes[3] // 2), 2 * sizes[2]))
    last = max(sizes.values())
    limit = min(1 << 30, (memory_bytes() if available is None else available) // 4)
    return [*result, ("memory", min(max(2 * last, 256 * MiB), limit))]


def rate(work: Callable[[int], float], seconds: float) -> float:
    """The best rate of `work(rounds)` in units per second, where work returns how many units it did.

    Rounds are doubled until one run lasts 0.3 ms (so that the clock's own 0.1 us is nothing); then runs are
    repeated for `seconds`, at least three of them.

    Example:
      >>> from loopnest import machine
      >>> machine.rate(lambda rounds: sum(1 for _ in range(rounds)), seconds=0.01) > 0
      True
    """
    rounds, seen = 1, 0
    while (
        seen < 2
    ):  # twice, because one run may be long for other reasons: the first of all, or another program
        start = time.perf_counter()
        work(rounds)
        long = time.perf_counter() - start > 3e-4
        seen = seen + 1 if long else 0
        rounds *= 1 if long else 2
    best, runs, end = 0.0, 0, time.perf_counter() + seconds
    while runs < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        done = work(rounds)
        best = max(best, done / (time.perf_counter() - start))
        runs += 1
    return best


def measure_peak(isa: str, seconds: float = 0.2) -> float:
    """Multiply-adds of `isa` on one core, in GFLOP/s (one multiply-add is two operations; float32).

    Example:
      >>> from loopnest import machine
      >>> machine.measure_peak("scalar", seconds=0.01) > 0
      True
    """
    from loopnest import _core

    return rate(lambda rounds: _core.measure_fma(isa, 1000 * rounds), seconds) / 1e9


class Peak:
    """The FMA peak of one core, two ways, in seconds per GFLOP.

    `alone`: multiply-adds in registers and nothing else, the best of 100 ms.

    `now()`: the same for 0.2 ms right after something else has run, at the clock that this has left behind.
    Some CPUs lower their clock while a kernel loads its operands (a Xeon by 15 %, for several ms after), so
    this is the peak that the kernel could have had.

    Example:
      >>> from loopnest import machine
      >>> peak = machine.Peak("scalar")
      >>> peak.alone > 0, peak.now() > 0
      (True, True)
    """

    def __init__(self, isa: str) -> None:
        from loopnest import _core

        self._run, self._isa, self._rounds = _core.measure_fma, isa, 100_000
        self._gflop = _core.measure_fma(isa, self._rounds) / 1e9
        end, self.alone = time.perf_counter() + 0.1, float("inf")
        while time.perf_counter() < end:
            self.alone = min(self.alone, self._once())

    def _once(self) -> float:
        start = time.perf_counter()
        self._run(self._isa, self._rounds)
        return (time.perf_counter() - start) / self._gflop

    def now(self) -> float:
        """Seconds per GFLOP at the clock of this moment."""
        self._run(self._isa, self._rounds // 10)  # the first 20 us still wait for code and caches
        return self._once()


def measure_peak_threads(isa: str, threads: int, seconds: float = 0.2) -> float:
    """The same on `threads` threads at once, all together, in GFLOP/s.

    The best of runs of about 1 ms, from the start of the first thread to the end of the last.

    Example:
      >>> from loopnest import machine
      >>> machine.measure_peak_threads("scalar", threads=1, seconds=0.01) > 0
      True
    """
    from loopnest import _core

    rounds = max(1, int(0.001 * measure_peak(isa, 0.02) * 1e9 / _core.measure_fma(isa, 1)))
    starts, ends, over = [0.0] * threads, [0.0] * threads, False
    begin, done = threading.Barrier(threads + 1), threading.Barrier(threads + 1)

    def member(rank: int) -> None:
        while True:
            begin.wait()
            if over:
                return
            starts[rank] = time.perf_counter()
            _core.measure_fma(isa, rounds)
            ends[rank] = time.perf_counter()
            done.wait()

    for rank in range(threads):
        threading.Thread(target=member, args=(rank,), daemon=True).start()
    work = threads * _core.measure_fma(isa, 1) * rounds
    best, runs, end = 0.0, 0, time.perf_counter() + seconds
    while runs < 3 or time.perf_counter() < end:
        begin.wait()
        done.wait()
        best = max(best, work / (max(ends) - min(starts)))
        runs += 1
    over = True
    begin.wait()
    return best / 1e9


def peak(isa: str, threads: int = 1, dtype: str = "float32", seconds: float = 0.2) -> float:
    """Multiply-adds of `isa` on `threads` threads in GFLOP/s. float64 has half as many lanes.

    Example:
      >>> from loopnest import machine
      >>> machine.peak("scalar", seconds=0.01) > 0
      True
    """
    value = measure_peak(isa, seconds) if threads == 1 else measure_peak_threads(isa, threads, seconds)
    return value / 2 if dtype == "float64" and isa != "scalar" else value


def isas() -> list[str]:
    """The ISAs that this process may use, slowest first (LOOPNEST_ISA narrows them).

    Example:
      >>> from loopnest import machine
      >>> len(machine.isas()) > 0
      True
    """
    from loopnest import _core

    return list(_core.isas())


def measure_bandwidth(isa: str, size: int, seconds: float = 0.2) -> float:
    """Reading an array of `size` bytes over and over on one core, in GB/s (1e9 bytes).

    Example:
      >>> from loopnest import machine
      >>> machine.measure_bandwidth(machine.isas()[-1], 1 << 14, seconds=0.01) > 0
      True
    """
    from loopnest import _core

    count = max(size // 4, 1024) // 1024 * 1024
    memory = np.empty(count + 16, np.float32)
    first = -memory.ctypes.data % 64 // 4  # on a cache line: from L1, reads across two take twice as long
    data = memory[first : first + count]
    data.fill(1.0)  # not zeros, which may all be one page
    return rate(lambda rounds: _core.measure_read(isa, data, rounds), seconds) / 1e9


def describe() -> dict[str, Any]:
    """What can be said without measuring: {"cpu", "threads", "isas", "caches"}; ISAs slowest first.

    Example:
      >>> from loopnest import machine
      >>> sorted(machine.describe())
      ['caches', 'cpu', 'cpus', 'isas', 'threads']
    """
    from loopnest._core import get_num_threads

    return {
        "cpu": cpu_name(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "threads": get_num_threads(),
        "isas": isas(),
        "caches": caches(),
    }


def measure(seconds: float = 0.2, each: Callable[[str, str, float], None] | None = None) -> dict[str, Any]:
    """Describe and measure the machine; about 2 + 10 * `seconds` seconds.

    Returns `describe()` plus "peaks" [{"isa", "gflops"}], slowest ISA first; "peak_threads" {"threads",
    "isa", "gflops"}; "bandwidths" [{"level", "bytes", "gbs"}], nearest level first, read with the best ISA.
    `each` is called with (kind, name, value) after every measurement, kind "peak", "threads" or
    "bandwidth".

    Example:
      >>> from loopnest import machine
      >>> sorted(set(machine.measure(seconds=0.2)) - set(machine.describe()))  # doctest: +SKIP
      ['bandwidths', 'peak_threads', 'peaks']
    """
    machine = describe()
    tell = each or (lambda *_: None)
    machine["peaks"], machine["bandwidths"] = [], []
    for isa in machine["isas"]:
        value = measure_peak(isa, seconds)
        machine["peaks"].append({"isa": isa, "gflops": value})
        tell("peak", isa, value)
    best = max(machine["peaks"], key=lambda peak: peak["gflops"])["isa"]
    value = peak(best, machine["threads"], seconds=seconds)
    machine["peak_threads"] = {"isa": best, "threads": machine["threads"], "gflops": value}
    tell("threads", str(machine["threads"]), value)
    for level, size in levels(machine["caches"]):
        value = measure_bandwidth(best, size, seconds)
        machine["bandwidths"].append({"level": level, "bytes": size, "gbs": value})
        tell("bandwidth", level, value)
    return machine
