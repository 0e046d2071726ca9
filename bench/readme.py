"""Climbs the ladders, keeps the figures under bench/results/, and writes tables from them: short ones for
README.md, all of them for bench/results/README.md.

    python bench/readme.py             # measure (half a minute, nothing else running), then write
    python bench/readme.py --write     # only write the tables again from the kept figures

The tables of rivals come from what `loopnest bench conv --keep bench/results` (rnn, net; --train;
--threads 2) has left there, a folder for each machine.

tests/test_readme.py says when the README and the kept figures disagree.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from textwrap import fill

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "bench/results/readme.json"
README, DETAILS = ROOT / "README.md", ROOT / "bench/results/README.md"
ALL = "[bench/results/README.md](bench/results/README.md)"


def measure() -> dict:
    from loopnest import ladder, machine

    facts = machine.describe()
    climbs = [ladder.climb(op, seconds=1.0) for op in ("conv2d", "lstm")]
    return {"cpu": facts["cpu"], "isas": facts["isas"], "climbs": climbs}


def prose(text: str) -> str:
    return fill(" ".join(text.split()), 110, break_long_words=False, break_on_hyphens=False)


def percent(value: float) -> str:
    return f"{value:.0f} %" if value >= 10 else f"{value:.2g} %"


def climbs(kept: dict, columns: Sequence[str]) -> list[str]:
    """Both ladders as Markdown."""
    lines = []
    for climb in kept["climbs"]:
        lines += [
            "",
            f"**{climb['op']}**, {climb['title']} "
            f"(`{climb['shape']}`, {climb['isa']}, peak {climb['peak']:.0f} GFLOP/s)",
            "",
            "| " + " | ".join(columns) + " |",
            "|---|---|" + "--:|" * (len(columns) - 2),
        ]
        for rung in climb["rungs"]:
            cells = {
                "rung": rung["name"],
                "idea": rung["idea"],
                "ms": f"{rung['ms']:.3g}",
                "GFLOP/s": f"{rung['gflops']:.3g}",
                "of peak": percent(rung["percent"]),
                "at its clock": percent(rung["percent_at_clock"]),
                "error": f"{rung['error']:.0e}",
            }
            lines.append("| " + " | ".join(cells[column] for column in columns) + " |")
    return lines


def table(kept: dict) -> str:
    """Both ladders for the README, with the command that made them."""
    text = prose(f"""
        Made by `python bench/readme.py` on an {kept["cpu"]}: one thread, float32, weights packed
        beforehand, the best of many runs. The peak is that of multiply-adds in registers, in the same run.
        Errors, and what the clock does, are in {ALL}.
    """)
    return "\n".join([text, *climbs(kept, ("rung", "idea", "ms", "GFLOP/s", "of peak"))])


def full_table(kept: dict) -> list[str]:
    """The same with every column."""
    return [
        "",
        "## The ladders",
        "",
        prose(f"""
            `python bench/readme.py` on an {kept["cpu"]}: one thread, float32, weights packed beforehand,
            the best of many runs. The peak is that of multiply-adds in registers, in the same run; some
            CPUs lower their clock while a kernel loads what it multiplies, so the next column compares with
            multiply-adds right after the rung, at the clock that it left behind. Errors are relative to the
            largest output.
        """),
        *climbs(kept, ("rung", "idea", "ms", "GFLOP/s", "of peak", "at its clock", "error")),
    ]


TITLES = {
    "convolution": "Convolutions, forward",
    "convolution_train": "Convolutions, forward and backward",
    "recurrent": "Recurrent layers, forward",
    "recurrent_train": "Recurrent layers, forward and backward",
    "network": "Whole networks, forward",
    "network_train": "Steps of training",
}
COMMANDS = {"convolution": "conv", "recurrent": "rnn", "network": "net"}
DEFAULT_SUITES = ("", "conv", "rnn")


def benches() -> list[dict]:
    """What the benches have kept: by machine, then in the order of TITLES."""
    order = list(TITLES)
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(KEPT.parent.glob("*/*.json"))]
    return sorted(kept, key=lambda f: (f["machine"]["cpu"], order.index(f["kind"]), f["suite"], f["threads"]))


def command(facts: dict) -> str:
    kind, train = facts["kind"].removesuffix("_train"), facts["kind"].endswith("_train")
    text = f"loopnest bench {COMMANDS[kind]}" + " --train" * train
    text += f" --suite {facts['suite']}" if facts["suite"] not in DEFAULT_SUITES else ""
    text += f" --threads {facts['threads']}" if facts["threads"] > 1 else ""
    return text + (f" --seconds {facts['seconds']:g}" if "seconds" in facts else "")


def kept_by_default() -> list[dict]:
    """The default suites on one thread."""
    return [f for f in benches() if f["threads"] == 1 and f["suite"] in DEFAULT_SUITES]


def machines() -> dict[str, str]:
    """Of each CPU what a core's registers can do."""
    kept = kept_by_default()
    cpus = dict.fromkeys(f["machine"]["cpu"] for f in kept)
    peaks = {cpu: max(f.get("peak", 0) for f in kept if f["machine"]["cpu"] == cpu) for cpu in cpus}
    return {cpu: f"{peak:.0f} GFLOP/s a core" for cpu, peak in peaks.items()}


