"""The test of the test: a rung that does wrong is found. A right rung gets the struct of another problem."""

import os
import signal

import numpy as np
import pytest

from cases import problem
from harness import GuardedBlock, Rung, Setting, all_rungs, fork, place, run_team
from test_rungs import check

SHAPE = "m7 n17 k3"


def naive() -> Rung:
    return next(r for r in all_rungs() if (r.op, r.name, r.dtype) == ("gemm", "naive", "float32"))


def setting(layout: str = "dense", optional: bool = True, **how) -> Setting:
    return Setting(naive(), problem("gemm", SHAPE, "float32", False, optional), layout, **how)


def test_a_right_rung_passes():
    s = setting()
    check(s.problem, s.run(), "")


def test_a_missing_product_is_found():
    s = setting()
    s.args.k -= 1
    with pytest.raises(AssertionError, match=r"c\[0, 0\] is"):
        check(s.problem, s.run(), "")


def test_a_missing_element_is_found():
    """It keeps its poison, NaN."""
    s = setting()
    s.args.n -= 1
    with pytest.raises(AssertionError, match=r"c\[0, 16\] is .*nan"):
        check(s.problem, s.run(), "")


def test_a_use_of_what_lies_outside_is_found():
    s = setting()
    s.args.a -= 4
    with pytest.raises(AssertionError, match=r"is .*nan"):
        check(s.problem, s.run(), "")


def test_a_write_outside_is_found():
    s = setting()
    s.args.m += 1
    with pytest.raises(AssertionError, match="c: written outside"):
        s.run()


def test_a_write_between_elements_is_found():
    for seed in range(20):
        s = setting("scrambled", seed=seed)
        if abs(s.args.c_n) == 2:
            s.args.c_n //= 2
            break
    with pytest.raises(AssertionError, match="c: written between"):
        s.run()


def test_a_changed_input_is_found():
    s = setting()
    s.args.c, s.args.c_m = s.args.b, 0
    with pytest.raises(AssertionError, match="input b was changed"):
        s.run()


@pytest.mark.parametrize("at_end", [True, False])
def test_a_touch_of_the_guard_page_is_found(at_end):
    def child(say) -> None:
        s = setting(guard=at_end)
        s.args.a += 4 if at_end else -4
        say("reading")
        s.run()

    status, said = fork(child)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGSEGV
    assert said == "reading"


def test_a_missed_barrier_is_found():
    with pytest.raises(AssertionError, match="barriers"):
        run_team(2, lambda team: team.barrier(None) if team.rank else None, patience=0.2)


@pytest.mark.parametrize("layout", ["dense", "c-order", "gaps", "scrambled"])
def test_places_hold_what_is_put(layout):
    rng, value = np.random.default_rng(1), np.arange(24.0).reshape(2, 3, 4)
    for free in ([0, 1, 2], [0, 1], [0], []):
        placed = place((2, 3, 4), value.dtype, free, (2, 0, 1), layout, rng)
        placed.view[...] = value
        assert (placed.view == value).all()
        placed.block.check("value")
        dense = [axis for axis in range(3) if axis not in free]
        steps = [int(np.prod([value.shape[later] for later in dense if later > axis])) for axis in dense]
        assert [placed.strides[axis] for axis in dense] == steps


def test_guarded_memory_ends_at_the_guard():
    block = GuardedBlock(10, at_end=True)
    assert (block.address + 10) % 4096 == 0
