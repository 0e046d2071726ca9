"""The models of the systems beside the same models in PyTorch: do both say the same, and which is faster?

    python bench/systems --data DIR                        # everything, one thread
    python bench/systems generate scan --seconds 8
    python bench/systems --parity                          # only: same weights in, same results out
    python bench/systems --speed video                     # only the times
    python bench/systems classify --steps 200 --json my.json

Weights and data are the same, the step is the Trainer's: gradients to zero, loss, backward, clipping, Adam.
Both sides take turns in one process; PyTorch's best of its configurations counts (channels-last, fused
optimizer; eager). The factor is PyTorch's time over ours: of the minima, and of the medians.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path

import loopnest
from loopnest import machine
from loopnest.bench.timing import keep_memory

HERE = Path(__file__).parent
NAMES = [
    "classify",
    "scan",
    "outline",
    "video",
    "caption",
    "generate",
    "translate",
    "sentiment",
    "faceoff",
    "speech",
    "forecast",
    "interchange",
]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; default: all")
    parser.add_argument("--only", default="", help="rows whose name holds this text")
    parser.add_argument("--data", default=os.environ.get("LOOPNEST_DATA"), help="the folder of data sets")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.2, help="of measuring for each row")
    parser.add_argument("--steps", type=int, help="just so many steps for each candidate, instead")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--parity", action="store_true", help="compare results only")
    what.add_argument("--speed", action="store_true", help="time only")
    parser.add_argument("--json", type=Path, help="keep the figures here; rows of earlier runs stay")
    options = parser.parse_args()
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no twin of {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    import torch
    from twin import best_rival, parity, race

    loopnest.set_num_threads(options.threads)
    torch.set_num_threads(options.threads)
    keep_memory()
    facts = machine.describe()
    print(f"{facts['cpu']}, {options.threads} thread(s), torch {torch.__version__}")
    rows, wrong = [], 0
    for name in options.names or NAMES:
        for twin in importlib.import_module(name).twins(options.data):
            if options.only not in f"{name} {twin.name}":
                continue
            apart = [] if options.speed else parity(twin)
            bad = [d for d in apart if not d.far <= d.allowed]
            wrong += bool(bad)
            row = {"system": name, "model": twin.name, "agrees": None if options.speed else not bad}
            for d in bad:
                print(f"  {d.what}, {d.dtype}: {d.far:.3g} from PyTorch's float64, allowed {d.allowed:.3g}")
            if not options.parity:
                found = race(twin, options.seconds, options.steps)
                rival = best_rival(found)
                ours, theirs = found["loopnest"], found[rival]
                row |= {
                    "ours_ms": [1e3 * ours.best, 1e3 * ours.median],
                    "torch_ms": [1e3 * theirs.best, 1e3 * theirs.median],
                    "torch": rival,
                    "factor": [theirs.best / ours.best, theirs.median / ours.median],
                    "asked": twin.asked,
                    "threads": options.threads,
                }
            rows.append(row)
            print(line(row), flush=True)
    if options.json is not None:
        keep(options.json, facts, torch.__version__, rows)
    return 1 if wrong else 0


def line(row: dict) -> str:
    agrees = {None: "", True: "agrees", False: "DIFFERS"}[row["agrees"]]
    text = f"{row['system']:12} {row['model']:28} {agrees:8}"
    if "factor" not in row:
        return text
    ours, theirs, factor = row["ours_ms"], row["torch_ms"], row["factor"]
    asked = "" if row["asked"] is None else f"  asked {row['asked']:g}"
    return (
        f"{text} {ours[0]:8.3f} {ours[1]:8.3f} ms  {row['torch']:26} {theirs[0]:8.3f} {theirs[1]:8.3f} ms  "
        f"{factor[0]:5.2f} {factor[1]:5.2f}{asked}"
    )


def keep(path: Path, facts: dict, torch_version: str, rows: list[dict]) -> None:
    """Write the rows into a JSON file in place of those of the same models and threads."""
    held = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []
    new = {(r["system"], r["model"], r.get("threads")): r for r in rows}
    rows = [new.pop((r["system"], r["model"], r.get("threads")), r) for r in held] + list(new.values())
    path.parent.mkdir(parents=True, exist_ok=True)
    made = {"cpu": facts["cpu"], "torch": torch_version, "rows": rows}
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
