"""What the benches here share: `loopnest.bench`'s timing, and a line that says where figures were made."""

from __future__ import annotations

from loopnest import machine
from loopnest.bench.timing import interleave as interleave
from loopnest.bench.timing import python_repeat as python_repeat


def header() -> str:
    facts = machine.describe()
    return f"{facts['cpu']}, {facts['cpus']} CPUs, ISAs {', '.join(facts['isas'])}"
