"""rnn and gru: what goes beyond the one test that every rung meets."""

import numpy as np
import pytest

from cases import Sequence
from harness import Operand, Problem, Rung, Setting, Unsupported, all_rungs
from loopnest import ops

RUNGS = [rung for rung in all_rungs() if rung.op in ("rnn", "gru")]


def run(rung: Rung, q: Sequence, x, h0, lengths) -> dict[str, np.ndarray]:
    hidden = np.empty((len(x), q.s.n, q.s.h))
    outputs = [
        Operand("y", None, ("y_t", "y_n", None), None, hidden),
        Operand("hn", None, [None, None], None, hidden[0]),
    ]
    given = {"x": x, "h0": h0, "lengths": lengths}
    operands = [Operand(o.name, given.get(o.name, o.value), o.strides, batch=o.batch) for o in q.operands()]
    scalars = {**q.scalars("relu" if rung.op == "rnn" else "before"), "t": len(x)}
    return Setting(rung, Problem(operands, outputs, scalars)).run()


@pytest.mark.parametrize("flag", ["", " flag"])
@pytest.mark.parametrize("text", ["t7 n1 i3 h64", "t5 n2 i3 h5", "t6 n5 i9 h17", "t20 n17 i3 h40"])
@pytest.mark.parametrize("rung", RUNGS, ids=str)
def test_carries_its_state(rung: Rung, text: str, flag: str) -> None:
    """T steps are T1 steps and then T2 with the state that the first left: the same bits. So are a sequence
    alone, in a batch, and in a batch with lengths."""
    q = Sequence(rung.op, text + flag, np.dtype(rung.dtype), True)
    try:
        whole = run(rung, q, q.x, q.h0, None)
    except Unsupported as reason:
        pytest.skip(str(reason))
    cut = (q.s.t + 1) // 2
    first = run(rung, q, q.x[:cut], q.h0, None)
    second = run(rung, q, q.x[cut:], first["hn"], None)
    assert np.concatenate([first["y"], second["y"]]).tobytes() == whole["y"].tobytes()
    assert second["hn"].tobytes() == whole["hn"].tobytes()
    lengths = np.full(q.s.n, cut)
    try:
        short = run(rung, q, q.x, q.h0, lengths)
    except Unsupported:
        return
    assert short["y"][:cut].tobytes() == first["y"].tobytes() and not short["y"][cut:].any()
    assert short["hn"].tobytes() == first["hn"].tobytes()


@pytest.mark.parametrize("op", ["rnn", "gru"])
def test_reverse_and_lengths(op: str) -> None:
    """Backwards from the last valid step is forwards through the sequence turned around."""
    q = Sequence(op, "t6 n4 i3 h20", np.dtype("f"), True)
    run, lengths = getattr(ops, op), np.array([6, 0, 3, 1])
    y, h = run(*q.forward(), lengths=lengths, reverse=True)
    for n, length in enumerate(lengths):
        alone = (q.x[:length, n : n + 1][::-1], *q.forward()[1:5], q.h0[n : n + 1])
        if length == 0:
            assert not y[:, n].any() and (h[n] == q.h0[n]).all()
            continue
        expected, last = run(*alone)
        np.testing.assert_array_equal(y[:length, n], expected[::-1, 0])
        np.testing.assert_array_equal(h[n], last[0])
        assert not y[length:, n].any()


@pytest.mark.parametrize("op", ["rnn", "gru"])
def test_what_lies_beyond_a_length_is_not_used(op: str) -> None:
    q = Sequence(op, "t5 n3 i4 h20", np.dtype("f"), True)
    lengths, g = np.array([2, 5, 0]), 3 if op == "gru" else 1
    x = q.x.copy()
    for n, length in enumerate(lengths):
        x[length:, n] = np.nan
    args = (x, *q.forward()[1:])
    forward, backward = getattr(ops, op), getattr(ops, f"{op}_backward")
    kept = forward(*args, True, lengths=lengths) if op == "gru" else forward(*args, lengths=lengths)
    assert all(np.isfinite(a).all() for a in kept)
    given = (x, q.w_ih, q.w_hh, q.h0, kept[0], *kept[2:])
    found = backward(*given, np.ones_like(kept[0]), lengths=lengths)
    assert all(np.isfinite(a).all() for a in found)
    assert found[1].shape == (g * 20, 4) and not found[0][2:, 0].any()
    np.testing.assert_array_equal(found[-1][2], 0)  # no step: nothing came back to h_0


BAD = [
    ({"lengths": np.array([1, 2])}, ValueError, r"lengths of shape \(3,\)"),
    ({"lengths": np.array([1, 2, 6])}, ValueError, "from 0 to the 5 steps of input, got 6 for sequence 2"),
    ({"lengths": np.array([1, -1, 5])}, ValueError, "got -1 for sequence 1"),
    ({"lengths": np.ones(3, "f")}, TypeError, "int64"),
    ({"h_0": np.zeros((3, 5), "f")}, ValueError, r"h_0 of shape \(3, 4\)"),
    ({"bias_ih": None}, ValueError, "both"),
    ({"weight_ih": np.zeros((7, 6), "f")}, ValueError, "weight_ih of shape"),
    ({"weight_hh": np.zeros((4, 4), "d")}, TypeError, "float64"),
    ({"input": np.zeros((5, 3), "f")}, ValueError, "3 axes"),
    ({"input": np.zeros((0, 3, 6), "f")}, ValueError, "steps of input of at least 1"),
    ({"input": np.zeros((5, 3, 12), "f")[:, :, ::2]}, ValueError, "contiguous in its last axis"),
]


@pytest.mark.parametrize("op", ["rnn", "gru"])
@pytest.mark.parametrize(("change", "error", "text"), BAD)
def test_bad_input(op, change, error, text):
    q = Sequence(op, "t5 n3 i6 h4", np.dtype("f"), True)
    names = ("input", "weight_ih", "weight_hh", "bias_ih", "bias_hh", "h_0")
    with pytest.raises(error, match=text):
        getattr(ops, op)(**{**dict(zip(names, q.forward(), strict=True)), **change})
