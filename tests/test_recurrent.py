"""rnn and gru: what goes beyond the one test that every rung meets."""

import numpy as np
import pytest

from cases import Sequence, repeated
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
@pytest.mark.parametrize("text", ["t7 n1 i3 h64", "t5 n2 i3 h5", "t6 n5 i9 h17", "t20 n17 i3 h40 repeat"])
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


LSTM = [(r.name, r.isa, r.dtype) for r in all_rungs() if r.op == "lstm" and r.name in ("naive", "batch")]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("rung", LSTM, ids="-".join)
def test_lstm_with_lengths_is_each_sequence_alone(rung, reverse):
    """The same bits, whatever stands in the padding; gates and cells there are 0. On 1 and 3 threads."""
    name, isa, dtype = rung
    rng, h, lengths = np.random.default_rng(1), 20, np.array([4, 0, 6, 1, 3])
    x, h0, c0 = (rng.normal(size=s).astype(dtype) for s in ((6, 5, 3), (5, h), (5, h)))
    weights = [rng.uniform(-0.3, 0.3, s).astype(dtype) for s in ((4 * h, 3), (4 * h, h), (4 * h,), (4 * h,))]
    for n, length in enumerate(lengths):
        x[length:, n] = np.nan
    how = {"rung": name, "isa": isa}
    found = ops.lstm(x, *weights, h0, c0, True, lengths, reverse, threads=3, **how)
    for a, b in zip(
        found, ops.lstm(x, *weights, h0, c0, True, lengths, reverse, threads=1, **how), strict=True
    ):
        assert a.tobytes() == b.tobytes()
    expected = ops.lstm(x, *weights, h0, c0, True, lengths, reverse, rung="numpy")
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    for n, length in enumerate(lengths):
        y, hn, cn = (found[0][:, n], found[1][n], found[2][n])
        assert not y[length:].any()
        if length == 0:
            assert (hn == h0[n]).all() and (cn == c0[n]).all()
            continue
        one = slice(n, n + 1)
        alone = ops.lstm(x[:length, one], *weights, h0[one], c0[one], True, None, reverse, threads=1, **how)
        assert y[:length].tobytes() == alone[0].tobytes()
        assert hn.tobytes() == alone[1].tobytes() and cn.tobytes() == alone[2].tobytes()


@pytest.mark.parametrize("kinds", [1, 20, 60, 61, 100])
@pytest.mark.parametrize("op", ["lstm", "gru", "rnn"])
def test_rows_that_repeat(op, kinds):
    """Whether or not rows of x are found to be alike, results have the bits of rung pack, which never looks.
    One row holds NaN, and -0 is not 0: only their own steps and those behind them may show it."""
    rng, t, n, i, h = np.random.default_rng(kinds), 20, 10, 18, 33
    gates = {"lstm": 4, "gru": 3, "rnn": 1}[op]
    rows = rng.integers(-2, 3, (kinds, i)).astype("f") * np.float32(-1)
    rows[kinds // 2, i - 1] = np.nan if kinds > 1 else 1
    x = rows[np.concatenate([np.arange(kinds), rng.integers(0, kinds, t * n - kinds)])].reshape(t, n, i)
    weights = [
        rng.uniform(-0.3, 0.3, s).astype("f")
        for s in ((gates * h, i), (gates * h, h), (gates * h,), (gates * h,))
    ]
    run = getattr(ops, op)
    for isa, name in [
        (r.isa, r.name) for r in all_rungs() if r.op == op and r.name in ("batch", "persistent")
    ]:
        for given in (x, np.ascontiguousarray(x.swapaxes(0, 1)).swapaxes(0, 1), x[:, :4]):
            if op == "lstm" and name == "persistent" and given.shape[1] > 6:
                continue
            expected = run(given, *weights, rung="pack", isa=isa, threads=1)
            for threads in (1, 3) if given is x else (1,):
                found = run(given, *weights, rung=name, isa=isa, threads=threads)
                for a, b in zip(found, expected, strict=True):
                    assert (np.isnan(a) == np.isnan(b)).all()  # a NaN may have either sign
                    assert np.nan_to_num(a).tobytes() == np.nan_to_num(b).tobytes()


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("op", ["lstm", "gru"])
def test_what_is_kept_does_not_depend_on_its_size(op, lengths):
    """Gates of 4 MB and more go past the caches (simd/keep.h): the same bits as those of half the batch."""
    rng, t, n, h, count = np.random.default_rng(3), 66, 32, 128, {"lstm": 4, "gru": 3}[op]
    x = rng.normal(size=(t, n, 5)).astype("f")
    weights = [
        rng.uniform(-0.3, 0.3, s).astype("f")
        for s in ((count * h, 5), (count * h, h), (count * h,), (count * h,))
    ]
    steps = rng.integers(0, t + 1, n) if lengths else None

    def kept(sequences: slice, rung: str, isa: str) -> list[np.ndarray]:
        some = None if steps is None else steps[sequences]
        out = getattr(ops, op)(x[:, sequences], *weights, keep=True, lengths=some, rung=rung, isa=isa)
        return [a for a in out if a.shape[0] == t]

    for isa in sorted({r.isa for r in all_rungs() if r.op == op and r.name == "batch"}):
        for whole, half in zip(kept(slice(n), "batch", isa), kept(slice(16), "batch", isa), strict=True):
            assert np.ascontiguousarray(whole[:, :16]).tobytes() == half.tobytes()


@pytest.mark.parametrize("repeat", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("n", [2, 5, 17])
def test_lstm_backward_with_lengths(n, reverse, repeat):
    """Each rung against the formula, NaN in the padding; nothing comes back to it."""
    rng, h, t = np.random.default_rng(n), 20, 6
    lengths = rng.integers(0, t + 1, n)
    for isa, rung, dtype in [(r.isa, r.name, r.dtype) for r in all_rungs() if r.op == "lstm_backward"]:
        x, h0, c0, dy, dh, dc = (
            rng.normal(size=s).astype(dtype) for s in ((t, n, 3), (n, h), (n, h), (t, n, h), (n, h), (n, h))
        )
        x = repeated(x, rng) if repeat else x
        w_ih, w_hh = (rng.uniform(-0.3, 0.3, s).astype(dtype) for s in ((4 * h, 3), (4 * h, h)))
        y, _, _, gates, cells = ops.lstm(x, w_ih, w_hh, None, None, h0, c0, True, lengths, reverse)
        for k, length in enumerate(lengths):
            x[length:, k] = dy[length:, k] = np.nan
        args = (x, w_ih, w_hh, h0, c0, y, gates, cells, dy, dh, dc, lengths, reverse)
        found = ops.lstm_backward(*args, rung=rung, isa=isa)
        for a, b in zip(found, ops.lstm_backward(*args, rung="numpy"), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
        for a, b in zip(found, ops.lstm_backward(*args, rung=rung, isa=isa, threads=3), strict=True):
            assert a.tobytes() == b.tobytes()
        assert all(not found[0][length:, k].any() for k, length in enumerate(lengths))


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
