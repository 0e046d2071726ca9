"""Climbs the ladders, keeps the figures under bench/results/, and writes the README's tables from them.

    python bench/readme.py             # measure (half a minute, nothing else running), then write
    python bench/readme.py --write     # only write the tables again from the kept figures

tests/test_readme.py says when the README and the kept figures disagree.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "bench/results/readme.json"
README = ROOT / "README.md"


def measure() -> dict:
    from loopnest import ladder, machine

    facts = machine.describe()
    climbs = [ladder.climb(op, seconds=1.0) for op in ("conv2d", "lstm")]
    return {"cpu": facts["cpu"], "isas": facts["isas"], "climbs": climbs}


def percent(value: float) -> str:
    return f"{value:.0f} %" if value >= 10 else f"{value:.2g} %"


def table(kept: dict) -> str:
    """Both ladders as Markdown, with the command that made them."""
    lines = [
        f"Made by `python bench/readme.py` on an {kept['cpu']}: one thread, float32, weights packed",
        "beforehand, the best of many runs. The peak is that of multiply-adds in registers, in the same run;",
        "this CPU lowers its clock while a kernel loads what it multiplies, so the next column compares with",
        "multiply-adds right after the rung, at the clock that it left behind.",
    ]
    for climb in kept["climbs"]:
        lines += [
            "",
            f"**{climb['op']}**, {climb['title']} "
            f"(`{climb['shape']}`, {climb['isa']}, peak {climb['peak']:.0f} GFLOP/s)",
            "",
            "| rung | idea | ms | GFLOP/s | of peak | at its clock | error |",
            "|---|---|--:|--:|--:|--:|--:|",
        ]
        for rung in climb["rungs"]:
            lines.append(
                f"| {rung['name']} | {rung['idea']} | {rung['ms']:.3g} | {rung['gflops']:.3g} | "
                f"{percent(rung['percent'])} | {percent(rung['percent_at_clock'])} | {rung['error']:.0e} |"
            )
    return "\n".join(lines)


def written(readme: str, kept: dict) -> str:
    """The README with the table between its two marks replaced."""
    begin, end = "<!-- ladders: written by bench/readme.py -->", "<!-- end of ladders -->"
    return re.sub(
        f"{re.escape(begin)}.*?{re.escape(end)}",
        lambda _: f"{begin}\n{table(kept)}\n{end}",
        readme,
        flags=re.S,
    )


def main() -> None:
    if "--write" not in sys.argv[1:]:
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(measure(), indent=1) + "\n", encoding="utf-8")
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    README.write_text(written(README.read_text(encoding="utf-8"), kept), encoding="utf-8")


if __name__ == "__main__":
    main()
