"""lstm, gru and rnn: what goes beyond the one test that every rung meets."""

import numpy as np
import pytest

from cases import Sequence
from harness import Rung, Setting, Unsupported, all_rungs
from loopnest import ops

OPS = ("lstm", "gru", "rnn")
TEXTS = ["t7 n1 i3 h64", "t5 n2 i3 h5", "t6 n5 i9 h17", "t20 n17 i3 h40 repeat"]
FLAGGED = [f"{text} flag" for text in TEXTS]
RUNGS = [
    pytest.param(rung, text, id=f"{rung}-{text}")
    for rung in all_rungs()
    if rung.op in OPS
    for text in TEXTS + (FLAGGED if rung.op != "lstm" else [])
]


@pytest.mark.parametrize(("rung", "text"), RUNGS)
def test_carries_its_state(rung: Rung, text: str) -> None:
    """T steps are T1 steps and then T2 with the state that the first left: the same bits. So are a sequence
    alone, in a batch, and in a batch with lengths."""
    q = Sequence(rung.op, text, np.dtype(rung.dtype), True)

    def run(x, states, lengths=None) -> tuple[np.ndarray, list[np.ndarray]]:
        found = Setting(rung, q.taken(x, *states, lengths=lengths)).run()
        return found["y"], [found[name] for name in ("hn", "cn") if name in found]

    try:
        whole, last = run(q.x, q.states)
    except Unsupported as reason:
        pytest.skip(str(reason))
    cut = (q.s.t + 1) // 2
    first, between = run(q.x[:cut], q.states)
    second, states = run(q.x[cut:], between)
    assert np.concatenate([first, second]).tobytes() == whole.tobytes()
    assert [a.tobytes() for a in states] == [a.tobytes() for a in last]
    try:
        short, states = run(q.x, q.states, np.full(q.s.n, cut))
    except Unsupported:
        return
    assert short[:cut].tobytes() == first.tobytes() and not short[cut:].any()
    assert [a.tobytes() for a in states] == [a.tobytes() for a in between]


LAYERS = [rung for rung in all_rungs() if rung.op.removesuffix("_backward") in OPS]


def lab(rung: Rung, *args, **how) -> tuple[np.ndarray, ...]:
    """The laboratory's function on this rung; skips rungs that take no lengths."""
    try:
        return getattr(ops, rung.op)(*args, rung=rung.name, isa=rung.isa, **how)
    except ValueError as error:
        if "all sequences must have t steps" in str(error):
            pytest.skip(str(error))
        raise


def choices(rung: Rung, op: str, keep: bool = True) -> dict[str, bool]:
    """What this rung needs to be told; keep: of what backward reads, if the operator has such."""
    return ({"before": True} if rung.name == "before" else {}) | (
        {"keep": True} if keep and op != "rnn" else {}
    )


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("rung", [r for r in LAYERS if r.op in OPS], ids=str)
def test_lengths_are_each_sequence_alone(rung: Rung, reverse: bool) -> None:
    """The same bits on 1 and 3 threads; backwards, a sequence begins with its last valid step."""
    q = Sequence(rung.op, "t6 n5 i3 h20", np.dtype(rung.dtype), True)
    lengths, weights = np.array([4, 0, 6, 1, 3]), q.forward()[1:5]
    how = {"reverse": reverse, **choices(rung, rung.op)}
    found = lab(rung, q.x, *weights, *q.states, lengths=lengths, threads=3, **how)
    again = lab(rung, q.x, *weights, *q.states, lengths=lengths, threads=1, **how)
    assert [a.tobytes() for a in found] == [a.tobytes() for a in again]
    y, *last = found[: 1 + len(q.states)]
    for n, length in enumerate(lengths):
        states = [a[n : n + 1] for a in q.states]
        assert not y[length:, n].any()
        if length == 0:
            assert all((a[n] == before[0]).all() for a, before in zip(last, states, strict=True))
            continue
        alone, *states = lab(rung, q.x[:length, n : n + 1], *weights, *states, **how)[: 1 + len(q.states)]
        assert y[:length, n].tobytes() == alone[:, 0].tobytes()
        for a, b in zip(last, states, strict=True):
            assert a[n].tobytes() == b[0].tobytes()
        turned = q.x[:length, n : n + 1][::-1]
        states = [a[n : n + 1] for a in q.states]
        other = lab(rung, turned, *weights, *states, **{**how, "reverse": not reverse})
        assert alone.tobytes() == other[0][::-1].tobytes()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("rung", LAYERS, ids=str)
def test_what_lies_beyond_a_length_is_not_used(rung: Rung, reverse: bool) -> None:
    """NaN in the padding: none in any result, and the bits of zeros there; on 1 and 3 threads."""
    op = rung.op.removesuffix("_backward")
    q = Sequence(op, "t5 n3 i4 h20", np.dtype(rung.dtype), True)
    lengths, dy = np.array([2, 5, 0]), np.ones((5, 3, 20), rung.dtype)
    found = []
    for padding in (0, np.nan):
        for n, length in enumerate(lengths):
            q.x[length:, n] = dy[length:, n] = padding
        how, args = {"lengths": lengths, "reverse": reverse}, (q.x, *q.forward()[1:])
        if rung.op != op:
            y, *others = getattr(ops, op)(*args, **choices(rung, op), **how)
            args = (q.x, q.w_ih, q.w_hh, *q.states, y, *others[len(q.states) :], dy)
        how |= choices(rung, op, keep=False)
        found += [lab(rung, *args, threads=threads, **how) for threads in (1, 3)]
    assert all(np.isfinite(a).all() for a in found[0])
    for others in found[1:]:
        assert [a.tobytes() for a in others] == [a.tobytes() for a in found[0]]
    assert not found[0][0][2:, 0].any()  # y, or dx
    if rung.op != op:
        for d in found[0][-len(q.states) :]:
            np.testing.assert_array_equal(d[2], 0)  # no step: nothing came back to the first states


@pytest.mark.parametrize("kinds", [1, 20, 60, 61, 100])
@pytest.mark.parametrize("op", OPS)
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


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(("change", "error", "text"), BAD)
def test_bad_input(op, change, error, text):
    q = Sequence(op, "t5 n3 i6 h4", np.dtype("f"), True)
    names = ("input", "weight_ih", "weight_hh", "bias_ih", "bias_hh", "h_0", "c_0")
    with pytest.raises(error, match=text):
        getattr(ops, op)(**{**dict(zip(names, q.forward(), strict=False)), **change})
