"""The main job: what it promises is kept, and what it writes is whole."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the digits come with scikit-learn: pip install 'loopnest[data]'")
pytest.importorskip("matplotlib", reason="the report's charts need matplotlib: pip install 'loopnest[plot]'")

from loopnest.data import digits
from loopnest.tour import Watch, tour, training

pytestmark = pytest.mark.usefixtures("share_of_cores")


def test_a_network_learns_and_says_what_it_got_wrong():
    recipe = training.LSTM  # the other is trained by test_the_command_prints_the_same_facts
    model, facts = training.train(recipe, digits(), seed=1)
    assert facts["accuracy"] >= recipe.target
    assert facts["accuracy"] == pytest.approx(1 - len(facts["wrong"]) / facts["test_size"])
    assert facts["epochs"][-1]["loss"] < facts["epochs"][0]["loss"] / 10
    assert facts["parameters"] == sum(p.numel() for p in model.parameters())


def test_a_seed_gives_the_same_training_again():
    few = type(digits())(*(part[:160] for part in digits()))
    first, again, other = (training.train(training.LSTM, few, seed, epochs=2)[1] for seed in (3, 3, 4))
    assert [e["loss"] for e in first["epochs"]] == [e["loss"] for e in again["epochs"]]
    assert first["epochs"][0]["loss"] != other["epochs"][0]["loss"]


def test_moving_images_moves_them():
    images = np.arange(1.0, 10.0, dtype=np.float32).reshape(1, 3, 3)
    seen = {training.moved(images, 1, np.random.default_rng(seed)).tobytes() for seed in range(100)}
    expected = set()
    padded = np.pad(images[0], 1)
    for down in range(3):
        for right in range(3):
            expected.add(padded[down : down + 3, right : right + 3].tobytes())
    assert seen == expected


class Counter(Watch):
    def __init__(self):
        self.seen = []

    def rung_ends(self, climb, rung):
        self.seen.append(rung["name"])

    def epoch(self, training, epoch):
        self.seen.append("epoch")


def test_the_whole_tour_in_short(tmp_path):
    counter = Counter()
    facts = tour(tmp_path / "new" / "folder", seconds=0.001, epochs=1, watch=counter)
    assert counter.seen.count("epoch") == 2 and counter.seen.count("naive") == 2
    page = (tmp_path / "new" / "folder" / "report.html").read_text(encoding="utf-8")
    assert facts["report"].endswith("report.html") and page.endswith("</html>\n")
    assert [climb["op"] for climb in facts["climbs"]] == ["conv2d", "lstm"]
    assert all(rung["error"] < 1e-4 for climb in facts["climbs"] for rung in climb["rungs"])
    assert np.shape(facts["digit"]["hidden"]) == (8, 64)
    assert np.allclose(np.sum(facts["digit"]["guesses"], axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("package", ["sklearn", "matplotlib"])
def test_a_missing_extra_is_named_before_anything_is_measured(package, tmp_path):
    code = "import sys; sys.modules[sys.argv[1]] = None; from loopnest.tour import tour; tour(sys.argv[2])"
    done = subprocess.run(
        [sys.executable, "-c", code, package, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    extra = {"sklearn": "data", "matplotlib": "plot"}[package]
    assert f"pip install 'loopnest[{extra}]'" in done.stderr and not list(tmp_path.iterdir())


def test_the_command_prints_the_same_facts(tmp_path):
    pytest.importorskip("typer", reason="the command line needs typer and rich: pip install 'loopnest[cli]'")
    pytest.importorskip("rich", reason="the command line needs typer and rich: pip install 'loopnest[cli]'")
    command = [sys.executable, "-m", "loopnest", "tour", "--out", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert {"machine", "climbs", "trainings", "digit", "report"} <= facts.keys()
    assert all(one["accuracy"] >= one["target"] for one in facts["trainings"])
    assert len(facts["trainings"][0]["epochs"]) == facts["trainings"][0]["planned_epochs"]
    assert (tmp_path / "report.html").is_file()
