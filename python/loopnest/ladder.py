"""The ladders: an operator's rungs, how fast each is here, which one runs and why, and its source.

    ladder("conv2d")                                      # the rungs, slowest first
    climb("conv2d", "n1 ic64 ih56 iw56 oc64 kh3 kw3 p1")  # time every one of them
    explain("conv2d", "n1 ic64 ih56 iw56 oc64 kh1 kw1")   # which one runs, and what was passed over
    print(source("conv2d", "tile"))                       # the kernel, to be read

Shapes are text, see loopnest.shapes; without one, an operator's own example is taken (for conv2d and lstm the
layer of `loopnest tour`). Every operator has one.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from loopnest import _core, machine, ops, reference, shapes
from loopnest.laboratory import EXAMPLES, Draw, Example

Each = Callable[[dict[str, Any], dict[str, Any]], None]  # (the climb so far, the rung)


@dataclass(frozen=True)
class Rung:
    """One rung of a ladder: what its line in csrc/ops/<op>/ladder.inc says, and where it can run here."""

    op: str
    step: int
    name: str
    idea: str
    isas: tuple[str, ...]  # usable ones, slowest first
    dtypes: tuple[str, ...]


def operators() -> list[str]:
    """Every operator that has a ladder, by name."""
    return sorted({row["op"] for row in _core.rungs()})


def ladder(op: str) -> list[Rung]:
    """The rungs of `op`, slowest first. ValueError for an operator that does not exist.

    >>> [rung.name for rung in ladder("conv2d")][:2]
    ['naive', 'hoist']
    """
    rows = [row for row in _core.rungs() if row["op"] == _ladder_of(op)]
    if not rows:
        raise ValueError(f"ladder: there is no operator {op!r}; there are {', '.join(operators())}")
    order = {isa: place for place, isa in enumerate(_core.isas())}
    found = []
    for step, name in sorted({(row["step"], row["rung"]) for row in rows}):
        same = [row for row in rows if row["rung"] == name]
        isas = sorted({row["isa"] for row in same}, key=order.__getitem__)
        dtypes = sorted({row["dtype"] for row in same})
        found.append(Rung(op, step, name, same[0]["idea"], tuple(isas), tuple(dtypes)))
    return found


def _ladder_of(op: str) -> str:
    return "gemm" if op == "linear" else op  # linear is gemm with the second matrix turned


def parse(op: str, shape: str | shapes.Shape | None) -> shapes.Shape:
    """`shape` as a Shape, or the operator's example. ValueError for a text that is none."""
    example = _example(op)
    if isinstance(shape, shapes.Shape):
        return shape
    return example.kind.parse(example.text if shape is None else shape)


def _example(op: str) -> Example:
    if op not in EXAMPLES:
        ladder(op)  # says so if there is none at all
        raise ValueError(f"{op}: expected an operator with a line in loopnest.laboratory.EXAMPLES")
    return EXAMPLES[op]


