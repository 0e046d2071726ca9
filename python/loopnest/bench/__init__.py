"""loopnest beside its rivals: `loopnest bench conv` and `loopnest bench rnn`.

Everybody runs in this one process, in turns, on the same data, each rival in its best configurations (of each
only the fastest counts); weights are packed beforehand for everyone who can. A row gives for each candidate
the minimum and the median of its runs, per cent of the machine's roof, and the error against float64; and the
ratio (best rival's time / ours), from minima and from medians.

    facts = bench.convolutions("conv", rivals=["torch"], threads=1)
    print(facts["families"])
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import exp, log
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from loopnest import _core, machine, shapes
from loopnest.bench import families, ours, rivals
from loopnest.bench.cases import Convolution, Recurrent
from loopnest.bench.rivals import Impossible
from loopnest.bench.timing import Candidate, Times, interleave, keep_memory

Watch = Callable[[dict[str, Any]], None]

# After a run on several threads the others' workers spin; see timing.interleave.
SETTLE = 0.12

# Who is asked when nobody is named.
_WHO = {
    "convolution": ("torch", "onnxruntime", "openvino", "litert"),
    "recurrent": ("torch", "onnxruntime", "openvino", "jax"),
    "convolution_train": ("torch", "jax"),
    "recurrent_train": ("torch", "jax"),
    "network": ("torch", "onnxruntime", "openvino", "litert"),
}


def convolutions(
    suite: str = "conv",
    *,
    rivals: Sequence[str] | None = None,
    threads: int = 1,
    train: bool = False,
    only: Sequence[str] = (),
    seconds: float = 1.5,
    each: Watch | None = None,
) -> dict[str, Any]:
    """Forward passes of a suite's convolutions, or forward and backward together.

    Args:
        suite: a name of `loopnest.shapes.suites()`, or a shape such as "conv2d n1 ic64 ih56 ...".
        rivals: names of `loopnest.bench.rivals.NAMES`, default all that can; one that is not installed is
            named in the result.
        train: the shapes marked so, gradients of input (but for first layers), weight and bias included.
        only: families, or parts of shapes' texts; others are left out.
        seconds: for each shape.
        each: called with every row.
    Returns:
        {"kind", "suite", "threads", "seconds", "machine", "versions", "missing": {rival: why}, "rows",
        "families"}; times are in seconds, "percent" is of the roof (see `roof`), "ratio" the best rival's
        time / ours.
    """

    def case_of(entry: shapes.Entry) -> Any:
        return Convolution(entry.shape)  # type: ignore[arg-type]

    def family_of(entry: shapes.Entry) -> str:
        return families.of_convolution(entry.shape, entry.family, train)  # type: ignore[arg-type]

    entries = [e for e in _entries(suite, train) if isinstance(e.shape, shapes.ConvShape)]
    kind = "convolution_train" if train else "convolution"
    order = families.TRAINING if train else families.FORWARD
    return _bench(kind, suite, entries, case_of, family_of, order, rivals, threads, only, seconds, each)


def recurrences(
    suite: str = "rnn",
    *,
    rivals: Sequence[str] | None = None,
    threads: int = 1,
    train: bool = False,
    only: Sequence[str] = (),
    seconds: float = 1.5,
    each: Watch | None = None,
) -> dict[str, Any]:
    """The same for recurrent layers. Single steps also give p50 and p99 of each candidate: ours by the kernel
    alone and through the Python API, rivals through their own."""
    entries = [e for e in _entries(suite, train) if isinstance(e.shape, shapes.RecurrentShape)]
    kind = "recurrent_train" if train else "recurrent"
    return _bench(
        kind,
        suite,
        entries,
        lambda e: Recurrent(e.shape),  # type: ignore[arg-type]
        lambda e: families.of_recurrent(e.shape),  # type: ignore[arg-type]
        families.RECURRENT,
        rivals,
        threads,
        only,
        seconds,
        each,
    )


def whole_networks(
    names: Sequence[str] | None = None,
    *,
    batches: Sequence[int] = (1, 8),
    rivals: Sequence[str] | None = None,
    threads: int = 1,
    train: bool = False,
    seconds: float = 3.0,
    each: Watch | None = None,
) -> dict[str, Any]:
    """Whole networks with random weights, forward; with `train` a step of training (forward, backward and
    optimiser) at batch 64. Names: of `networks.FORWARD` or `networks.TRAINED`."""
    from loopnest.bench import networks

    known = networks.TRAINED if train else networks.FORWARD
    for name in names or ():
        if name not in known:
            raise ValueError(f"bench: there is no network {name!r} here; there are {', '.join(known)}")
    facts, there, peak, roofs = _start(
        "network_train" if train else "network",
        "",
        rivals or _WHO["network"],
        threads,
        seconds,
        lambda module: True,
    )
    for name in names or known:
        for batch in (64,) if train else batches:
            size_text = f"t{networks.STEPS} n{networks.SEQUENCES}" if name in networks.CELLS else f"n{batch}"
            row: dict[str, Any] = {"shape": f"{name} {size_text}", "note": "", "times": 1, "cannot": {}}
            row["family"] = "training steps" if train else f"whole nets, batch {batch}"
            try:
                case = networks.Network(name, batch, train)
            except (Impossible, AttributeError) as reason:
                row |= {
                    "cannot": {"loopnest": str(reason)},
                    "candidates": [],
                    "bound": "FMA peak",
                    "roof": 0.0,
                }
                facts["rows"].append(row)
                continue
            flops = case.flops() * (3 if train else 1)
            size = 4.0 * sum(a.size for a in case.state.values())
            row |= {"flops": flops, "bytes": size}
            row["roof"], row["bound"] = roofs.seconds(flops, size, threads)
            candidates: dict[tuple[str, str], Candidate] = {}
            makers: list[tuple[str, Callable[..., Any]]] = [("loopnest", networks.ours)]
            makers += [(who, partial(networks.rival, who)) for who in there]
            for who, make in makers:
                _add(candidates, row["cannot"], who, partial(make, case, threads))
            truth = [np.asarray(a, np.float64) for a in _truth_of_network(candidates)]
            errors = {key: _apart(c.result(), truth) for key, c in candidates.items()}
            _race(row, candidates, errors, peak, seconds, threads)
            facts["rows"].append(row)
            if each:
                each(row)
    facts["families"] = summary(facts["rows"], ())
    return facts


def _truth_of_network(candidates: dict[tuple[str, str], Candidate]) -> list[Any]:
    """What everybody is compared with: PyTorch's plain result, or ours where it is missing."""
    for key, candidate in candidates.items():
        if key[0] == "torch":
            return candidate.result()
    return next(iter(candidates.values())).result()


