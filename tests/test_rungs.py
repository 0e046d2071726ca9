"""The one test for every rung: op x rung x ISA x dtype x shape, walking the registry.

A new rung is tested without a change here; a new operator needs its case in cases.py.
"""

import contextlib
import os
import signal
import subprocess
import sys
from functools import cache
from itertools import product

import numpy as np
import pytest

from cases import MAKERS, SHAPES, Sequence, problem
from harness import ISAS, LAYOUTS, Problem, Rung, Setting, Unsupported, all_rungs, fork, structs
from loopnest import _core

RUNGS = all_rungs()


def of_operator(rung: Rung):
    """A parameter. An operator's tests run in one process: what they are asked is made once.

    The operators with the most tests start first (xdist's order of groups).
    """
    return pytest.param(rung, id=str(rung), marks=pytest.mark.xdist_group(rung.op))


EVERY = [of_operator(rung) for rung in RUNGS]


def test_every_operator_has_cases():
    missing = set(structs()) - set(MAKERS)
    assert not missing, f"cases.py needs a function for {missing}"


@pytest.mark.parametrize("isa", ISAS)
def test_every_isa_has_cases(isa):
    """Of every operator; an ISA whose cases are missing because it cannot run here says so, and why."""
    if isa not in _core.isas():
        asked = {k: v for k, v in os.environ.items() if k != "LOOPNEST_ISA"} | {"LOOPNEST_ISA": isa}
        command = [sys.executable, "-c", "import loopnest"]
        said = subprocess.run(command, env=asked, capture_output=True, text=True, timeout=60).stderr
        why = said.strip().splitlines()[-1] if said else f"LOOPNEST_ISA={os.environ['LOOPNEST_ISA']} is set"
        pytest.skip(f"no rung was tested on {isa}: {why}")
    assert {rung.op for rung in RUNGS if rung.isa == isa} == set(structs())


def check(problem: Problem, results: dict[str, np.ndarray], what: str, rung: str = "") -> None:
    """Every output equal to what is expected, or within its limit. Written so that NaN fails."""
    for operand in problem.outputs:
        result, expected = results[operand.name].astype(np.float64), operand.expected
        most = operand.limits.get(rung, operand.limit)
        near = np.abs(result - expected) <= most
        if not near.all():
            at = tuple(int(i) for i in np.argwhere(~near)[0])
            limit = np.broadcast_to(most, near.shape)[at]
            raise AssertionError(
                f"{what}: {operand.name}{list(at)} is {result[at]!r}, expected {expected[at]!r} "
                f"within {limit:.3g}; {(~near).sum()} of {near.size} elements are wrong"
            )


def same_bits(a: dict[str, np.ndarray], b: dict[str, np.ndarray], what: str) -> None:
    for name in a:
        bits = f"u{a[name].itemsize}"
        assert (a[name].view(bits) == b[name].view(bits)).all(), f"{what}: {name} differs"


# For each layout the teams whose results are those of one thread, and of those that run beside NaN.
TEAMS = {"dense": (2, 3), "c-order": (3, None), "gaps": (2, None), "scrambled": (3, 2)}


def try_shape(rung: Rung, text: str) -> None:
    for index, layout in enumerate(LAYOUTS):
        for exact in (True, False):
            case = problem(rung.op, text, rung.dtype, exact, (index % 2 == 0) == exact)
            what = f"{layout}, {'integers' if exact else 'random numbers'}"
            with contextlib.suppress(Unsupported), Setting(rung, case, layout, seed=index) as setting:
                alone = setting.run()
                check(case, alone, what, rung.name)
                if not exact:
                    try_teams(setting, alone, layout, what)


def try_teams(setting: Setting, alone: dict[str, np.ndarray], layout: str, what: str) -> None:
    """The bits of one thread: from a team, with weights that serve one call, beside NaN in all others."""
    rung, case, (team, beside) = setting.rung, setting.problem, TEAMS[layout]
    same_bits(alone, setting.run(team), f"{what}, {team} threads")
    if setting.for_one_call(True):
        for threads in (1, team):
            same_bits(alone, setting.run(threads), f"{what}, weights of one call, {threads} threads")
    setting.for_one_call(False)
    batches = [o.value.shape[o.batch] for o in case.inputs if o.batch is not None and o.value is not None]
    if not beside or not batches or batches[0] < 2:
        return
    kept = batches[0] // 2
    with Setting(rung, case.alone(kept), layout, LAYOUTS.index(layout)) as spoiled:
        results = spoiled.run(beside)
    for operand in case.outputs:
        if operand.batch is not None:
            one, other = (r[operand.name].take(kept, operand.batch) for r in (alone, results))
            assert one.tobytes() == other.tobytes(), f"{what}: {operand.name} depends on its neighbours"


