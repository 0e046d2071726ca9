"""How the bench looks in a terminal."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from loopnest.cli.show import console
from loopnest.viz.report import error_text


def duration(seconds: float) -> str:
    """Three digits and a unit: 3.21 us, 12.3 ms."""
    for unit, scale in (("us", 1e-6), ("ms", 1e-3)):
        if seconds < 999.5 * scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds:.3g} s"


def lines(rows: list[list[str]], left: int, styles: list[str | None]) -> None:
    """Aligned columns, never wrapped: the first `left` to the left, the others to the right; a head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row, style in zip(rows, ["dim", *styles], strict=True):
        cells = [
            f"{c:<{w}}" if i < left else f"{c:>{w}}" for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        console.print(Text("  " + "  ".join(cells).rstrip(), style=style or ""), soft_wrap=True)


def row(row: dict[str, Any]) -> None:
    """One shape: the candidates, fastest first."""
    ratio = f"{row['ratio']:.2f}x the best rival" if "ratio" in row else "not compared"
    console.print(Text(f"{row['shape']}   {row['family']}: {ratio}", style="bold"), soft_wrap=True)
    table = [["", "", "best", "median", "p99", "GFLOP/s", f"% of {row['bound']}", "% at its clock", "error"]]
    shown = sorted(row["candidates"], key=lambda c: c["best"])
    table += [
        [
            c["who"],
            c["setting"],
            *(duration(c[name]) for name in ("best", "median", "p99")),
            f"{c['gflops']:.1f}",
            f"{c['percent']:.0f}",
            f"{c['percent_at_clock']:.0f}",
            "" if c["error"] is None else error_text(c["error"]),
        ]
        for c in shown
    ]
    lines(table, 2, ["green" if c["who"] == "loopnest" else None for c in shown])
    for who, reason in row["cannot"].items():
        said(f"  {who}: {reason}")


def families(facts: dict[str, Any]) -> None:
    """The table of families."""
    console.print()
    table = [
        ["family", "shapes", "ratio", "kernel", "medians", "GFLOP/s", "rivals'", "% of roof", "worst", ""]
    ]
    for line in facts["families"]:
        start = [line["family"], f"{line['compared']}/{line['shapes']}"]
        if "ratio" not in line:
            table.append([*start, "not compared", *[""] * 7])
            continue
        kernel = f"{line['ratio_kernel']:.2f}" if "ratio_kernel" in line else ""
        table.append(
            [
                *start,
                f"{line['ratio']:.2f}",
                kernel,
                f"{line['ratio_median']:.2f}",
                *(f"{line[name]:.0f}" for name in ("gflops", "rival_gflops", "percent")),
                f"{line['worst_ratio']:.2f}",
                f"{line['worst']} ({line['worst_rival']})",
            ]
        )
    lines(table, 1, [None] * (len(table) - 1))
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    threads = f"{facts['threads']} thread" + "s" * (facts["threads"] > 1)
    said(f"{facts['machine']['cpu']}, {threads}, peak {facts['peak']:.0f} GFLOP/s; {versions}")
    for name, why in facts["missing"].items():
        said(f"missing: {name}: {why}")


def said(text: str) -> None:
    """A remark."""
    console.print(Text(text, style="dim"), soft_wrap=True)
