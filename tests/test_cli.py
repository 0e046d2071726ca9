"""The command line: what it prints, as text and as JSON, and how it refuses."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("typer", reason="the command line needs typer and rich: pip install 'loopnest[cli]'")
pytest.importorskip("rich", reason="the command line needs typer and rich: pip install 'loopnest[cli]'")

from loopnest.cli import main

SMALL = ["n1 ic8 ih6 iw6 oc8 kh3 kw3 p1"]


def loopnest(*args: str, status: int = 0) -> str:
    """What a process of the command prints; in case of an error on stderr."""
    command = [sys.executable, "-m", "loopnest", *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if status == 0 else done.stderr


@pytest.fixture
def here(monkeypatch, capsys):
    """The same within this process, which saves a second; every command has one of its own at least once."""

    def call(*args: str, status: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["loopnest", *args])
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        assert (left.value.code or 0) == status, told
        return told.out if status == 0 else told.err

    return call


def test_version():
    assert loopnest("--version").startswith("loopnest ")


def test_ladder_lists_rungs(here):
    assert "naive" in loopnest("ladder", "conv2d")
    facts = json.loads(here("ladder", "--json"))
    assert facts["ladders"]["lstm"][0]["name"] == "naive"


def test_climb(here):
    args = ["climb", "conv2d", *SMALL, "--seconds", "0.001", "--isa", "scalar"]
    text = loopnest(*args)
    assert "0 naive" in text and "GFLOP/s" in text
    facts = json.loads(here(*args, "--json"))
    assert facts["isa"] == "scalar" and facts["rungs"][0]["name"] == "naive"


def test_explain_and_source(here):
    assert "runs:" in loopnest("explain", "conv2d", *SMALL)
    assert json.loads(here("explain", "conv2d", *SMALL, "--json"))["walk"]
    assert "conv2d_r0_naive" in loopnest("source", "conv2d", "naive")
    assert "conv2d_r0_naive" in json.loads(here("source", "conv2d", "naive", "--json"))["source"]


def test_roofline(tmp_path, here):
    pytest.importorskip("matplotlib", reason="the chart needs matplotlib: pip install 'loopnest[plot]'")
    path = tmp_path / "roof.png"
    facts = json.loads(loopnest("roofline", "--json", "--out", str(path)))
    assert facts["peaks"] and path.read_bytes().startswith(b"\x89PNG")
    assert "png" in here("roofline", "--out", "roof.doc", status=1)


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["climb", "conv9d"], "conv9d"),
        (["climb", "conv2d", "n1"], "missing"),
        (["climb", "conv2d", "--isa", "z80"], "z80"),
        (["source", "conv2d", "magic"], "magic"),
        (["bench", "net", "--batch", "1,x"], "--batch: expected whole numbers above 0"),
        (["claims", ""], "there is no ''"),
        (["run", "scan", "--image", "x"], "takes no input of your own, got --image"),
        (["run", "classify", "--image", "."], "--image: expected a file, got the folder ."),
    ],
)
def test_wrong_wishes_are_refused_in_one_line(here, args, word):
    error = here(*args, status=1)
    assert error.startswith("loopnest: ") and word in error and error.count("\n") == 1


def test_a_wrong_wish_ends_the_process():
    error = loopnest("claims", "C99", status=1)
    assert error.startswith("loopnest: ") and "there is no C99" in error and error.count("\n") == 1


def test_data_that_is_not_there_is_no_folder_of_that_name(tmp_path, here):
    args = ["run", "generate", "--data", "nosuch.txt", "--save", str(tmp_path)]
    assert "there is no file or folder nosuch.txt" in here(*args, status=1)


def test_wrong_usage_and_help(here):
    assert "greater than or equal to 0" in here("climb", "conv2d", "--seconds", "-1", status=2)
    for command in ("run", "climb", "ladder"):
        assert "[[" not in here(command, "--help")
    assert here("explain", "conv2d", *SMALL, "--threads", "1").rstrip().endswith(" 1 thread")


LONG = """
from loopnest.systems.frame import Result, Row

def run(options):
    names = [f"a long heading {k}" for k in range(8)]
    rows = [Row("the same on frames in another order", {name: 0.5 for name in names})]
    return Result("mine", "Mine", "", rows, {name: (name, ".3f") for name in names}, "So it is.")
"""


def test_a_table_in_a_pipe_is_whole(tmp_path):
    (tmp_path / "mine.py").write_text(LONG)
    lines = loopnest("run", str(tmp_path / "mine.py"), "--save", str(tmp_path / "out")).splitlines()
    assert [line for line in lines if all(f"a long heading {k}" in line for k in range(8))]
    assert [line for line in lines if line.count("0.500") == 8 and "frames in another order " in line]


@pytest.mark.parametrize(
    ("work", "status", "said"),
    [
        ("raise KeyboardInterrupt", 130, "broken off; there is no checkpoint yet"),
        (
            "(options.folder / 'net.checkpoint').touch()\n    raise KeyboardInterrupt",
            130,
            "broken off; the same command with --resume goes on",
        ),
        ("raise MemoryError", 1, "not enough memory"),
    ],
)
def test_what_ends_a_run_is_told(tmp_path, here, work, status, said):
    (tmp_path / "mine.py").write_text(f"def run(options):\n    {work}\n")
    args = ["run", str(tmp_path / "mine.py"), "--save", str(tmp_path / "out")]
    error = here(*args, status=status)
    assert error.startswith("loopnest: ") and said in error and error.count("\n") == 1


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