@pytest.mark.parametrize("rung", EVERY)
def test_rung(rung: Rung) -> None:
    """For each shape and layout that the rung supports: right, quiet, the same for any team and neighbours.

    Right: equal to the reference for small integers, within the derived bound for random numbers. Weights
    that serve one call only, which a rung need not pack beforehand, give the same bits.
    Quiet: no byte written outside the outputs, nor between their elements; inputs unchanged. All bytes that
    belong to no input (gaps, margins, scratch, outputs before the run) are NaN or huge, so using one shows.
    Data of the last two layouts start at an odd multiple of the element's size.
    """
    wrong = []
    for text in SHAPES.get(rung.op, []):
        try:
            try_shape(rung, text)
        except AssertionError as error:
            told, _, _ = str(error).partition("\n")  # below it pytest says what was compared
            wrong.append(f"{text}: {told}")
    if wrong:
        pytest.fail("\n".join([f"{len(wrong)} of {len(SHAPES[rung.op])} shapes", *wrong]))


@cache
def outside(op: str) -> dict[str, str]:
    """What each rung of the operator touched that it should not, or else got wrong: by the rung's name.

    One child runs them all between pages that kill whoever touches them; after a rung that is killed or wrong
    another child goes on.
    """
    left, found = [rung for rung in RUNGS if rung.op == op], {}
    for text, dtype in product(SHAPES[op], {rung.dtype for rung in left}):
        problem(op, text, dtype, False, True)  # made here, the children have it

    def child(say) -> None:
        for rung in left:
            say(f"{rung} supports no shape")
            supported = 0
            for text, at_end in product(SHAPES[op], (True, False)):
                case = problem(op, text, rung.dtype, False, True)
                with contextlib.suppress(Unsupported), Setting(rung, case, guard=at_end) as setting:
                    say(f"{rung} on {text}, guard page at the {'end' if at_end else 'start'}")
                    check(case, setting.run(), "guarded", rung.name)
                    supported += 1
            assert supported

    while left:
        status, said = fork(child)
        if status == 0:
            break
        name = said.split()[0]
        if os.WIFSIGNALED(status):
            said = f"{signal.Signals(os.WTERMSIG(status)).name} in {said}"
        found[name] = said
        left = left[[str(rung) for rung in left].index(name) + 1 :]
    return found


@pytest.mark.parametrize("rung", EVERY)
def test_stays_inside_its_arrays(rung: Rung) -> None:
    """Every array between two pages that kill whoever touches them, once at its end and once at its start."""
    if wrong := outside(rung.op).get(str(rung)):
        pytest.fail(wrong)


LSTM = [rung for rung in RUNGS if rung.op == "lstm"]
FULL_LENGTH = [text for text in SHAPES["lstm"] if "lengths" not in text]


@pytest.mark.parametrize("text", FULL_LENGTH)
@pytest.mark.parametrize("rung", LSTM, ids=str)
def test_lstm_carries_its_state(rung: Rung, text: str) -> None:
    """T steps are T1 steps and then T2 with the state that the first left: the same bits."""
    q = Sequence("lstm", text, np.dtype(rung.dtype), True)

    def run(x, *states) -> dict[str, np.ndarray]:
        return Setting(rung, q.taken(x, *states)).run()

    try:
        whole = run(q.x, q.h0, q.c0)
    except Unsupported:
        return  # see test_lstm_rungs_agree
    if q.s.t == 1:
        return
    cut = (q.s.t + 1) // 2
    first = run(q.x[:cut], q.h0, q.c0)
    second = run(q.x[cut:], first["hn"], first["cn"])
    joined = {"y": np.concatenate([first["y"], second["y"]]), "hn": second["hn"], "cn": second["cn"]}
    same_bits(whole, joined, "the sequence in two parts")


# Rungs whose sums run in one order: the same bits from each, so the chooser may take another for a step.
SAME_SUMS = {"pack", "batch", "step", "persistent"}


@pytest.mark.parametrize("text", FULL_LENGTH)
@pytest.mark.parametrize("rung", [r for r in LSTM if r.name == "batch"], ids=str)
def test_lstm_rungs_agree(rung: Rung, text: str) -> None:
    """A sequence by any of the packed rungs, or step by step by any of them: the same bits."""
    q = Sequence("lstm", text, np.dtype(rung.dtype), True)

    def run(by, x, h0, c0, number) -> dict[str, np.ndarray]:
        return Setting(by, q.taken(x, h0, c0, **{"pass": number})).run()

    whole = run(rung, q.x, q.h0, q.c0, 0)
    for by in LSTM:
        if by.name not in SAME_SUMS or (by.isa, by.dtype) != (rung.isa, rung.dtype):
            continue
        with contextlib.suppress(Unsupported):
            same_bits(whole, run(by, q.x, q.h0, q.c0, 1), f"the sequence by {by}")
        state, steps = (q.h0, q.c0), []
        try:
            for t in range(q.s.t):
                out = run(by, q.x[t : t + 1], *state, t)
                steps.append(out["y"])
                state = (out["hn"], out["cn"])
        except Unsupported:
            continue
        joined = {"y": np.concatenate(steps), "hn": state[0], "cn": state[1]}
        same_bits(whole, joined, f"step by step by {by}")
