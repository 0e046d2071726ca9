"""The test of the test: a rung that does wrong is found. A right rung gets the struct of another problem."""

import ctypes
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import test_rungs
from cases import problem
from harness import CRung, GuardedBlock, Rung, Setting, Team, all_rungs, fork, place, run_team, structs
from test_rungs import check, try_shape

SHAPE = "m7 n17 k3"


def naive() -> Rung:
    return next(r for r in all_rungs() if (r.op, r.name, r.dtype) == ("gemm", "naive", "float32"))


def setting(layout: str = "dense", optional: bool = True, **how) -> Setting:
    return Setting(naive(), problem("gemm", SHAPE, "float32", False, optional), layout, **how)


def spoiled(rung: Rung, fault: Callable) -> Rung:
    """A right rung after whose run `fault` gets the operator's struct and the number of threads."""

    def run(args: int, team) -> None:
        rung.c.run(args, team)
        if team.contents.rank == 0:
            fault(structs()[rung.op].from_address(args), team.contents.size)

    members = {name: getattr(rung.c, name) for name, _ in CRung._fields_}
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(Team))
    return replace(rung, c=SimpleNamespace(**members | {"run": kind(run)}))


def floats(address: int):
    return ctypes.cast(address, ctypes.POINTER(ctypes.c_float))


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


def test_memory_is_handed_on_unless_a_run_spoiled_it():
    with setting() as first:
        first.run()
    with pytest.raises(AssertionError), setting() as second:
        assert second.placed is first.placed
        second.args.c, second.args.c_m = second.args.b, 0
        second.run()
    with setting() as third:
        assert third.placed is not first.placed
        check(third.problem, third.run(), "")


@pytest.mark.parametrize("threads", [2, 3])
def test_other_bits_of_a_team_are_found(threads):
    def fault(args, size: int) -> None:
        if size == threads:
            floats(args.c)[0] *= 1 + 2**-23

    try_shape(naive(), SHAPE)
    with pytest.raises(AssertionError, match=f"random numbers, {threads} threads: c differs"):
        try_shape(spoiled(naive(), fault), SHAPE)


def test_a_look_at_the_neighbours_is_found():
    conv2d = next(r for r in all_rungs() if (r.op, r.name, r.dtype) == ("conv2d", "naive", "float32"))

    def fault(args, _) -> None:
        floats(args.y)[args.y_n] += 0 * floats(args.x)[0]  # image 1 looks at image 0

    with pytest.raises(AssertionError, match="y depends on its neighbours"):
        try_shape(spoiled(conv2d, fault), "n3 ic4 ih5 iw6 oc8 kh3 kw3 p1")


def test_a_rung_that_is_killed_does_not_hide_the_next(monkeypatch):
    def wrong(args, _) -> None:
        if args.m:
            floats(args.c)[0] += 1

    gemm = [r for r in all_rungs() if (r.op, r.isa, r.dtype) == ("gemm", "scalar", "float32")][:4]
    gemm[1] = spoiled(gemm[1], lambda *_: os.kill(os.getpid(), signal.SIGSEGV))
    gemm[2] = spoiled(gemm[2], wrong)
    monkeypatch.setattr(test_rungs, "RUNGS", gemm)
    found = test_rungs.outside.__wrapped__("gemm")
    assert list(found) == [str(gemm[1]), str(gemm[2])]
    assert found[str(gemm[1])].startswith("SIGSEGV in gemm")
    assert "c[0, 0] is" in found[str(gemm[2])]


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
