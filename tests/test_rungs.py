"""The one test for every rung: op x rung x ISA x dtype x shape, walking the registry.

A new rung is tested without a change here; a new operator needs its case in cases.py.
"""

import contextlib
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from cases import MAKERS, SHAPES, lstm_inputs, lstm_operands, problem
from harness import ISAS, LAYOUTS, Operand, Problem, Rung, Setting, Unsupported, all_rungs, fork, structs
from loopnest import _core

RUNGS = all_rungs()


def of_operator(rung: Rung, *more: str):
    """A parameter. An operator's tests run in one process: what they are asked is made once.

    The operators with the most tests start first (xdist's order of groups).
    """
    return pytest.param(rung, *more, id="-".join([str(rung), *more]), marks=pytest.mark.xdist_group(rung.op))


EVERY = [of_operator(rung, text) for rung in RUNGS for text in SHAPES.get(rung.op, [])]


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


def spoil(setting: Setting, kept: int) -> None:
    """NaN in every image or sequence but one."""
    for operand in setting.problem.inputs:
        placed = setting.placed.get(operand.name)
        if placed is not None and operand.batch is not None and placed.view.dtype.kind == "f":
            others = [n for n in range(placed.view.shape[operand.batch]) if n != kept]
            np.moveaxis(placed.view, operand.batch, 0)[others] = np.nan
            placed.before = placed.block.inside.copy()


@pytest.mark.parametrize(("rung", "text"), EVERY)
def test_rung(rung: Rung, text: str) -> None:
    """For each layout that the rung supports: right, quiet, the same for any team and beside any neighbours.

    Right: equal to the reference for small integers, within the derived bound for random numbers. Weights
    that serve one call only, which a rung need not pack beforehand, give the same bits.
    Quiet: no byte written outside the outputs, nor between their elements; inputs unchanged. All bytes that
    belong to no input (gaps, margins, scratch, outputs before the run) are NaN or huge, so using one shows.
    Data of the last two layouts start at an odd multiple of the element's size.
    """
    for index, layout in enumerate(LAYOUTS):
        for exact in (True, False):
            case = problem(rung.op, text, rung.dtype, exact, (index % 2 == 0) == exact)
            try:
                setting = Setting(rung, case, layout, seed=index)
            except Unsupported:
                continue  # test_stays_inside_its_arrays asks for one shape at least
            what = f"{layout}, {'integers' if exact else 'random numbers'}"
            alone = setting.run()
            check(case, alone, what, rung.name)
            if exact:
                continue
            for threads in (2, 3):
                same_bits(alone, setting.run(threads), f"{what}, {threads} threads")
            if setting.for_one_call(True):
                for threads in (1, 2):
                    same_bits(alone, setting.run(threads), f"{what}, weights of one call, {threads} threads")
            setting.for_one_call(False)
            batches = [
                o.value.shape[o.batch] for o in case.inputs if o.batch is not None and o.value is not None
            ]
            if layout in ("dense", "scrambled") and batches and batches[0] > 1:
                kept = batches[0] // 2
                spoil(setting, kept)
                beside = setting.run(2)
                for operand in case.outputs:
                    if operand.batch is not None:
                        one, other = (r[operand.name].take(kept, operand.batch) for r in (alone, beside))
                        assert one.tobytes() == other.tobytes(), (
                            f"{what}: {operand.name} depends on its neighbours"
                        )


@pytest.mark.parametrize("rung", map(of_operator, RUNGS))
def test_stays_inside_its_arrays(rung: Rung) -> None:
    """Every array between two pages that kill whoever touches them, once at its end and once at its start."""
    problems = {text: problem(rung.op, text, rung.dtype, False, True) for text in SHAPES.get(rung.op, [])}

    def child(say) -> None:
        supported = 0
        for text, case in problems.items():
            for at_end in (True, False):
                say(f"{text}, guard page at the {'end' if at_end else 'start'}")
                try:
                    setting = Setting(rung, case, guard=at_end)
                except Unsupported:
                    continue
                supported += 1
                check(case, setting.run(), "guarded", rung.name)
        say("no shape is supported" if not supported else "all is well")
        assert supported

    status, said = fork(child)
    if os.WIFSIGNALED(status):
        pytest.fail(f"{signal.Signals(os.WTERMSIG(status)).name} at {said}")
    assert status == 0, said


