"""The ladders' own API: list, climb, explain, source."""

from __future__ import annotations

import re

import numpy as np
import pytest

from loopnest import _core, ladder, ops
from loopnest.laboratory import EXAMPLES

SMALL = {  # by the name of the shape
    "conv1d": "n1 ic4 il9 oc6 kl3 p2 q0",
    "conv3d": "n1 ic4 id3 ih4 iw4 oc6 kd3 kh3 kw3 p1",
    "conv2d": "n1 ic8 ih6 iw6 oc8 kh3 kw3 p1",
    "lstm": "t3 n2 i4 h8",
    "gru": "t3 n2 i4 h8",
    "rnn": "t3 n2 i4 h8",
    "pool2d": "n1 c4 ih6 iw6 kh2 kw2",
    "gemm": "m4 n8 k8",
    "element by element": "n37",
    "along an axis": "o3 d5 i2",
    "norm": "n2 s6 c8 g8 batch1",
    "cross_entropy": "n3 c7 s2",
    "embedding": "v9 d5 m11",
    "lstm_cell": "m3 h5",
    "resample": "n1 c3 ih3 iw4 oh6 ow8",
}


def small(op: str) -> str:
    return SMALL[EXAMPLES[op].kind.op]


def test_every_operator_has_an_example():
    assert set(ladder.operators()) <= set(EXAMPLES)
    for op, example in EXAMPLES.items():
        assert str(ladder.parse(op, None)) == example.text and example.title, op


def test_every_operator_has_a_ladder_from_naive_up():
    for op in ladder.operators():
        rungs = ladder.ladder(op)
        assert rungs[0].name == "naive"
        assert [rung.step for rung in rungs] == sorted({rung.step for rung in rungs})
        assert all(rung.idea and set(rung.isas) <= set(_core.isas()) for rung in rungs)


@pytest.mark.parametrize("op", sorted({*ladder.operators(), "linear"}))
def test_climb_measures_every_rung_that_can(op):
    seen = []
    facts = ladder.climb(op, small(op), seconds=0.001, after=lambda _, rung: seen.append(rung["name"]))
    names = [rung.name for rung in ladder.ladder(op)]
    assert sorted(seen + [one["name"] for one in facts["skipped"]]) == sorted(names)
    assert facts["bytes"] > 0 and facts["peak"] > 0 and facts["reference"]["ms"] > 0
    for rung in facts["rungs"]:
        assert rung["ms"] > 0 and rung["runs"] >= 1 and 0 <= rung["error"] < 1e-4, rung
        assert rung["percent"] == pytest.approx(100 * rung["gflops"] / facts["peak"])
        assert (rung["percent_at_clock"] > 0) == (facts["flops"] > 0)  # a look-up multiplies nothing


def test_climb_counts_float32_bytes():
    facts = ladder.climb("gemm", "m4 n8 k8", seconds=0.001)
    assert facts["flops"] == 2 * 4 * 8 * 8
    assert facts["bytes"] == 4 * (4 * 8 + 8 * 8 + 4 * 8)


def test_rows_that_are_sets_have_a_rung_of_their_own():
    facts = ladder.climb("norm", "n4 s1 c16", seconds=0.001)  # layer norm
    assert "rows" in {rung["name"] for rung in facts["rungs"]}


@pytest.mark.parametrize("op", ["resample", "norm_backward", "adam_step"])
def test_these_climb_in_float64_too(op):
    facts = ladder.climb(op, small(op), dtype="float64", seconds=0.001)
    assert facts["rungs"] and all(rung["error"] < 1e-12 for rung in facts["rungs"])


def test_climb_in_float64_is_exact_to_its_digits():
    facts = ladder.climb("conv2d", SMALL["conv2d"], dtype="float64", seconds=0.001)
    assert facts["rungs"] and all(rung["error"] < 1e-13 for rung in facts["rungs"])


def test_an_error_that_is_not_a_number_is_infinite():
    assert ladder._error(np.array([1.0, np.nan]), np.array([1.0, 1.0])) == float("inf")
    assert ladder._error((np.zeros(2), np.ones(2)), (np.zeros(2), np.full(2, 2.0))) == 0.5


def test_explain_walks_to_the_rung_that_runs():
    facts = ladder.explain("conv2d", SMALL["conv2d"])
    *passed, last = facts["walk"]
    assert (last["isa"], last["rung"], last["reason"]) == (facts["isa"], facts["rung"], None)
    assert all(step["reason"] for step in passed)
    assert ladder.explain("conv2d", SMALL["conv2d"], rung="naive", isa="scalar")["rung"] == "naive"


@pytest.mark.parametrize("op", ladder.operators())
def test_every_rung_has_a_source(op):
    for rung in ladder.ladder(op):
        text = ladder.source(op, rung.name)
        assert f"{op}_r{rung.step}_{rung.name}" in text
    if hasattr(ops, op):
        assert re.search(rf"^(def {op}\(|.*\b{op}\b.* = )", ladder.source(op, "numpy"), re.M)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: ladder.ladder("conv9d"), "conv9d"),
        (lambda: ladder.climb("conv9d"), "conv9d"),
        (lambda: ladder.climb("conv2d", "n1 ic8"), "missing"),
        (lambda: ladder.climb("norm", "n2 s6 c8 g3"), "g to divide c=8"),
        (lambda: ladder.climb("softmax", "o2 d5"), "missing i"),
        (lambda: ladder.climb("conv2d", isa="z80"), "z80"),
        (lambda: ladder.climb("conv2d", dtype="float16"), "float16"),
        (lambda: ladder.climb("conv2d", threads=0), "threads"),
        (lambda: ladder.source("conv2d", "magic"), "magic"),
        (lambda: ladder.explain("conv2d", SMALL["conv2d"], rung="magic"), "magic"),
    ],
)
def test_wrong_wishes_are_refused_in_words(call, word):
    with pytest.raises(ValueError, match=word):
        call()