def _apart(results: list[Any], truth: list[Any]) -> float:
    """The largest difference in any array, relative to that array's largest number."""
    worst = 0.0
    for found, true in zip(results, truth, strict=True):
        off = float(np.max(np.abs(np.asarray(found, np.float64) - true))) / (
            float(np.max(np.abs(true))) or 1.0
        )
        worst = max(worst, off if off == off else float("inf"))
    return worst


def _entries(suite: str, train: bool) -> list[shapes.Entry]:
    if " " in suite and not suite.endswith(".txt"):
        op, _, text = suite.strip().partition(" ")
        return [shapes.Entry(shapes.parse(op, text), "", 1, True, "")]
    found = shapes.load_suite(suite)
    marked = [e for e in found if e.train]
    return marked if train and marked else found


def _bench(
    kind: str,
    suite: str,
    entries: list[shapes.Entry],
    case_of: Callable[[shapes.Entry], Any],
    family_of: Callable[[shapes.Entry], str],
    order: Sequence[str],
    names: Sequence[str] | None,
    threads: int,
    only: Sequence[str],
    seconds: float,
    each: Watch | None,
) -> dict[str, Any]:
    entries = [
        e
        for e in entries
        if not only or any(o == family_of(e) or o in f"{e.shape.op} {e.shape}" for o in only)
    ]
    if not entries:
        raise ValueError(f"bench: no shape of suite {suite!r} fits {', '.join(only) or kind}")
    facts, there, peak, roofs = _start(
        kind,
        suite,
        _WHO[kind] if names is None else names,
        threads,
        seconds,
        lambda module: hasattr(module, kind),
    )
    for entry in entries:
        row = _row(kind, entry, case_of(entry), there, threads, peak, roofs, seconds)
        row["family"] = family_of(entry)
        facts["rows"].append(row)
        if each:
            each(row)
    facts["families"] = summary(facts["rows"], order)
    return facts


