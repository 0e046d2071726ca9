"""The systems' models and the same in PyTorch: same weights in, same scores, loss and gradients out."""

import sys
from pathlib import Path

import pytest

import systems_data

pytest.importorskip("torch", reason="torch is not installed: no twins to compare with")
for needed in ("matplotlib", "sklearn", "scipy"):
    pytest.importorskip(needed)

pytestmark = pytest.mark.usefixtures("share_of_cores")
BENCH = Path(__file__).parent.parent / "bench" / "systems"
NAMES = [path.stem for path in BENCH.glob("[a-z]*.py") if path.stem != "twin"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    names = [name for name in systems_data.MAKERS if name != "airline_tweets_even.tsv.gz"]
    return systems_data.folder(tmp_path_factory.mktemp("twins"), names)


@pytest.fixture
def twin(monkeypatch):
    """The module `twin`; those of the systems are found beside it."""
    import importlib

    monkeypatch.syspath_prepend(str(BENCH))
    yield importlib.import_module("twin")
    for name in [*NAMES, "twin"]:
        sys.modules.pop(name, None)


def test_every_system_that_trains_a_model_of_its_own_has_a_twin():
    from loopnest import systems

    assert set(NAMES) == set(systems.SYSTEMS) - {"features"}  # features learns classify's LeNet-5


@pytest.mark.parametrize("name", sorted(NAMES))
def test_same_weights_in_same_results_out(twin, place, name):
    """In float64 for every batch, in float32 for one of three.

    A ReLU whose input is within rounding of zero, or two near elements of a pool, pass a gradient or not by
    chance (5 of 40 batches of outline); a wrong gradient is wrong for every batch.
    """
    import importlib
    from dataclasses import replace

    for one in importlib.import_module(name).twins(place, few=3):
        told = []
        for batch in one.batches[:3]:
            apart = twin.parity(replace(one, batches=[batch]))
            assert {d.dtype for d in apart} == {"float32", "float64"}
            assert len(apart) > 8, "scores, loss and gradients in two types"
            bad = [d for d in apart if not d.far <= d.allowed]
            assert all(d.dtype == "float32" for d in bad), "\n".join([one.name, *map(str, bad)])
            if not bad:
                break
            told += bad
        else:
            raise AssertionError("\n".join([one.name, *map(str, told)]))


def test_a_wrong_weight_is_noticed(twin, place):
    """The comparison can fail: one weight of ours is off by a thousandth."""
    import importlib
    from dataclasses import replace

    import loopnest

    one = importlib.import_module("classify").twins(place, few=3)[0]

    def wrong(model, batch):
        with loopnest.no_grad():
            model[0].weight.mul_(1.001)
        return one.our_loss(model, batch)

    assert any(d.far > d.allowed for d in twin.parity(replace(one, our_loss=wrong)))
