"""The reference itself: against loops that follow the definition, central differences, and PyTorch.

Everything is float64: the tolerance is a few thousand roundings of 1e-16, or what central differences leave.
"""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

from loopnest import reference, shapes
from loopnest.reference import bound, bound_recurrent

CONV2D = shapes.load("conv2d")
POOL2D = shapes.load("pool2d")
LSTM = shapes.load("lstm")


def rng(*seed):
    return np.random.default_rng(seed or 0)


def close(actual, expected, tolerance=1e-11):
    """Equal shapes, and within tolerance of the largest element; NaN and infinity fail."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    limit = tolerance * max(1.0, np.abs(expected).max(initial=0.0))
    assert (np.abs(actual - expected) <= limit).all()


def slope(function, x, dy):
    """dL/dx for L = sum(dy * function(x)), by central differences: error about 1e-9 for values around 1."""
    dx, step = np.zeros_like(x), 1e-5
    for at in np.ndindex(x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[at] += sign * step
            ends.append(np.sum(dy * function(moved)))
        dx[at] = (ends[0] - ends[1]) / (2 * step)
    return dx


# ---- documentation ----

MODULES = ["loopnest.shapes", "loopnest.reference"] + [
    f"loopnest.reference.{module.name}" for module in pkgutil.iter_modules(reference.__path__)
]


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", [name for name in reference.__all__ if name[0].islower()])
def test_every_operator_has_an_example(name):
    assert ">>>" in getattr(reference, name).__doc__


# ---- shapes ----


@pytest.mark.parametrize("name", ["conv2d", "pool2d", "gemm", "lstm", "bench_conv2d", "bench_lstm"])
def test_shapes_round_trip(name):
    every = shapes.load(name)
    assert every
    assert len(set(every)) == len(every), "a shape stands twice in the file"
    for shape in every:
        assert shapes.parse(shape.op, str(shape)) == shape


@pytest.mark.parametrize(
    ("op", "text", "reason"),
    [
        ("gemm", "m1 n2", "missing k"),
        ("gemm", "m1 n2 k3 q4", "unknown"),
        ("gemm", "m1 n2 k3 k3", "repeats"),
        ("gemm", "m1 n2 k-3", "not a name"),
        ("fft", "n1", "no shapes"),
        ("conv2d", "n1 ic1 ih2 iw2 oc1 kh3 kw1", "no output"),
        ("conv2d", "n1 ic1 ih2 iw2 oc1 kh1 kw1 s0", "no output"),
        ("conv2d", "n1 ic3 ih2 iw2 oc4 kh1 kw1 g2", "groups"),
        ("conv2d", "n1 ic3 ih2 iw2 oc4 kh1 kw1 s2 s_h2", "repeats"),
        ("pool2d", "n1 c1 ih4 iw4 kh2 kw2 p2", "half"),
    ],
)
def test_shapes_refuse(op, text, reason):
    with pytest.raises(ValueError, match=reason):
        shapes.parse(op, text)


# ---- conv2d ----


def naive_conv2d(x, w, bias, s):
    """Seven loops."""
    y = np.zeros(s.y)
    for n, oc, oh, ow in np.ndindex(s.y):
        for ic, kh, kw in np.ndindex(s.ic // s.g, s.kh, s.kw):
            ih, iw = oh * s.s_h - s.p_h + kh * s.d_h, ow * s.s_w - s.p_w + kw * s.d_w
            if 0 <= ih < s.ih and 0 <= iw < s.iw:
                c = oc // (s.oc // s.g) * (s.ic // s.g) + ic
                y[n, oc, oh, ow] += x[n, c, ih, iw] * w[oc, ic, kh, kw]
        y[n, oc, oh, ow] += bias[oc]
    return y


def conv2d_case(s):
    r = rng(s.n, s.ic, s.oc)
    arguments = {"stride": s.stride, "padding": s.padding, "dilation": s.dilation, "groups": s.g}
    return r.normal(size=s.x), r.normal(size=s.w), r.normal(size=s.oc), r.normal(size=s.y), arguments


@pytest.mark.parametrize("s", [s for s in CONV2D if s.flop < 30_000], ids=str)
def test_conv2d_is_seven_loops(s):
    x, w, bias, _, arguments = conv2d_case(s)
    close(reference.conv2d(x, w, bias, **arguments), naive_conv2d(x, w, bias, s))


@pytest.mark.parametrize("s", CONV2D, ids=str)
def test_conv2d_backward_is_the_adjoint(s):
    """conv2d is linear in x and in w, so <dy, conv2d(x, w)> = <dx, x> = <dw, w>: exact, for any x, w, dy."""
    x, w, _, dy, arguments = conv2d_case(s)
    y = reference.conv2d(x, w, **arguments)
    dx = reference.conv2d_backward_input(s.x, w, dy, **arguments)
    dw, dbias = reference.conv2d_backward_weight(x, s.w, dy, **arguments)
    assert (dx.shape, dw.shape, dbias.shape) == (s.x, s.w, (s.oc,))
    size = max(1.0, np.abs(y).ravel() @ np.abs(dy).ravel())
    close(np.sum(dx * x) / size, np.sum(dy * y) / size)
    close(np.sum(dw * w) / size, np.sum(dy * y) / size)
    close(dbias, dy.sum(axis=(0, 2, 3)))


@pytest.mark.parametrize(
    "text",
    ["n2 ic4 ih5 iw4 oc6 kh3 kw2 s_h2 s_w1 p1 d_h1 d_w2 g2", "n1 ic1 ih3 iw3 oc2 kh3 kw3 p2"],
)
def test_conv2d_backward_numerically(text):
    s = shapes.Conv2dShape.parse(text)
    x, w, bias, dy, arguments = conv2d_case(s)
    dw, dbias = reference.conv2d_backward_weight(x, s.w, dy, **arguments)
    dx = reference.conv2d_backward_input(s.x, w, dy, **arguments)
    close(dx, slope(lambda v: reference.conv2d(v, w, bias, **arguments), x, dy), 1e-8)
    close(dw, slope(lambda v: reference.conv2d(x, v, bias, **arguments), w, dy), 1e-8)
    close(dbias, slope(lambda v: reference.conv2d(x, w, v, **arguments), bias, dy), 1e-8)


def test_conv2d_padding_names():
    x, w = rng().normal(size=(1, 2, 5, 6)), rng(1).normal(size=(3, 2, 3, 2))
    same = reference.conv2d(x, w, padding="same")
    assert same.shape == (1, 3, 5, 6)
    close(same, reference.conv2d(x, w, padding=((1, 1), (0, 1))))
    close(reference.conv2d(x, w, padding="valid"), reference.conv2d(x, w))


# ---- pooling ----


def window(s, n, c, oh, ow):
    """The places inside the image that output (oh, ow) looks at, in row order."""
    for kh, kw in np.ndindex(s.kh, s.kw):
        ih, iw = oh * s.s_h - s.p_h + kh * s.d_h, ow * s.s_w - s.p_w + kw * s.d_w
        if 0 <= ih < s.ih and 0 <= iw < s.iw:
            yield n, c, ih, iw


@pytest.mark.parametrize("s", POOL2D, ids=str)
def test_max_pool2d_by_definition(s):
    x = rng(s.c, s.ih).integers(-3, 4, size=s.x).astype(float)  # few values: many ties
    y, indices = reference.max_pool2d(x, s.kernel, s.stride, s.padding, s.dilation, bool(s.ceil))
    assert y.shape == indices.shape == s.y
    dy = rng(2).normal(size=s.y)
    dx = np.zeros(s.x)
    for at in np.ndindex(s.y):
        best = max(window(s, *at), key=lambda place: x[place])  # max keeps the first of equals
        assert y[at] == x[best]
        assert indices[at] == best[2] * s.iw + best[3]
        dx[best] += dy[at]
    close(reference.max_pool2d_backward(dy, indices, s.x), dx)


def test_max_pool2d_nan_wins_and_minus_infinity_has_a_place():
    x = np.array([[1.0, np.nan], [5.0, 2.0]]).reshape(1, 1, 2, 2)
    y, indices = reference.max_pool2d(x, 2)
    assert np.isnan(y).all()
    assert indices.item() == 1
    y, indices = reference.max_pool2d(np.full((1, 1, 2, 2), -np.inf), 2, padding=1)
    assert (y == -np.inf).all()
    assert indices.ravel().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("include", [True, False], ids=["padding-counts", "padding-does-not-count"])
@pytest.mark.parametrize("s", [s for s in POOL2D if s.dilation == (1, 1)], ids=str)
def test_avg_pool2d_by_definition(s, include):
    x, dy = rng(s.c, s.ih).normal(size=s.x), rng(2).normal(size=s.y)
    arguments = (s.kernel, s.stride, s.padding, bool(s.ceil), include)
    y, dx = np.zeros(s.y), np.zeros(s.x)
    for at in np.ndindex(s.y):
        places = list(window(s, *at))
        h, w = at[2] * s.s_h - s.p_h, at[3] * s.s_w - s.p_w
        padded = (min(h + s.kh, s.ih + s.p_h) - h) * (min(w + s.kw, s.iw + s.p_w) - w)
        divisor = padded if include else len(places)
        y[at] = sum(x[place] for place in places) / divisor
        for place in places:
            dx[place] += dy[at] / divisor
    close(reference.avg_pool2d(x, *arguments), y)
    close(reference.avg_pool2d_backward(dy, s.x, *arguments), dx)


# ---- gemm, activations, embedding ----


@pytest.mark.parametrize("s", shapes.load("gemm"), ids=str)
def test_gemm(s):
    r = rng(s.m, s.n)
    a, b = r.normal(size=(s.m, s.k)), r.normal(size=(s.k, s.n))
    bias, c = r.normal(size=s.n), r.normal(size=(s.m, s.n))
    close(reference.gemm(a, b, bias, c), np.einsum("mk,kn->mn", a, b) + bias + c)
    close(reference.linear(a, b.T, bias), reference.gemm(a, b, bias))


def test_linear_backward_numerically():
    r = rng(7)
    x, w, bias = r.normal(size=(2, 3, 4)), r.normal(size=(5, 4)), r.normal(size=5)
    dy = r.normal(size=(2, 3, 5))
    dx, dw, dbias = reference.linear_backward(dy, x, w)
    close(dx, slope(lambda v: reference.linear(v, w, bias), x, dy), 1e-8)
    close(dw, slope(lambda v: reference.linear(x, v, bias), w, dy), 1e-8)
    close(dbias, slope(lambda v: reference.linear(x, w, v), bias, dy), 1e-8)


def test_activations():
    x = np.concatenate([np.linspace(-30, 30, 121) + 0.01, [800.0, -800.0]])
    dy = rng().normal(size=x.shape)
    close(reference.sigmoid(x), 0.5 * (1 + np.tanh(x / 2)))
    close(reference.relu_backward(dy, x), slope(reference.relu, x, dy), 1e-6)  # 800 +- 1e-5 keeps 9 digits
    close(reference.sigmoid_backward(dy, reference.sigmoid(x)), slope(reference.sigmoid, x, dy), 1e-8)
    close(reference.tanh_backward(dy, reference.tanh(x)), slope(reference.tanh, x, dy), 1e-8)
    assert np.isnan(reference.relu([np.nan])).all()


def test_embedding():
    table, index = rng().normal(size=(5, 3)), np.array([[0, 4, 4], [1, 4, 0]])
    dy = rng(1).normal(size=(2, 3, 3))
    close(reference.embedding(index, table), np.array([[table[i] for i in row] for row in index]))
    dw = reference.embedding_backward(dy, index, 5)
    close(dw, slope(lambda v: reference.embedding(index, v), table, dy), 1e-8)
    assert not reference.embedding_backward(dy, index, 5, padding_idx=4)[4].any()
    for wrong in (5, -1):
        with pytest.raises(IndexError):
            reference.embedding([wrong], table)


# ---- cross-entropy ----

CROSS_ENTROPY = [
    (shape, weighted, ignored, reduction, smoothing)
    for shape in [(4, 5), (3, 4, 2, 3)]
    for weighted in (False, True)
    for ignored in (False, True)
    for reduction in ("mean", "sum", "none")
    for smoothing in (0.0, 0.3)
]


def cross_entropy_case(shape, weighted, ignored, reduction, smoothing):
    r = rng(*shape)
    z, target = 3 * r.normal(size=shape), r.integers(0, shape[1], size=(shape[0], *shape[2:]))
    arguments = {"weight": r.uniform(0.5, 2, size=shape[1]) if weighted else None}
    arguments |= {
        "reduction": reduction,
        "label_smoothing": smoothing,
        "ignore_index": 1 if ignored else -100,
    }
    return z, target, arguments


@pytest.mark.parametrize("case", CROSS_ENTROPY, ids=str)
def test_cross_entropy(case):
    shape, _, _, reduction, smoothing = case
    z, target, arguments = cross_entropy_case(*case)
    w = np.ones(shape[1]) if arguments["weight"] is None else arguments["weight"]
    losses, divisor = np.zeros(target.shape), 0.0
    for at in np.ndindex(target.shape):
        if target[at] == arguments["ignore_index"]:
            continue
        scores = z[(at[0], slice(None), *at[1:])]
        log_p = np.log(np.exp(scores) / np.exp(scores).sum())
        losses[at] = -(1 - smoothing) * w[target[at]] * log_p[target[at]] - smoothing / shape[1] * (w @ log_p)
        divisor += w[target[at]]
    expected = {"none": losses, "sum": losses.sum(), "mean": losses.sum() / divisor}[reduction]
    close(reference.cross_entropy(z, target, **arguments), expected)
    dy = rng(9).normal(size=np.shape(expected))
    dz = reference.cross_entropy_backward(dy, z, target, **arguments)
    close(dz, slope(lambda v: reference.cross_entropy(v, target, **arguments), z, dy), 1e-8)


def test_cross_entropy_edges():
    assert np.isnan(reference.cross_entropy([[1.0, 2.0]], [-100]))  # as PyTorch: the mean of nothing
    assert reference.cross_entropy([[1e4, -1e4]], [0]) == 0.0
    assert reference.cross_entropy([[-np.inf, 0.0]], [1]) == 0.0
    with pytest.raises(IndexError):
        reference.cross_entropy([[1.0, 2.0]], [2])


# ---- lstm ----


def lstm_case(s, seed=0):
    """Weights of PyTorch's initial size, uniform within 1 / sqrt(H)."""
    r, k = rng(s.t, s.n, s.i, s.h, seed), 1 / np.sqrt(s.h)
    x, h_0, c_0 = r.normal(size=(s.t, s.n, s.i)), r.normal(size=(s.n, s.h)), r.normal(size=(s.n, s.h))
    weights = [
        r.uniform(-k, k, size=size) for size in ((4 * s.h, s.i), (4 * s.h, s.h), (4 * s.h,), (4 * s.h,))
    ]
    return x, weights, h_0, c_0