def _start(
    kind: str,
    suite: str,
    names: Sequence[str],
    threads: int,
    seconds: float,
    can: Callable[[ModuleType], bool],
) -> tuple[dict[str, Any], dict[str, ModuleType], machine.Peak, Roof]:
    """The facts of a bench that has no rows yet, the rivals that are there, and the measures."""
    if threads < 1 or threads > _core.available_threads():
        raise ValueError(f"bench: expected threads of 1 to {_core.available_threads()}, got {threads}")
    keep_memory()
    there: dict[str, ModuleType] = {}
    missing: dict[str, str] = {}
    versions = {"loopnest": ours.version()}
    for name in names:
        module, text = rivals.load(name)
        if module is None:
            missing[name] = text
        elif not can(module):
            missing[name] = f"has no {kind.replace('_', ' ')} here"
        else:
            there[name], versions[name] = module, text
    isa = _core.isas()[-1]
    peak = machine.Peak(isa)
    facts: dict[str, Any] = {
        "kind": kind,
        "suite": suite,
        "threads": threads,
        "seconds": seconds,
        "machine": machine.describe(),
        "peak": threads / peak.alone,
        "versions": versions,
        "missing": missing,
        "rows": [],
    }
    return facts, there, peak, Roof(isa, threads / peak.alone)


class Roof:
    """The least time for so many operations on so many bytes: at the FMA peak of all threads, or at the read
    bandwidth of one core (times the threads) on an array of that size, whichever is longer."""

    def __init__(self, isa: str, peak: float) -> None:
        self._isa, self._peak, self._known = isa, peak, dict[int, float]()

    def bandwidth(self, size: int) -> float:
        """GB/s for an array of this size, to an eighth."""
        size = max(1 << 13, min(size, 1 << 29))
        grain = 1 << (size.bit_length() - 4)
        rounded = size // grain * grain
        if rounded not in self._known:
            self._known[rounded] = machine.measure_bandwidth(self._isa, rounded, 0.03)
        return self._known[rounded]

    def seconds(self, flops: float, size: float, threads: int) -> tuple[float, str]:
        compute = flops / 1e9 / self._peak
        memory = size / 1e9 / (self.bandwidth(int(size)) * threads)
        return (compute, "FMA peak") if compute >= memory else (memory, "bandwidth")


def _row(
    kind: str,
    entry: shapes.Entry,
    case: Any,
    there: dict[str, ModuleType],
    threads: int,
    peak: machine.Peak,
    roofs: Roof,
    seconds: float,
) -> dict[str, Any]:
    """One shape: makes all candidates, lets them take turns, and compares."""
    candidates: dict[tuple[str, str], Candidate] = {}
    cannot: dict[str, str] = {}
    for who, module in (("loopnest", ours), *there.items()):
        _add(candidates, cannot, who, lambda module=module: getattr(module, kind)(case, threads))  # type: ignore[misc]
    errors = {key: _error(kind, case, candidate, candidates) for key, candidate in candidates.items()}
    for key, off in errors.items():
        if off is not None and not off < 1e-2 and key[0] != "loopnest":
            cannot[" ".join(key).strip()] = f"wrong result: error {off:.1e}"
            del candidates[key]
    flops, size = _work(kind, entry.shape, case)
    roof, bound = roofs.seconds(flops, size, threads)
    row: dict[str, Any] = {
        "shape": f"{entry.shape.op} {entry.shape}",
        "note": entry.note,
        "times": entry.times,
        "flops": flops,
        "bytes": size,
        "roof": roof,
        "bound": bound,
        "cannot": cannot,
        "candidates": [],
    }
    _race(row, candidates, errors, peak, seconds, threads)
    return row


