"""The README's tables are what bench/results holds, and its example runs."""

import contextlib
import io
import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))

import readme  # noqa: E402


def test_tables_are_the_kept_figures():
    text = readme.README.read_text(encoding="utf-8")
    kept = json.loads(readme.KEPT.read_text(encoding="utf-8"))
    assert readme.table(kept) in text, "run: python bench/readme.py --write"
    assert readme.summary() in text, "run: python bench/readme.py --write"
    assert readme.DETAILS.read_text(encoding="utf-8") == readme.details(kept), (
        "run: python bench/readme.py --write"
    )
    assert readme.written(text, kept) == text


@pytest.mark.parametrize("arguments", [["--writ"], ["--only", "conv2d"], ["conv2d"]])
def test_an_unknown_option_measures_nothing(arguments, monkeypatch):
    monkeypatch.setattr(readme, "measure", lambda: pytest.fail("it measured"))
    with pytest.raises(SystemExit) as stopped:
        readme.main(arguments)
    assert stopped.value.code == 2


def test_kept_figures_know_every_rung():
    """A rung that was added must be measured before its ladder is shown."""
    from loopnest import ladder

    kept = json.loads(readme.KEPT.read_text(encoding="utf-8"))
    for climb in kept["climbs"]:
        shown = {rung["name"] for rung in climb["rungs"]} | {rung["name"] for rung in climb["skipped"]}
        assert shown == {rung.name for rung in ladder.ladder(climb["op"])}, "run: python bench/readme.py"


def test_python_examples_run():
    text = readme.README.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert blocks
    with contextlib.redirect_stdout(io.StringIO()) as out:
        for block in blocks:
            exec(compile(block, "README.md", "exec"), {})
    assert out.getvalue()