@pytest.mark.parametrize("s", [s for s in LSTM if s.flop < 60_000], ids=str)
def test_lstm_one_number_at_a_time(s):
    x, (w_ih, w_hh, b_ih, b_hh), h_0, c_0 = lstm_case(s)
    y, (h_n, c_n) = reference.lstm(x, w_ih, w_hh, b_ih, b_hh, h_0, c_0)
    h, c = h_0.copy(), c_0.copy()
    for t in range(s.t):
        before = h.copy()
        for n, j in np.ndindex(s.n, s.h):
            i, f, g, o = (
                w_ih[row] @ x[t, n] + w_hh[row] @ before[n] + b_ih[row] + b_hh[row]
                for row in range(j, 4 * s.h, s.h)
            )
            i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
            c[n, j] = f * c[n, j] + i * np.tanh(g)
            h[n, j] = o * np.tanh(c[n, j])
        close(y[t], h)
    close(h_n, h)
    close(c_n, c)


@pytest.mark.parametrize("s", LSTM, ids=str)
def test_lstm_carries_its_state(s):
    x, weights, h_0, c_0 = lstm_case(s)
    whole = reference.lstm_steps(x, *weights, h_0, c_0)
    first = reference.lstm_steps(x[: s.t // 2], *weights, h_0, c_0)
    second = reference.lstm_steps(x[s.t // 2 :], *weights, first.h_n, first.c_n)
    for field in ("output", "gates", "cells"):
        close(getattr(whole, field), np.concatenate([getattr(first, field), getattr(second, field)]))
    close(whole.h_n, second.h_n)
    close(whole.c_n, second.c_n)
    backwards = reference.lstm_steps(x[::-1], *weights, h_0, c_0, reverse=True)
    close(backwards.output[::-1], whole.output)
    close(backwards.c_n, whole.c_n)


@pytest.mark.parametrize("reverse", [False, True])
def test_lstm_backward_numerically(reverse):
    s = shapes.LstmShape(t=4, n=2, i=3, h=3)
    x, weights, h_0, c_0 = lstm_case(s)
    r = rng(5)
    dy, dh, dc = r.normal(size=(s.t, s.n, s.h)), r.normal(size=(s.n, s.h)), r.normal(size=(s.n, s.h))
    arguments = [x, *weights, h_0, c_0]
    gradients = reference.lstm_backward(dy, dh, dc, *arguments, reverse=reverse)
    for index, gradient in enumerate(gradients):

        def loss(value, index=index):
            changed = [*arguments[:index], value, *arguments[index + 1 :]]
            y, (h_n, c_n) = reference.lstm(*changed, reverse=reverse)
            return np.sum(dy * y) + np.sum(dh * h_n) + np.sum(dc * c_n)

        close(gradient, slope(loss, arguments[index], 1.0), 1e-8)


# ---- bounds: they hold for float32 sums in a bad order, and are not so wide that they hold for anything ----


@pytest.mark.parametrize("k", [1, 10, 1000])
def test_gemm_bound_holds_and_is_not_idle(k):
    r = rng(k)
    a, b = r.normal(size=(20, k)).astype(np.float32), r.normal(size=(k, 30)).astype(np.float32)
    total = np.zeros((20, 30), np.float32)
    for i in range(k):  # one long chain of roundings
        total += a[:, i : i + 1] * b[i]
    error, limit = np.abs(total - reference.gemm(a, b)), bound.gemm_bound(a, b)
    assert (error <= limit).all()
    fewer = reference.gemm(a[:, 1:], b[1:])  # what a bug does: one product too few
    assert (np.abs(fewer - reference.gemm(a, b)) > limit).mean() > 0.5


def float32_sigmoid(x):
    return np.float32(1) / (np.float32(1) + np.exp(-x))


@pytest.mark.parametrize("s", LSTM, ids=str)
def test_lstm_bound_holds_and_is_not_idle(s):
    x, weights, h_0, c_0 = lstm_case(s)
    x, h, c = x.astype(np.float32), h_0.astype(np.float32), c_0.astype(np.float32)
    w_ih, w_hh, b_ih, b_hh = weights = [w.astype(np.float32) for w in weights]
    exact = reference.lstm_steps(x, *weights, h, c)
    limit = bound_recurrent.lstm_bound(x, *weights, h, c)
    for t in range(s.t):
        i, f, g, o = np.split(x[t] @ w_ih.T + h @ w_hh.T + b_ih + b_hh, 4, axis=1)
        c = float32_sigmoid(f) * c + float32_sigmoid(i) * np.tanh(g)
        h = float32_sigmoid(o) * np.tanh(c)
        assert h.dtype == np.float32
        assert (np.abs(h - exact.output[t]) <= limit.output[t]).all()
        assert (np.abs(c - exact.cells[t]) <= limit.cells[t]).all()
    assert limit.output.max(initial=0.0) < 1e-3


def test_lstm_backward_bound_holds_and_is_not_idle():
    s = shapes.LstmShape(t=6, n=3, i=8, h=16)
    x, weights, h_0, c_0 = lstm_case(s)
    dy = rng(1).normal(size=(s.t, s.n, s.h))
    kept = reference.lstm_steps(x, *weights, h_0, c_0)
    every = [a.astype(np.float32) for a in (dy, h_0, c_0, x, *weights[:2], *kept, h_0, c_0)]

    def gradients(dy, dh, dc, x, w_ih, w_hh, y, h_n, c_n, gates, cells, *states):
        steps = reference.LstmSteps(y, h_n, c_n, gates, cells)
        return reference.lstm_backward_steps(dy, dh, dc, x, w_ih, w_hh, steps, *states)

    exact = gradients(*every)
    limit = bound_recurrent.lstm_backward_bound(*every[:7], *every[9:])
    # half a rounding in every number stays within the bound; fifty thousand (0.3 %) do not
    for roundings, inside in ((0.5, True), (50_000, False)):
        moved = [a * (1 + roundings * 2.0**-24 * rng(2).choice([-1, 1], a.shape)) for a in every]
        results = zip(gradients(*moved), exact, limit, strict=True)
        assert all((np.abs(a - b) <= e).all() for a, b, e in results) == inside
    assert max(float(e.max()) for e in limit) < 1e-2


def test_cross_entropy_bound_holds_and_is_not_idle():
    z = (5 * rng().normal(size=(8, 10))).astype(np.float32)
    target = rng(1).integers(0, 10, size=8)
    shifted = z - z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -log_p[np.arange(8), target]
    dz = np.exp(log_p) - np.eye(10, dtype=np.float32)[target]
    assert loss.dtype == dz.dtype == np.float32
    limit = bound.cross_entropy_bound(z, target, reduction="none")
    exact_dz = reference.cross_entropy_backward(np.ones(8), z, target, reduction="none")
    assert (np.abs(loss - reference.cross_entropy(z, target, reduction="none")) <= limit.loss).all()
    assert (np.abs(dz - exact_dz) <= limit.input).all()
    assert limit.loss.max() < 1e-4
    assert limit.input.max() < 1e-5


# ---- PyTorch, where it is installed ----


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch", reason="torch is not installed: parity with PyTorch is not tested")
    torch.set_num_threads(1)
    return torch


def torch_gradients(torch, function, *arrays, dy):
    """function's result and the gradients of sum(dy * result) for every array."""
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    y = function(*tensors)
    return y.detach().numpy(), *(g.numpy() for g in torch.autograd.grad(y, tensors, torch.tensor(dy)))


@pytest.mark.parametrize("s", CONV2D, ids=str)
def test_conv2d_torch(torch, s):
    x, w, bias, dy, arguments = conv2d_case(s)
    conv2d = torch.nn.functional.conv2d
    y, *expected = torch_gradients(torch, lambda *a: conv2d(*a, **arguments), x, w, bias, dy=dy)
    close(reference.conv2d(x, w, bias, **arguments), y)
    close(reference.conv2d_backward_input(s.x, w, dy, **arguments), expected[0])
    dw, dbias = reference.conv2d_backward_weight(x, s.w, dy, **arguments)
    close(dw, expected[1])
    close(dbias, expected[2])


@pytest.mark.parametrize("s", POOL2D, ids=str)
def test_pool2d_torch(torch, s):
    functional = torch.nn.functional
    x, dy = rng(s.c).integers(-3, 4, size=s.x).astype(float), rng(2).normal(size=s.y)
    arguments = (s.kernel, s.stride, s.padding, s.dilation, bool(s.ceil))
    y, indices = reference.max_pool2d(x, *arguments)
    theirs = functional.max_pool2d(torch.tensor(x), *arguments, return_indices=True)
    close(y, theirs[0].numpy())
    assert (indices == theirs[1].numpy()).all()
    if s.dilation == (1, 1):
        for include in (True, False):
            arguments = (s.kernel, s.stride, s.padding, bool(s.ceil), include)
            y, dx = torch_gradients(torch, lambda v, a=arguments: functional.avg_pool2d(v, *a), x, dy=dy)
            close(reference.avg_pool2d(x, *arguments), y)
            close(reference.avg_pool2d_backward(dy, s.x, *arguments), dx)


@pytest.mark.parametrize("case", CROSS_ENTROPY, ids=str)
def test_cross_entropy_torch(torch, case):
    z, target, arguments = cross_entropy_case(*case)
    weight = arguments["weight"]
    theirs = arguments | {"weight": None if weight is None else torch.tensor(weight)}
    mine = reference.cross_entropy(z, target, **arguments)
    dy = rng(9).normal(size=mine.shape)
    cross_entropy = torch.nn.functional.cross_entropy
    loss, dz = torch_gradients(torch, lambda v: cross_entropy(v, torch.tensor(target), **theirs), z, dy=dy)
    close(mine, loss)
    close(reference.cross_entropy_backward(dy, z, target, **arguments), dz)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_lstm_torch(torch, layers, bidirectional):
    module = torch.nn.LSTM(5, 4, layers, bidirectional=bidirectional, dtype=torch.float64)
    every = [p.detach().numpy() for p in module.parameters()]
    weights = [tuple(every[at : at + 4]) for at in range(0, len(every), 4)]
    r, states = rng(3), layers * (1 + bidirectional)
    x, h_0, c_0 = r.normal(size=(6, 3, 5)), r.normal(size=(states, 3, 4)), r.normal(size=(states, 3, 4))
    y, (h_n, c_n) = module(torch.tensor(x), (torch.tensor(h_0), torch.tensor(c_0)))
    mine, (h, c) = reference.lstm_stack(x, weights, h_0, c_0, bidirectional)
    close(mine, y.detach().numpy())
    close(h, h_n.detach().numpy())
    close(c, c_n.detach().numpy())


def test_lstm_backward_torch(torch):
    s = shapes.LstmShape(t=5, n=3, i=4, h=6)
    x, weights, h_0, c_0 = lstm_case(s)
    module = torch.nn.LSTM(4, 6, dtype=torch.float64)
    module.load_state_dict({k: torch.tensor(w) for k, w in zip(module.state_dict(), weights, strict=True)})
    inputs = [torch.tensor(a, requires_grad=True) for a in (x, h_0[None], c_0[None])]
    y, (h_n, c_n) = module(inputs[0], (inputs[1], inputs[2]))
    dy, dh, dc = rng(1).normal(size=y.shape), rng(2).normal(size=(3, 6)), rng(3).normal(size=(3, 6))
    torch.autograd.backward([y, h_n, c_n], [torch.tensor(dy), torch.tensor(dh[None]), torch.tensor(dc[None])])
    mine = reference.lstm_backward(dy, dh, dc, x, *weights, h_0, c_0)
    close(mine.input, inputs[0].grad.numpy())
    close(mine.h_0, inputs[1].grad.numpy()[0])
    close(mine.c_0, inputs[2].grad.numpy()[0])
    for gradient, parameter in zip(mine[1:5], module.parameters(), strict=True):
        close(gradient, parameter.grad.numpy())
