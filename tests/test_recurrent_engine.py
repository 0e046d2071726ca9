"""engine.recurrent, every kind: gradients against differences, what is wanted alone, PyTorch, bad input."""

import numpy as np
import pytest
from loopnest.engine import recurrent, tape
from loopnest.engine.tape import Tensor, no_grad, tensor

from loopnest.autograd import gradcheck

GATES = {"LSTM": 4, "GRU": 3, "GRU_BEFORE": 3, "RNN_TANH": 1, "RNN_RELU": 1}
every_kind = pytest.mark.parametrize("kind", GATES)


def states_of(kind: str) -> int:
    return 2 if kind == "LSTM" else 1


def run(kind: str, x: Tensor, states, weights, *how, **more):
    """The function of this kind; states: none, h_0, or h_0 and c_0."""
    if kind == "LSTM":
        return recurrent.lstm(x, states or None, weights, *how, **more)
    return recurrent.recurrent(kind, x, states[0] if states else None, weights, *how, **more)


def inputs(kind, shape, hidden, layers, directions, biases=True, states=True, dtype=np.float64):
    """input, the first states, and the weights in PyTorch's order, small enough for differences."""
    rng = np.random.default_rng(5)

    def new(*shape):
        return tensor(rng.uniform(-0.7, 0.7, shape).astype(dtype), requires_grad=True)

    n, width, rows = shape[1:-1], shape[-1], GATES[kind] * hidden
    first = [new(layers * directions, *n, hidden) for _ in range(states_of(kind))] if states else []
    weights = []
    for layer in range(layers):
        for _ in range(directions):
            weights += [new(rows, width if layer == 0 else hidden * directions), new(rows, hidden)]
            weights += [new(rows), new(rows)] * biases
    return new(*shape), first, weights


CASES = [
    # shape, hidden, layers, bidirectional, biases, states, batch_first
    ((3, 2, 2), 3, 1, False, True, True, False),
    ((3, 2, 2), 2, 2, True, True, True, False),
    ((2, 3, 2), 2, 2, True, False, False, False),
    ((3, 2), 2, 1, True, True, True, False),
    ((1, 1, 1), 1, 3, False, True, False, False),
    ((2, 2, 2), 2, 2, True, True, True, True),
]


@every_kind
@pytest.mark.parametrize("case", CASES)
def test_gradient(case, kind):
    shape, hidden, layers, two, biases, states, batch_first = case
    x, first, weights = inputs(kind, shape, hidden, layers, 2 if two else 1, biases, states)

    def call(x, *rest):
        given, params = rest[: len(first)], rest[len(first) :]
        return run(kind, x, given, params, biases, layers, 0.0, False, two, batch_first)

    assert gradcheck(call, [x, *first, *weights])


@every_kind
@pytest.mark.parametrize("layers", [1, 3])
def test_only_the_wanted_gradients(kind, layers):
    """Whichever leaves want one, theirs are the same and the others get none."""
    x, first, weights = inputs(kind, (3, 2, 2), 2, layers, 2)
    leaves = [x, *first, *weights]

    def grads():
        for t in leaves:
            t.grad = None
        y, *last = run(kind, x, first, weights, True, layers, 0.0, False, True, False)
        ((y * y).sum() + (last[0] * 2).sum() + last[-1].sum()).backward()
        return [None if t.grad is None else t.grad.numpy().copy() for t in leaves]

    full = grads()
    for seed in range(20):
        wanted = np.random.default_rng(seed).random(len(leaves)) < 0.15
        wanted[seed % len(leaves)] = True
        for t, w in zip(leaves, wanted, strict=True):
            t.requires_grad = bool(w)
        for g, f, w in zip(grads(), full, wanted, strict=True):
            assert (g is not None) == w
            if w:
                np.testing.assert_allclose(g, f, rtol=1e-10)


@every_kind
def test_outputs_can_be_used_one_by_one(kind):
    x, first, weights = inputs(kind, (3, 2, 2), 2, 1, 1)
    for which in range(1 + states_of(kind)):
        assert gradcheck(lambda x, which=which: run(kind, x, first, weights)[which], x)
    y, *last = run(kind, x, first, weights)
    last[0].sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.sum().backward()
    with no_grad():
        assert not run(kind, x, first, weights)[0].requires_grad