def _add(
    candidates: dict[tuple[str, str], Candidate], cannot: dict[str, str], who: str, make: Callable[[], Any]
) -> None:
    """The candidates of one side, or why it has none."""
    try:
        candidates |= {(who, setting): candidate for setting, candidate in make().items()}
    except Impossible as reason:
        cannot[who] = str(reason)
    except Exception as error:  # a rival's own failure must not end the bench, nor go unsaid
        if who == "loopnest":
            raise
        cannot[who] = f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"


def _race(
    row: dict[str, Any],
    candidates: dict[tuple[str, str], Candidate],
    errors: Mapping[tuple[str, str], float | None],
    peak: machine.Peak,
    seconds: float,
    threads: int,
) -> None:
    """Lets the candidates take turns and puts their figures into the row."""
    found = interleave(
        {"\0".join(key): candidate.repeat for key, candidate in candidates.items()},
        peak,
        seconds,
        SETTLE if threads > 1 else 0.0,
        _hopeless,
    )
    row["candidates"] = []
    for name, times in found.items():
        who, setting = name.split("\0")
        error = errors[who, setting]
        row["candidates"].append(_candidate(who, setting, times, row["flops"], row["roof"], error, threads))
    _compare(row)


def _hopeless(medians: dict[str, float]) -> set[str]:
    """Configurations that take over 1.4 times as long as the best of the same rival."""
    best: dict[str, float] = {}
    for key, value in medians.items():
        who = key.split("\0")[0]
        best[who] = min(value, best.get(who, value))
    return {
        key
        for key, value in medians.items()
        if not key.startswith("loopnest") and value > 1.4 * best[key.split("\0")[0]]
    }


def _work(kind: str, shape: Any, case: Any) -> tuple[float, float]:
    """Operations, and bytes that must be read or written at least once."""
    numbers = {name: 4.0 * _product(size) for name, size in _sizes(shape).items()}
    passes = 1
    if kind.endswith("train"):
        passes = 3 if getattr(case, "input_gradient", True) else 2
    return float(shape.flop * passes), sum(numbers.values()) * passes


def _sizes(shape: Any) -> dict[str, tuple[int, ...]]:
    if isinstance(shape, shapes.ConvShape):
        return {"x": shape.x, "w": shape.w, "y": shape.y}
    t, n, i, h, g = shape.t, shape.n, shape.i, shape.h, shape.gates
    return {"x": (t, n, i), "w_ih": (g * h, i), "w_hh": (g * h, h), "y": (t, n, h)}


def _product(size: Iterable[int]) -> int:
    result = 1
    for length in size:
        result *= length
    return result


def _error(kind: str, case: Any, candidate: Candidate, all: dict[tuple[str, str], Candidate]) -> float | None:
    if kind == "convolution_train":
        return float(case.gradient_error(candidate.result()))
    if kind == "recurrent_train":  # its truth would take a second bench; tests check our gradients in float64
        candidate.result()
        return None
    return float(case.error(candidate.result()))


def _candidate(
    who: str, setting: str, times: Times, flops: float, roof: float, error: float | None, threads: int
) -> dict[str, Any]:
    return {
        "who": who,
        "setting": setting,
        "best": times.best,
        "median": times.median,
        "p50": times.percentile(0.5),
        "p99": times.percentile(0.99),
        "gflops": flops / times.best / 1e9,
        "percent": 100 * roof / times.best,
        "percent_at_clock": times.of_peak(flops / 1e9 / threads),
        "error": error,
        "runs": len(times.runs),
    }


