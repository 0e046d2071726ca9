"""Every claim runs, its verdict comes from its numbers alone, and numbers that are worse turn it."""

from __future__ import annotations

import html
import json
import math
import re
import subprocess
import sys
from itertools import islice

import numpy as np
import pytest

from loopnest.data import DataMissing
from loopnest.systems import Options, claims
from loopnest.systems.claims import Lab
from loopnest.systems.claims.evidence import HOLDS, NOT, PART, Check, Finding, half_interval, verdict

for needed in ("sklearn", "matplotlib", "safetensors", "PIL"):
    pytest.importorskip(needed)

# The tests share runs: in one process, when tests run in several.
pytestmark = [pytest.mark.xdist_group("claims"), pytest.mark.usefixtures("share_of_cores")]


class Fewer:
    """One batch of six."""

    def __init__(self, batches) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return -(-len(self.batches) // 6)

    def __iter__(self):
        return islice(self.batches, len(self))


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    """Each claim's quick run with one seed, once for all tests; with a sixth of its steps, since no test asks
    what was learned (test_command_line runs one in full)."""
    held, place, fit = {}, tmp_path_factory.mktemp("claims"), Lab.fit

    def get(name: str) -> tuple[Finding, object]:
        if name not in held:
            options = Options(quick=True, save=place / name)
            with pytest.MonkeyPatch.context() as patch:
                few = lambda model, batches, *how, **more: fit(model, Fewer(batches), *how, **more)  # noqa: E731
                patch.setattr(Lab, "fit", staticmethod(few))
                held[name] = claims.run([name], options, seeds=1)[0], options.folder
        return held[name]

    return get


@pytest.mark.parametrize("name", claims.CLAIMS)
def test_quick_run(findings, name):
    finding, folder = findings(name)
    assert finding.statement == claims.CLAIMS[name][1]
    assert any(check.control for check in finding.checks) and not all(
        check.control for check in finding.checks
    )
    assert all(math.isfinite(value) for check in finding.checks for value in check.values)
    assert finding.verdict in (HOLDS, PART, NOT)
    page = (folder / "claims.html").read_text()
    assert not re.search(r'(src|href)="(?!data:|#)', page), "the page must need nothing from outside"
    assert html.escape(finding.statement) in page and finding.verdict in page and "<p>1 statement on" in page
    told = (folder / "claims.md").read_text()
    for picture in finding.pictures:
        assert (folder / f"{picture.name}.png").stat().st_size > 1000
        assert f"]({picture.name}.png)" in told
    facts = json.loads((folder / "claims.json").read_text())["claims"][0]
    assert facts["claim"] == name and facts["verdict"] == finding.verdict


@pytest.mark.parametrize("name", claims.CLAIMS)
def test_a_broken_experiment_turns_the_verdict(findings, name):
    """The claim's own checks on the wrong side of their bounds, or one control: it does not hold."""
    checks = findings(name)[0].checks

    def put(check: Check, right: bool) -> Check:
        sign = 1 if (check.side == "above") == right else -1
        far = sign * (abs(check.bound) + 1)
        return Check(check.what, [check.bound + far] * 3, check.bound, check.side, check.control)

    assert verdict([put(check, True) for check in checks]) == HOLDS
    assert verdict([put(check, check.control) for check in checks]) == NOT
    for broken in checks:
        turned = verdict([put(check, check is not broken) for check in checks])
        own = sum(not check.control for check in checks)
        assert turned == (NOT if broken.control or own == 1 else PART), broken.what


def one(values, bound=0.5, side="above", control=False):
    return Check("made up", values, bound, side, control)


@pytest.mark.parametrize(
    ("values", "side", "outcome"),
    [
        ([0.8, 0.81, 0.79], "above", "passes"),
        ([0.8, 0.81, 0.79], "below", "fails"),
        ([0.9, 0.5, 0.2], "above", "open"),
        ([0.9, 0.5, 0.2], "below", "open"),
        ([0.1, 0.12, 0.11], "above", "fails"),
        ([0.1, 0.12, 0.11], "below", "passes"),
        ([0.6], "above", "passes"),
        ([0.5], "above", "fails"),
        ([0.9, math.nan, 0.9], "above", "fails"),
        ([0.1, math.inf], "below", "fails"),
    ],
)
def test_an_interval_decides(values, side, outcome):
    assert one(values, side=side).outcome == outcome


def test_verdicts_can_come_out_every_way():
    yes, no, maybe = [0.8, 0.81, 0.79], [0.1, 0.12, 0.11], [0.9, 0.5, 0.2]
    quiet, loud = one(no, side="below", control=True), one(yes, side="below", control=True)
    unsure = one(maybe, side="below", control=True)
    assert verdict([one(yes), quiet]) == HOLDS
    assert verdict([one(yes), one(no), quiet]) == PART
    assert verdict([one(yes), one(maybe), quiet]) == PART
    assert verdict([one(yes), unsure]) == PART
    assert verdict([one(no), quiet]) == NOT
    assert verdict([one(maybe), quiet]) == NOT
    assert verdict([one(yes), loud]) == NOT, "a control that shows the same takes the claim's ground away"


def test_a_verdict_needs_a_control():
    with pytest.raises(ValueError, match="control"):
        verdict([one([1.0])])
    with pytest.raises(ValueError, match="at least one value"):
        one([])
    with pytest.raises(ValueError, match="side"):
        one([1.0], side="beside")


def test_the_interval_is_students():
    # four values with deviation 1.290994 around 2.5; t(0.975, 3) = 3.182446
    assert half_interval([1, 2, 3, 4]) == pytest.approx(3.182446 * 1.290994 / 2, rel=1e-6)


def test_names():
    assert claims.chosen(["c14", "3", "C3"]) == ["C3", "C14"] if "C14" in claims.CLAIMS else True
    assert claims.chosen([]) == list(claims.CLAIMS)
    with pytest.raises(ValueError, match="there is no C99"):
        claims.run(["C99"])
    with pytest.raises(ValueError, match="at least 1 seed"):
        claims.run(["C1"], seeds=0)


def test_only_a_quick_run_makes_data_up(tmp_path):
    (tmp_path / "empty").mkdir()
    lab = Lab(Options(data=tmp_path / "empty", quick=True), [0])
    assert len(lab.names()) > 100 and lab.standins == ["first names"]
    with pytest.raises(DataMissing):
        Lab(Options(data=tmp_path / "empty"), [0]).names()


def test_command_line(tmp_path):
    pytest.importorskip("typer", reason="the command line needs typer and rich: pip install 'loopnest[cli]'")
    command = [sys.executable, "-m", "loopnest", "claims", "C8", "--quick", "--seeds", "1"]
    done = subprocess.run(
        [*command, "--save", str(tmp_path), "--json"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["claims"][0]["claim"] == "C8" and facts["command"] == "loopnest claims C8 --quick --seeds 1"
    assert (tmp_path / "claims.html").is_file()


def test_an_output_depends_on_its_window_or_on_all_before_it():
    """C18 counts dependences that are not exactly 0: none outside of the window, none on what comes after."""
    from loopnest.systems.claims.c18_sharing import STEPS, WINDOW, maps

    conv, rnn = maps(0)
    distance = np.abs(np.subtract.outer(np.arange(STEPS), np.arange(STEPS)))
    assert ((conv > 0) == (distance <= WINDOW // 2)).all()
    assert ((rnn > 0) == (np.tril(np.ones((STEPS, STEPS))) > 0)).all()