LSTM = [rung for rung in RUNGS if rung.op == "lstm"]


@pytest.mark.parametrize("text", SHAPES["lstm"])
@pytest.mark.parametrize("rung", LSTM, ids=str)
def test_lstm_carries_its_state(rung: Rung, text: str) -> None:
    """T steps are T1 steps and then T2 with the state that the first left: the same bits."""
    s, inputs = lstm_inputs(text, np.dtype(rung.dtype), True)

    def run(x, h0, c0) -> dict[str, np.ndarray]:
        hidden = np.empty((len(x), s.n, s.h))
        outputs = [
            Operand("y", None, ("y_t", "y_n", None), None, hidden),
            Operand("hn", None, [None, None], None, hidden[0]),
            Operand("cn", None, [None, None], None, hidden[0]),
        ]
        scalars = {"t": len(x), "n": s.n, "i": s.i, "h": s.h}
        return Setting(rung, Problem(lstm_operands([x, *inputs[1:5], h0, c0]), outputs, scalars)).run()

    try:
        whole = run(inputs[0], *inputs[5:])
    except Unsupported:
        return  # see test_lstm_rungs_agree
    if s.t == 1:
        return
    cut = (s.t + 1) // 2
    first = run(inputs[0][:cut], *inputs[5:])
    second = run(inputs[0][cut:], first["hn"], first["cn"])
    joined = {"y": np.concatenate([first["y"], second["y"]]), "hn": second["hn"], "cn": second["cn"]}
    same_bits(whole, joined, "the sequence in two parts")


# Rungs whose sums run in one order: the same bits from each, so the chooser may take another for a step.
SAME_SUMS = {"pack", "batch", "step", "persistent"}


@pytest.mark.parametrize("text", SHAPES["lstm"])
@pytest.mark.parametrize("rung", [r for r in LSTM if r.name == "batch"], ids=str)
def test_lstm_rungs_agree(rung: Rung, text: str) -> None:
    """A sequence by any of the packed rungs, or step by step by any of them: the same bits."""
    s, inputs = lstm_inputs(text, np.dtype(rung.dtype), True)

    def run(by, x, h0, c0, number) -> dict[str, np.ndarray]:
        hidden = np.empty((len(x), s.n, s.h))
        outputs = [
            Operand("y", None, ("y_t", "y_n", None), None, hidden),
            Operand("hn", None, [None, None], None, hidden[0]),
            Operand("cn", None, [None, None], None, hidden[0]),
        ]
        scalars = {"t": len(x), "n": s.n, "i": s.i, "h": s.h, "pass": number}
        return Setting(by, Problem(lstm_operands([x, *inputs[1:5], h0, c0]), outputs, scalars)).run()

    whole = run(rung, inputs[0], *inputs[5:], 0)
    for by in LSTM:
        if by.name not in SAME_SUMS or (by.isa, by.dtype) != (rung.isa, rung.dtype):
            continue
        with contextlib.suppress(Unsupported):
            same_bits(whole, run(by, inputs[0], *inputs[5:], 1), f"the sequence by {by}")
        state, steps = (inputs[5], inputs[6]), []
        try:
            for t in range(s.t):
                out = run(by, inputs[0][t : t + 1], *state, t)
                steps.append(out["y"])
                state = (out["hn"], out["cn"])
        except Unsupported:
            continue
        joined = {"y": np.concatenate(steps), "hn": state[0], "cn": state[1]}
        same_bits(whole, joined, f"step by step by {by}")