@every_kind
def test_a_second_backward_is_as_the_first(kind):
    x, first, weights = inputs(kind, (3, 2, 2), 2, 2, 2)
    y = run(kind, x, first, weights, True, 2, 0.5, True, True, False)[0]
    y.sum().backward(retain_graph=True)
    once = [t.grad.numpy().copy() for t in (x, *first[:1], *weights)]
    y.sum().backward()
    for t, g in zip((x, *first[:1], *weights), once, strict=True):
        np.testing.assert_allclose(t.grad.numpy(), 2 * g, rtol=1e-12)


@every_kind
def test_dropout(kind):
    x, _, weights = inputs(kind, (4, 30, 2), 20, 2, 1, states=False)
    args = (True, 2, 0.5, True, False, False)
    tape.manual_seed(1)
    y = run(kind, x, (), weights, *args)[0]
    tape.manual_seed(1)
    again = run(kind, x, (), weights, *args)[0]
    plain = run(kind, x, (), weights, True, 2, 0.5, False, False, False)[0]
    assert (y == again).numpy().all() and not (y == plain).numpy().all()
    x, _, weights = inputs(kind, (2, 2, 2), 2, 2, 1, states=False)

    def call(x, *weights):
        tape.manual_seed(3)
        return run(kind, x, (), weights, *args)

    assert gradcheck(call, [x, *weights])


@every_kind
@pytest.mark.parametrize("which", ["input", "first state", "weight", "output"])
def test_what_was_kept_must_not_change(kind, which):
    x, first, weights = inputs(kind, (3, 2, 2), 2, 1, 1)
    y = run(kind, x, first, weights)[0]
    with no_grad():
        {"input": x, "first state": first[-1], "weight": weights[1], "output": y}[which].mul_(2.0)
    name = {"L": "Lstm", "G": "Gru", "R": "Rnn"}[kind[0]] + "Backward"
    with pytest.raises(RuntimeError, match=rf"inplace operation \(kept by {name}\)"):
        y.sum().backward()


LARGER = [((7, 4, 9), 16, 2, True, True, True, False), ((7, 4, 9), 16, 2, True, True, True, True)]


@pytest.mark.parametrize("kind", [kind for kind in GATES if kind != "GRU_BEFORE"])  # PyTorch has none
@pytest.mark.parametrize("case", CASES + LARGER)
def test_like_torch(torch, case, kind):
    shape, hidden, layers, two, biases, states, batch_first = case
    x, first, weights = inputs(kind, shape, hidden, layers, 2 if two else 1, biases, states, np.float32)
    if batch_first:
        x = tensor(np.ascontiguousarray(x.detach().numpy().swapaxes(0, 1)), requires_grad=True)
    name, _, function = kind.partition("_")
    more = {"nonlinearity": function.lower()} if function else {}
    model = getattr(torch.nn, name)(
        shape[-1], hidden, layers, bias=biases, batch_first=batch_first, bidirectional=two, **more
    )
    for p, w in zip(model.parameters(), weights, strict=True):
        p.data = torch.tensor(w.detach().numpy())
    tx, *theirs = (torch.tensor(t.detach().numpy(), requires_grad=True) for t in (x, *first))
    ours = run(kind, x, first, weights, biases, layers, 0.0, False, two, batch_first)
    ty, th = model(tx, None if not states else tuple(theirs) if kind == "LSTM" else theirs[0])
    expected = (ty, *th) if kind == "LSTM" else (ty, th)
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-4, atol=1e-5)
    sum((a * a).sum() for a in ours).backward()
    sum((a * a).sum() for a in expected).backward()
    for a, b in zip([x, *first, *weights], [tx, *theirs, *model.parameters()], strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-3, atol=1e-4)


def ones(*shape, dtype=np.float32) -> Tensor:
    return tape.ones(*shape, dtype=dtype)