def _compare(row: dict[str, Any]) -> None:
    """Adds "best_rival", "ratio" (minima) and "ratio_median", if both sides are there. Of ours, a single step
    counts through Python as rivals' do; otherwise the fastest."""
    mine = [c for c in row["candidates"] if c["who"] == "loopnest"]
    others = [c for c in row["candidates"] if c["who"] != "loopnest"]
    if not mine or not others:
        return
    shown = [c for c in mine if c["setting"].startswith("python")] or mine
    for name, field in (("ratio", "best"), ("ratio_median", "median")):
        us = min(c[field] for c in shown)
        row[name] = min(c[field] for c in others) / us
        if len(shown) < len(mine):
            kernel = min(c[field] for c in mine if c not in shown)
            row[name + "_kernel"] = min(c[field] for c in others) / kernel
    best = min(others, key=lambda c: c["best"])
    row["best_rival"] = f"{best['who']} {best['setting']}".strip()


def summary(rows: list[dict[str, Any]], order: Sequence[str]) -> list[dict[str, Any]]:
    """One line per family: geometric means of the ratios, of both sides' GFLOP/s and of our per cent of the
    roof; and the worst shape."""
    lines = []
    for family in [*order, *sorted({r["family"] for r in rows} - set(order))]:
        mine = [row for row in rows if row["family"] == family]
        compared = [row for row in mine if "ratio" in row]
        if not mine:
            continue
        line: dict[str, Any] = {"family": family, "shapes": len(mine), "compared": len(compared)}
        if compared:
            worst = min(compared, key=lambda row: row["ratio"])
            line |= {
                "ratio": geometric(row["ratio"] for row in compared),
                "ratio_median": geometric(row["ratio_median"] for row in compared),
                "gflops": geometric(_best(row, True)["gflops"] for row in compared),
                "rival_gflops": geometric(_best(row, False)["gflops"] for row in compared),
                "percent": geometric(_best(row, True)["percent"] for row in compared),
                "worst": worst["shape"],
                "worst_ratio": worst["ratio"],
                "worst_rival": worst["best_rival"],
            }
            if all("ratio_kernel" in row for row in compared):
                line["ratio_kernel"] = geometric(row["ratio_kernel"] for row in compared)
        lines.append(line)
    return lines


def _best(row: dict[str, Any], ours: bool) -> dict[str, Any]:
    return min((c for c in row["candidates"] if (c["who"] == "loopnest") == ours), key=lambda c: c["best"])


def geometric(values: Iterable[float]) -> float:
    """The geometric mean.

    >>> round(geometric([1, 4]), 6)
    2.0
    """
    logs = [log(value) for value in values]
    return exp(sum(logs) / len(logs))


def save(facts: dict[str, Any], folder: Path) -> Path:
    """Keeps the facts under folder/<cpu>/<kind>-<suite>-<threads>.json, rows of the same shape replaced."""
    import json
    import re

    from loopnest.viz.facts import to_json

    cpu = re.sub(r"[^a-z0-9]+", "-", facts["machine"]["cpu"].lower()).strip("-")
    name = "-".join(filter(None, (facts["kind"], facts["suite"], str(facts["threads"]))))
    path = folder / cpu / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        new = {row["shape"] for row in facts["rows"]}
        rows = {row["shape"]: row for row in [*kept["rows"], *facts["rows"]]}
        facts = {**facts, "rows": list(rows.values())} if new else facts
        order = families.RECURRENT if facts["kind"].startswith("recurrent") else families.FORWARD
        order = families.TRAINING if facts["kind"] == "convolution_train" else order
        facts["families"] = summary(facts["rows"], order)
    path.write_text(to_json(facts) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    sys.exit("run: loopnest bench conv, or loopnest bench rnn")
