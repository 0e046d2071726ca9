"""The command line: what it prints, as text and as JSON, and how it refuses."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("typer", reason="the command line needs typer and rich: pip install 'loopnest[cli]'")
pytest.importorskip("rich", reason="the command line needs typer and rich: pip install 'loopnest[cli]'")

SMALL = ["n1 ic8 ih6 iw6 oc8 kh3 kw3 p1"]


def loopnest(*args: str, status: int = 0) -> str:
    command = [sys.executable, "-m", "loopnest", *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if status == 0 else done.stderr


def test_version():
    assert loopnest("--version").startswith("loopnest ")


def test_ladder_lists_rungs():
    assert "naive" in loopnest("ladder", "conv2d")
    facts = json.loads(loopnest("ladder", "--json"))
    assert facts["ladders"]["lstm"][0]["name"] == "naive"


def test_climb():
    args = ["climb", "conv2d", *SMALL, "--seconds", "0.001", "--isa", "scalar"]
    text = loopnest(*args)
    assert "0 naive" in text and "GFLOP/s" in text
    facts = json.loads(loopnest(*args, "--json"))
    assert facts["isa"] == "scalar" and facts["rungs"][0]["name"] == "naive"


def test_explain_and_source():
    assert "runs:" in loopnest("explain", "conv2d", *SMALL)
    assert json.loads(loopnest("explain", "conv2d", *SMALL, "--json"))["walk"]
    assert "conv2d_r0_naive" in loopnest("source", "conv2d", "naive")
    assert "conv2d_r0_naive" in json.loads(loopnest("source", "conv2d", "naive", "--json"))["source"]


def test_roofline(tmp_path):
    pytest.importorskip("matplotlib", reason="the chart needs matplotlib: pip install 'loopnest[plot]'")
    path = tmp_path / "roof.png"
    facts = json.loads(loopnest("roofline", "--json", "--out", str(path)))
    assert facts["peaks"] and path.read_bytes().startswith(b"\x89PNG")
    assert "png" in loopnest("roofline", "--out", "roof.doc", status=1)


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["climb", "conv9d"], "conv9d"),
        (["climb", "conv2d", "n1"], "missing"),
        (["climb", "conv2d", "--isa", "z80"], "z80"),
        (["source", "conv2d", "magic"], "magic"),
    ],
)
def test_wrong_wishes_are_refused_in_one_line(args, word):
    error = loopnest(*args, status=1)
    assert error.startswith("loopnest: ") and word in error and error.count("\n") == 1


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_a_missing_extra_is_named(package):
    code = f"import sys; sys.modules['{package}'] = None; from loopnest.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1 and "pip install 'loopnest[cli]'" in done.stderr


def test_the_command_line_costs_an_import_of_loopnest_nothing():
    code = "import sys, loopnest; print({'typer', 'rich', 'matplotlib', 'sklearn'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "set()"