BAD = [
    # what is changed, the error, its text; H = 2, and `rows` stands for 2 * GATES
    ({"x": ones(2)}, ValueError, r"3 axes \(T, N, I\) or 2 axes \(T, I\), got \(2,\)"),
    ({"x": ones(3, 2, 5)}, ValueError, r"weight_ih of shape \({rows}, 5\)"),
    ({"x": tensor(np.ones((3, 2, 2)))}, TypeError, "weight_ih is float32 but input is float64"),
    ({"x": ones(3, 2, 2, dtype=np.int64)}, TypeError, "input of dtype float32 or float64, got int64"),
    ({"x": ones(0, 2, 2)}, ValueError, "steps of input of at least 1, got 0"),
    ({"h": ones(1, 2, 3)}, ValueError, r"h_0 of shape \(1, 2, 2\), got \(1, 2, 3\) \(input \(3, 2, 2\)\)"),
    ({"h": ones(2, 2, 2)}, ValueError, r"h_0 of shape \(1, 2, 2\)"),
    ({"h": ones(2, 2)}, ValueError, r"h_0 of shape \(1, 2, 2\), got \(2, 2\)"),
    ({"h": ones(1, 2, 2, dtype=np.float64)}, TypeError, "h_0 is float64 but input is float32"),
    ({"x": ones(3, 2), "h": ones(1, 1, 2)}, ValueError, "h_0 of 2 axes for input of 2 axes"),
    ({"weights": []}, ValueError, r"1 layers \* 1 directions \* 4 = 4 weights and biases, got 0"),
    ({1: ones(8)}, ValueError, r"weight_hh of shape \(.*hidden_size, hidden_size\), got \(8,\)"),
    ({1: ones(8, 3)}, ValueError, "weight_ih of shape"),
    ({3: ones(7)}, ValueError, r"bias_hh of shape \({rows},\), got \(7,\)"),
    ({0: None}, TypeError, r"params\[0\] to be a Tensor, got NoneType"),
    ({"num_layers": 0}, ValueError, "num_layers of at least 1, got 0"),
    ({"num_layers": 2}, ValueError, "= 8 weights"),
    ({"dropout": 2.0}, ValueError, r"probability in \[0, 1\], got 2.0"),
    ({"bidirectional": True}, ValueError, "= 8 weights"),
    ({"has_biases": False}, ValueError, "= 2 weights"),
    ({"lengths": np.array([1, 2, 3])}, ValueError, r"lengths of shape \(2,\)"),
    ({"lengths": np.array([1, 4])}, ValueError, "from 0 to the 3 steps"),
    ({"lengths": np.ones(2)}, TypeError, "lengths of dtype int64"),
]


@every_kind
@pytest.mark.parametrize(("change", "error", "text"), BAD)
def test_bad_input(kind, change, error, text):
    """All kinds refuse the same, and say it alike."""
    rows = 2 * GATES[kind]
    op, text = kind.partition("_")[0].lower(), text.replace("{rows}", str(rows))
    weights = change.get("weights", [ones(rows, 2), ones(rows, 2), ones(rows), ones(rows)])
    weights = [change.get(k, w) for k, w in enumerate(weights)]
    h = change.get("h")
    states = [h, tape.ones(1, 2, 2)][: states_of(kind)] if h is not None else []
    more = {k: v for k, v in change.items() if k in ("num_layers", "dropout", "bidirectional", "has_biases")}
    more["lengths"] = change.get("lengths")
    with pytest.raises(error, match=f"^{op}: .*{text}"):
        run(kind, change.get("x", ones(3, 2, 2)), states, weights, **more)


@every_kind
def test_no_tensors(kind):
    weights = [ones(2 * GATES[kind], 2)] * 2
    with pytest.raises(TypeError, match="input"):
        run(kind, None, (), weights, False)
    with pytest.raises(TypeError, match="h_0"):
        run(kind, ones(3, 2, 2), [3, 3], weights, False)


@pytest.mark.parametrize("hx", [3, (), [ones(1, 2, 2)], [ones(1, 2, 2), None]], ids=str)
def test_lstm_wants_a_pair(hx):
    weights = [ones(8, 2), ones(8, 2), ones(8), ones(8)]
    with pytest.raises(TypeError, match=r"pair \(h_0, c_0\)|c_0 to be a Tensor"):
        recurrent.lstm(ones(3, 2, 2), hx, weights)


@pytest.mark.parametrize("kind", ["LSTM", "GRU_AFTER", ""])
def test_unknown_kinds(kind):
    with pytest.raises(ValueError, match=f"GRU, GRU_BEFORE, RNN_TANH, RNN_RELU, got '{kind}'"):
        recurrent.recurrent(kind, ones(3, 2, 2), None, [])