def inputs(
    op: str, shape: Any, dtype: str = "float32", seed: int = 0
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(args, kwargs) for `ops.<op>`: standard normal data, weights of PyTorch's initial size.

    >>> args, options = inputs("softmax", parse("softmax", "o2 d5 i1"))
    >>> args[0].shape, options
    ((2, 5, 1), {'dim': 1})
    """
    return _example(op).make(Draw(dtype, seed), shape, op)


def _float64(data: Any) -> Any:
    """Arrays of floats among the arguments in float64."""
    if isinstance(data, tuple):
        return tuple(map(_float64, data))
    return data.astype(np.float64) if isinstance(data, np.ndarray) and data.dtype.kind == "f" else data


def climb(
    op: str,
    shape: str | shapes.Shape | None = None,
    *,
    isa: str | None = None,
    threads: int = 1,
    dtype: str = "float32",
    seconds: float = 0.5,
    before: Each | None = None,
    after: Each | None = None,
) -> dict[str, Any]:
    """Run every rung of `op` on the same data and measure it.

    `isa` defaults to the best one; `seconds` is spent on each rung (a run that takes longer is done twice,
    one that takes four times as long once). `before` and `after` are called with (the climb so far, the
    rung) around each rung.

    Returns a dict: op, title, shape, isa, threads, dtype, flops (2 per multiply-add of the textbook's sum,
    padding not counted), bytes (every array once), intensity (their ratio), peak (GFLOP/s of multiply-adds
    on as many threads, the best of measurements made between the runs, so that both saw the same clock),
    reference {ms, gflops}, skipped [{step, name, reason}] and rungs, slowest first: [{step, name, idea,
    isa, threads, ms (the best run), runs, gflops, percent of peak, percent_at_clock, pack_ms (packing
    weights, not part of ms), error (largest difference from the NumPy reference in float64, relative to the
    reference's largest value)}].

    percent_at_clock is per cent of multiply-adds in registers right after the rung's runs, at the clock that
    it has left behind (`machine.Peak`): some CPUs clock a kernel that loads its operands lower than one that
    does not. None for several threads or float64.

    Raises ValueError for an unknown operator, ISA, dtype or a shape that does not parse.
    """
    parsed = parse(op, shape)
    if isa is not None and isa not in _core.isas():
        raise ValueError(f"climb: isa {isa!r} is not usable here; usable: {', '.join(_core.isas())}")
    if dtype not in ("float32", "float64"):
        raise ValueError(f"climb: dtype must be float32 or float64, got {dtype!r}")
    if threads < 1:
        raise ValueError(f"climb: threads must be 1 or more, got {threads}")
    args, options = inputs(op, parsed, dtype)
    truth, work = (ops.call(op, *data, rung="numpy", **options) for data in (_float64(args), args))
    took = min(truth.time(2))
    isa = isa or _core.isas()[-1]
    example = EXAMPLES[op]
    facts: dict[str, Any] = {
        "op": op,
        "title": example.title if str(parsed) == example.text else str(parsed),
        "shape": str(parsed),
        "isa": isa,
        "threads": threads,
        "dtype": dtype,
        "flops": work.flops,
        "bytes": work.bytes,
        "intensity": work.flops / max(work.bytes, 1),
        "reference": {"ms": 1e3 * took, "gflops": work.flops / took / 1e9},
        "peak": 0.0,
        "skipped": [],
        "rungs": [],
    }

    def measure_peak(facts: dict[str, Any]) -> None:
        facts["peak"] = max(facts["peak"], machine.peak(isa, threads, dtype, 0.01))

    peak_now = machine.Peak(isa).now if threads == 1 and dtype == "float32" else None

    for rung in ladder(op):
        row = {"step": rung.step, "name": rung.name, "idea": rung.idea, "isa": isa, "threads": threads}
        try:
            if dtype not in rung.dtypes or isa not in rung.isas:
                raise ValueError(f"not for {dtype} on {isa}")
            call = ops.call(op, *args, rung=rung.name, isa=isa, threads=threads, **options)
        except ValueError as error:
            reason = str(error).rpartition("cannot do this: ")[2]
            facts["skipped"].append({"step": rung.step, "name": rung.name, "reason": reason})
            continue
        if before:
            before(facts, row)
        times, at_clock = _times(call, seconds, lambda: measure_peak(facts), peak_now)
        pack = call.time_prepare(3)
        if example.updates:  # what the runs before have left is not one run's result
            call = ops.call(op, *args, rung=rung.name, isa=isa, threads=threads, **options)
            call.run()
        row |= {
            "ms": 1e3 * min(times),
            "runs": len(times),
            "gflops": call.flops / min(times) / 1e9,
            "percent_at_clock": 100 * call.flops / 1e9 * at_clock if at_clock else None,
            "pack_ms": 1e3 * min(pack) if pack else 0.0,
            "error": _error(call.result, truth.result),
        }
        facts["rungs"].append(row)
        for one in facts["rungs"]:
            one["percent"] = 100 * one["gflops"] / facts["peak"]
        if after:
            after(facts, row)
    return facts


def _times(
    call: Any, seconds: float, between: Callable[[], None], peak_now: Callable[[], float] | None
) -> tuple[list[float], float | None]:
    """Seconds of each run (one if it took very long, two if long, otherwise as many as fit: 3 to 1000), and
    the median of (peak_now() right after a part / the last runs of that part).

    They are made in up to eight parts, and `between` is called before each, so that what it measures sees
    the same clock and the same neighbours.
    """
    times: list[float] = []
    ratios: list[float] = []

    def part(runs: int) -> None:
        between()
        took = call.time(runs)
        if peak_now:
            ratios.append(peak_now() / median(took[-4:]))  # the last ones: the clock falls within a part
        times.extend(took)

    part(1)
    if times[0] > seconds:
        if times[0] < 4 * seconds:
            part(1)
        return times, median(ratios) if ratios else None
    left = min(max(int(seconds / max(times[0], 1e-7)), 3), 1000)
    ratios.clear()
    for parts in range(8, 0, -1):
        runs = -(-left // parts)
        if runs:
            part(runs)
            left -= runs
    return times, median(ratios) if ratios else None


def _error(found: Any, truth: Any) -> float:
    """The largest |found - truth| of all results, relative to the largest |truth|; NaN counts as infinite."""
    pairs = zip(found, truth, strict=True) if isinstance(found, tuple) else [(found, truth)]
    worst = 0.0
    for y, t in pairs:
        largest = float(np.max(np.abs(t), initial=0)) or 1.0
        off = float(np.max(np.abs(np.asarray(y, np.float64) - t), initial=0)) / largest
        worst = max(worst, off if off == off else float("inf"))
    return worst


def explain(
    op: str,
    shape: str | shapes.Shape | None = None,
    *,
    isa: str | None = None,
    rung: str | None = None,
    threads: int = 0,
    dtype: str = "float32",
) -> dict[str, Any]:
    """Which rung runs for this shape, and why: op, shape, isa, rung, idea, threads, flops, bytes, ..., walk.

    `walk` is what the chooser did, in its order: [{isa, rung, reason}], the reason None for the one that
    runs.
    """
    parsed = parse(op, shape)
    args, options = inputs(op, parsed, dtype)
    call = ops.call(op, *args, rung=rung, isa=isa, threads=threads, **options)
    return {
        "op": op,
        "shape": str(parsed),
        "isa": call.isa,
        "rung": call.rung,
        "idea": call.idea,
        "threads": call.threads,
        "flops": call.flops,
        "bytes": call.bytes,
        "intensity": call.flops / max(call.bytes, 1),
        "packed_bytes": call.packed_bytes,
        "walk": [{"isa": i, "rung": r, "reason": reason} for i, r, reason in call.walk],
    }


def source(op: str, rung: str) -> str:
    """The source text of a rung: its header in csrc, or for "numpy" the reference's module.

    >>> print(source("conv2d", "naive").splitlines()[0].startswith("//"))
    True
    """
    if rung == "numpy":
        ladder(op)
        module = inspect.getmodule(getattr(reference, op))
        assert module is not None
        return inspect.getsource(module)
    for one in ladder(op):
        if one.name == rung:
            return source_path(op, one).read_text(encoding="utf-8")
    names = ", ".join(one.name for one in ladder(op))
    raise ValueError(f"{op}: there is no rung {rung!r}; there are {names}, numpy")


def source_path(op: str, rung: Rung) -> Path:
    """Where the header of a rung lies: in the installed package, or beside it in a source tree."""
    here = Path(__file__).resolve().parent
    name = os.path.join("csrc", "ops", _ladder_of(op), f"r{rung.step}_{rung.name}.h")
    for root in (here, here.parent.parent):
        if (root / name).is_file():
            return root / name
    raise FileNotFoundError(f"{name}: not in this installation; read it in the project's repository")