def ratios(kind: str) -> dict[str, dict[str, float]]:
    """The ratio of every family on every CPU."""
    rows: dict[str, dict[str, float]] = {}
    for facts in (f for f in kept_by_default() if f["kind"] == kind):
        for f in facts["families"]:
            if "ratio" in f:
                rows.setdefault(f["family"], {})[facts["machine"]["cpu"]] = f["ratio"]
    return rows


def without_jax(kind: str) -> set[str]:
    """The CPUs on which JAX did not take part, though it did on others."""
    there = {f["machine"]["cpu"]: "jax" in f["versions"] for f in kept_by_default() if f["kind"] == kind}
    return {cpu for cpu, jax in there.items() if not jax} if any(there.values()) else set()


def summary() -> str:
    """For each family its ratios over all machines, for the README."""
    cpus = machines()
    lines = [
        prose(f"""
            The best rival's time / ours, one thread: geometric means over the shapes of a family, minima of
            interleaved runs, float32, weights packed beforehand for everyone who can. More than 1: loopnest
            is faster. The lowest, the middle and the highest of {len(cpus)} CPUs: {"; ".join(cpus)}.
            Rivals: PyTorch, ONNX Runtime, OpenVINO, LiteRT; in training PyTorch, and for layers JAX, but
            not on the CPUs of figures marked with a star. Every CPU, commands, versions, GFLOP/s, medians,
            two threads and the worst shape of every family are in {ALL}.
        """),
        "",
        "| | lowest | middle | highest |",
        "|---|--:|--:|--:|",
    ]
    for kind, title in TITLES.items():
        lines.append(f"| **{title}** | | | |")
        alone = without_jax(kind)
        for family, found in ratios(kind).items():
            ends = [end(found, key=found.__getitem__) for end in (min, max)]
            low, high = (f"{found[cpu]:.2f}" + r"\*" * (cpu in alone) for cpu in ends)
            lines.append(f"| {family} | {low} | {median(found.values()):.2f} | {high} |")
    return "\n".join(lines)


def by_machine() -> list[str]:
    """For each family its ratio on every machine."""
    cpus = machines()
    lines = [
        "",
        "## Every CPU, one thread",
        "",
        "| | " + " | ".join(f"{cpu}<br>{peak}" for cpu, peak in cpus.items()) + " |",
        "|---|" + "--:|" * len(cpus),
    ]
    for kind, title in TITLES.items():
        lines.append(f"| **{title}** |" + " |" * len(cpus))
        for family, found in ratios(kind).items():
            cells = (f"{found[cpu]:.2f}" if cpu in found else "" for cpu in cpus)
            lines.append(f"| {family} | " + " | ".join(cells) + " |")
    return lines


def details(kept: dict) -> str:
    """bench/results/README.md: the ladders, every machine, and for each machine and bench one table."""
    lines = [
        "# All tables",
        "",
        "Written by `python bench/readme.py --write` from the files beside it. The best rival's time / ours:",
        "geometric means over the shapes of a family, minima of interleaved runs, float32, weights packed",
        "beforehand for everyone who can; in brackets by medians. More than 1: loopnest is faster.",
        *by_machine(),
        *full_table(kept),
    ]
    for facts in benches():
        versions = ", ".join(f"{n} {v}" for n, v in facts["versions"].items() if n != "loopnest")
        threads = f"{facts['threads']} thread" + "s" * (facts["threads"] > 1)
        lines += [
            "",
            f"## {TITLES[facts['kind']]}, {facts['machine']['cpu']}, {threads}",
            "",
            f"`{command(facts)}`; {versions}",
            "",
            "| family | shapes | ours GFLOP/s | best rival's | ratio | worst shape |",
            "|---|--:|--:|--:|--:|---|",
        ]
        for f in facts["families"]:
            if "ratio" not in f:
                lines.append(f"| {f['family']} | {f['shapes']} | | | not compared | |")
                continue
            kernel = f", kernel alone {f['ratio_kernel']:.2f}" if "ratio_kernel" in f else ""
            lines.append(
                f"| {f['family']} | {f['compared']} | {f['gflops']:.0f} | {f['rival_gflops']:.0f} | "
                f"{f['ratio']:.2f} ({f['ratio_median']:.2f}{kernel}) | "
                f"{f['worst_ratio']:.2f}: `{f['worst']}` ({f['worst_rival']}) |"
            )
    return "\n".join(lines) + "\n"


def between(readme: str, what: str, text: str) -> str:
    """The README with what stands between two marks replaced."""
    begin, end = f"<!-- {what}: written by bench/readme.py -->", f"<!-- end of {what} -->"
    marks = f"{re.escape(begin)}.*?{re.escape(end)}"
    return re.sub(marks, lambda _: f"{begin}\n{text}\n{end}", readme, flags=re.S)


def written(readme: str, kept: dict) -> str:
    """The README with its tables replaced."""
    return between(between(readme, "ladders", table(kept)), "rivals", summary())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--write", action="store_true", help="write the tables from the kept figures")
    if not parser.parse_args(arguments).write:
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(measure(), indent=1) + "\n", encoding="utf-8")
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    DETAILS.write_text(details(kept), encoding="utf-8")
    README.write_text(written(README.read_text(encoding="utf-8"), kept), encoding="utf-8")


if __name__ == "__main__":
    main()
