"""What is said of the machine, and that its measurements measure."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from loopnest import machine


def test_caches_are_read_from_sysfs(tmp_path):
    rows = [
        ("1", "Data", "48K", "0"),
        ("1", "Instruction", "32K", "0"),
        ("3", "Unified", "32M", "0-3,8,10-11"),
    ]
    for k, row in enumerate(rows):
        (tmp_path / f"index{k}").mkdir()
        for name, value in zip(("level", "type", "size", "shared_cpu_list"), row, strict=True):
            (tmp_path / f"index{k}" / name).write_text(value + "\n")
    assert machine.caches(tmp_path) == [
        {"level": 1, "bytes": 48 << 10, "shared_by": 1},
        {"level": 3, "bytes": 32 << 20, "shared_by": 7},
    ]
    assert machine.caches(tmp_path / "nowhere") == []


def test_levels_lie_inside_their_caches():
    known = [
        {"level": k, "bytes": size, "shared_by": 1}
        for k, size in ((1, 32 << 10), (2, 1 << 20), (3, 32 << 20))
    ]
    sizes = dict(machine.levels(known, available=64 << 30))
    assert (
        sizes["L1"] < 32 << 10 < sizes["L2"] < 1 << 20 < sizes["L3"] < 32 << 20 < sizes["memory"] <= 1 << 30
    )
    assert dict(machine.levels(known, available=1 << 29))["memory"] <= 1 << 27
    assert [name for name, _ in machine.levels([])] == ["L1", "L2", "memory"]


def test_rate_finds_the_rate(monkeypatch):
    """By a clock of its own, on a machine that now and then has other things to do."""
    now, runs = 0.0, 0

    def work(rounds):
        nonlocal now, runs
        runs += 1
        now += 1e-5 * rounds * (6 if runs % 3 == 0 else 1)
        return 10.0 * rounds

    monkeypatch.setattr(machine, "time", SimpleNamespace(perf_counter=lambda: now))
    assert machine.rate(work, 0.02) == pytest.approx(1e6)
    assert now > 0.02


@pytest.mark.parametrize("isa", machine.isas())
def test_peak_is_plausible(isa):
    lanes = {"scalar": 1, "sse": 4, "neon": 4, "avx2": 8, "avx512": 16}[isa]
    # At least a tenth of one multiply-add instruction per nanosecond, at most six units at 6 GHz.
    assert 0.2 * lanes < machine.peak(isa, seconds=0.02) < 72 * lanes


def test_two_threads_do_no_more_than_twice_the_work_of_one():
    isa = machine.isas()[-1]
    assert machine.peak(isa, 2, seconds=0.05) < 2.5 * machine.peak(isa, seconds=0.2)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["model name : AMD EPYC", "cpu family : 25", "model : 17"], "AMD EPYC, family 25 model 17"),
        (
            ["model name\t: Intel(R)  Core(TM) i7-8700", "cpu family\t: 6", "model\t: 158"],
            "Intel(R) Core(TM) i7-8700",
        ),
        (
            ["model name : Intel(R) Xeon(R) Processor @ 2.80GHz", "cpu family : 6", "model : 106"],
            "Intel(R) Xeon(R) Processor @ 2.80GHz, family 6 model 106",
        ),
        (["Hardware : Some Board"], "Some Board"),
    ],
)
def test_cpu_name_tells_models_apart(monkeypatch, lines, expected):
    """Family and model stand behind a name that hides them."""
    monkeypatch.setattr(machine.Path, "read_text", lambda *args, **kwargs: "\n".join(lines) + "\n")
    assert machine.cpu_name() == expected


def test_measure_says_what_it_promises():
    seen = []
    facts = machine.measure(0.01, each=lambda *args: seen.append(args[:2]))
    assert [p["isa"] for p in facts["peaks"]] == facts["isas"] == machine.isas()
    assert facts["bandwidths"][-1]["level"] == "memory"
    assert all(b["gbs"] > 0 for b in facts["bandwidths"])
    assert len(seen) == len(facts["peaks"]) + 1 + len(facts["bandwidths"])
    assert facts["cpu"] and facts["threads"] >= 1
