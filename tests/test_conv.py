"""Convolutions over 1, 2 and 3 axes of space and transposed ones: PyTorch's results for random arguments,
gradients against differences, every kind of padding, errors."""

import re

import numpy as np
import pytest
from loopnest.engine import conv
from loopnest.engine.tape import tensor

import loopnest.nn.functional as F
from loopnest import nn, ops, reference
from loopnest.autograd import gradcheck

FORWARD = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
LAYERS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
UP = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")


class Draw:
    """Random shapes and options of a convolution."""

    def __init__(self, seed: int, axes: int, transposed: bool = False):
        self.rng = rng = np.random.default_rng([seed, axes, transposed])
        self.axes = axes
        pick = lambda *v: tuple(int(rng.choice(v)) for _ in range(axes))  # noqa: E731
        self.groups = int(rng.choice([1, 1, 1, 2, 3]))
        self.ic = self.groups * int(rng.integers(1, 5 if axes == 3 else 20))
        self.oc = self.groups * int(rng.integers(1, 5 if axes == 3 else 20))
        if rng.random() < 0.2:
            self.groups = self.oc = self.ic  # depthwise
        self.n = int(rng.choice([0, 1, 2, 3], p=[0.05, 0.4, 0.4, 0.15]))
        self.kernel, self.dilation = pick(1, 2, 3, 4), pick(1, 1, 2, 3)
        self.stride, self.padding = pick(1, 1, 2, 3, 5), pick(0, 1, 2, 4)
        self.size = pick(3, 4, 5, 7, 11)
        reach = [d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True)]
        if transposed:
            self.more = tuple(
                int(rng.integers(0, max(v))) for v in zip(self.stride, self.dilation, strict=True)
            )
            outs = zip(self.size, self.stride, self.padding, reach, self.more, strict=True)
            self.padding = tuple(p if (i - 1) * s - 2 * p + r + o > 0 else 0 for i, s, p, r, o in outs)
        else:
            self.size = tuple(
                max(i, r - 2 * p) for i, r, p in zip(self.size, reach, self.padding, strict=True)
            )

    def array(self, *shape: int, dtype=np.float32) -> np.ndarray:
        """Normal numbers, in one of the layouts that people have: contiguous, channels-last, turned round."""
        a = self.rng.normal(size=shape).astype(dtype)
        layout = self.rng.integers(3)
        if layout == 1 and len(shape) > 2:
            return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)
        return a[..., ::-1] if layout == 2 else a


def compare(ours, theirs, what, roundings=2000):
    scale = max(1.0, float(np.abs(theirs).max(initial=0)))
    assert ours.shape == theirs.shape, what
    assert (np.abs(ours - theirs) <= roundings * np.finfo(np.float32).eps / 2 * scale).all(), what


def same_as_torch(torch, ours, theirs, arrays, what):
    """Results and gradients of all arrays; `ours` and `theirs` take Tensors of their kind."""
    mine = [tensor(a, requires_grad=True) for a in arrays]
    their = [torch.tensor(a.copy(), requires_grad=True) for a in arrays]
    y, t = ours(*mine), theirs(*their)
    compare(y.detach().numpy(), t.detach().numpy(), what)
    g = np.random.default_rng(1).normal(size=t.shape).astype(np.float32)
    y.backward(tensor(g))
    t.backward(torch.tensor(g))
    for name, m, u in zip(("input", "weight", "bias"), mine, their, strict=False):
        compare(m.grad.numpy(), u.grad.numpy(), f"{what}: gradient of {name}")


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_convolution_as_torch(torch, axes, seed):
    d = Draw(seed, axes)
    x, w = d.array(d.n, d.ic, *d.size), d.array(d.oc, d.ic // d.groups, *d.kernel)
    arrays = [x, w, d.array(d.oc)] if seed % 3 else [x, w]
    how = {"stride": d.stride, "padding": d.padding, "dilation": d.dilation, "groups": d.groups}
    theirs = getattr(torch.nn.functional, f"conv{axes}d")
    what = f"{[a.shape for a in arrays]} {how}"
    same_as_torch(torch, lambda *a: FORWARD[axes](*a, **how), lambda *a: theirs(*a, **how), arrays, what)
    compare(getattr(ops, f"conv{axes}d")(*arrays, **how), reference.conv3d(*arrays, **how), what)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_transposed_convolution_as_torch(torch, axes, seed):
    d = Draw(seed, axes, transposed=True)
    x, w = d.array(d.n, d.ic, *d.size), d.array(d.ic, d.oc // d.groups, *d.kernel)
    arrays = [x, w, d.array(d.oc)] if seed % 3 else [x, w]
    how = {"stride": d.stride, "padding": d.padding, "output_padding": d.more}
    how |= {"groups": d.groups, "dilation": d.dilation}
    op = f"conv_transpose{axes}d"
    theirs = getattr(torch.nn.functional, op)
    what = f"{[a.shape for a in arrays]} {how}"
    same_as_torch(torch, lambda *a: TRANSPOSED[axes](*a, **how), lambda *a: theirs(*a, **how), arrays, what)
    expected = getattr(ops, op)(*arrays, **how, rung="numpy")
    compare(getattr(ops, op)(*arrays, **how), expected, what)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_layers_as_torch(torch, axes, mode):
    """The same text, keys, values and sizes; weights go over as they are."""
    theirs = getattr(torch.nn, f"Conv{axes}d")(4, 6, 3, stride=2, padding=2, groups=2, padding_mode=mode)
    ours = LAYERS[axes](4, 6, 3, stride=2, padding=2, groups=2, padding_mode=mode)
    assert repr(ours) == repr(theirs)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 6, 7)[: 2 + axes]).astype(np.float32)
    same_as_torch(torch, ours, theirs, [x], mode)
    if mode != "zeros":
        for padding in ("same", "valid"):
            theirs = getattr(torch.nn, f"Conv{axes}d")(4, 6, 4, padding=padding, padding_mode=mode)
            ours = LAYERS[axes](4, 6, 4, padding=padding, padding_mode=mode)
            ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
            same_as_torch(torch, ours, theirs, [x], f"{mode}, {padding}")


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_transposed_layers_as_torch(torch, axes):
    arguments = {"stride": 3, "padding": 1, "output_padding": 2, "groups": 2, "dilation": 2}
    theirs = getattr(torch.nn, f"ConvTranspose{axes}d")(4, 6, 3, **arguments)
    ours = UP[axes](4, 6, 3, **arguments)
    assert repr(ours) == repr(theirs)
    assert ours.weight.shape == tuple(theirs.weight.shape)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(2, 4, 3, 4, 5)[: 2 + axes]).astype(np.float32)
    same_as_torch(torch, ours, theirs, [x], "default size")
    size = [(i - 1) * 3 - 2 + 4 + 1 + o for i, o in zip(x.shape[2:], (0, 1, 2), strict=False)]
    for wanted in (size, [2, 6, *size]):
        y = ours(tensor(x), output_size=wanted).detach()
        compare(
            y.detach().numpy(), theirs(torch.tensor(x), output_size=wanted).detach().numpy(), "output_size"
        )
    with pytest.raises(ValueError, match="valid sizes range from"):
        ours(tensor(x), output_size=[i + 9 for i in size])
    with pytest.raises(ValueError, match="output_size"):
        ours(tensor(x), output_size=[1] * (axes + 1))


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_gradients(axes, seed):
    """Against central differences, in float64, forward and transposed."""
    d = Draw(100 + seed, axes)
    ic, oc, g = (4, 6, 2) if seed else (2, 3, 1)
    size, kernel = (4, 3, 3)[:axes], (2, 3, 2)[:axes]
    leaf = lambda *s: tensor(d.rng.uniform(-1, 1, s), requires_grad=True)  # noqa: E731
    how = {"stride": 1 + seed % 2, "dilation": 2 - seed % 2, "groups": g}
    pairs = tuple((2, 1) for _ in range(axes))
    inputs = leaf(1, ic, *size), leaf(oc, ic // g, *kernel), leaf(oc)
    assert gradcheck(lambda *a: FORWARD[axes](*a, padding=pairs, **how), inputs)
    inputs = leaf(1, ic, *size), leaf(ic, oc // g, *kernel), leaf(oc)
    assert gradcheck(lambda *a: TRANSPOSED[axes](*a, padding=1, output_padding=seed % 2, **how), inputs)


# ---- padding ----


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("padding", ["same", "same_upper", "causal", "valid", "pairs"])
def test_padding_by_rule(axes, padding):
    """The same as with the zeros written out, forward and backward."""
    if padding == "causal" and axes > 1:
        return
    rng = np.random.default_rng(axes)
    for stride in (1, 2, 3):
        if padding == "same" and stride > 1:
            continue
        for dilation, kernel in ((1, 4), (2, 3), (1, 1), (3, 2)):
            size = (9, 7, 8)[:axes]
            reach = dilation * (kernel - 1)
            if padding == "same_upper":
                totals = [max((-(-i // stride) - 1) * stride + reach + 1 - i, 0) for i in size]
                by_hand = [(t // 2, t - t // 2) for t in totals]
            elif padding == "pairs":
                by_hand = [(3, 0), (0, 2), (1, 4)][:axes]
            else:
                by_hand = {
                    "same": [(reach // 2, reach - reach // 2)] * axes,
                    "causal": [(reach, 0)],
                    "valid": [(0, 0)] * axes,
                }[padding]
            x, w = rng.normal(size=(2, 3, *size)), rng.normal(size=(4, 3, *(kernel,) * axes))
            expected = reference.conv3d(np.pad(x, ((0, 0), (0, 0), *by_hand)), w, None, stride, 0, dilation)
            given = by_hand if padding == "pairs" else padding
            y = FORWARD[axes](tensor(x), tensor(w), stride=stride, padding=given, dilation=dilation)
            np.testing.assert_allclose(y.numpy(), expected, rtol=1e-10, atol=1e-10)
            if padding.startswith("same"):
                assert y.shape[2:] == tuple(-(-i // stride) for i in size)
            f4 = [a.astype(np.float32) for a in (x, w)]
            op = getattr(ops, f"conv{axes}d")
            how = {"stride": stride, "padding": given, "dilation": dilation}
            compare(op(*f4, **how), expected, given)
            compare(op(*f4, **how, rung="numpy"), expected, given)
            layer = LAYERS[axes](3, 4, kernel, stride=stride, padding=given, dilation=dilation, bias=False)
            layer.load_state_dict({"weight": f4[1]})
            compare(layer(tensor(f4[0])).detach().numpy(), expected, given)


def test_causal_means_that_nothing_comes_from_later():
    layer = nn.Conv1d(3, 5, 4, padding="causal", dilation=3)
    x = np.random.default_rng(0).normal(size=(1, 3, 30)).astype(np.float32)
    before = layer(tensor(x)).detach().numpy()
    assert before.shape == (1, 5, 30)
    x[..., 17:] = np.nan
    after = layer(tensor(x)).detach().numpy()
    np.testing.assert_array_equal(after[..., :17], before[..., :17])
    assert np.isnan(after[..., 17:]).all()


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda x, w: F.conv1d(x, w, padding="full"), ValueError, "'same_upper'"),
        (lambda x, w: F.conv1d(x, w, padding=(1, 2)), ValueError, "one number"),
        (lambda x, w: F.conv1d(x, w, padding=((1, 2, 3),)), ValueError, "pairs"),
        (lambda x, w: F.conv1d(x, w, padding=((1, -2),)), ValueError, "padding of at least 0, got -2"),
        (lambda x, w: F.conv1d(x, w, padding=((1, 2.5),)), TypeError, "2.5"),
        (lambda x, w: F.conv1d(x, w, padding="same", stride=2), ValueError, "same_upper"),
        (lambda x, w: F.conv1d(x, w, stride=0), ValueError, "stride of at least 1, got 0"),
        (lambda x, w: F.conv1d(x, w, stride=True), TypeError, "True"),
        (lambda x, w: F.conv1d(x, w, dilation=9), ValueError, "length of the kernel"),
        (lambda x, w: F.conv1d(x, w, groups=2), ValueError, "groups = 2 must divide"),
        (lambda x, w: F.conv1d(x, w[:, :2]), ValueError, "weight has 2 input channels, input has 3"),
        (lambda x, w: F.conv1d(x[0, 0], w), ValueError, "3 axes (N, C, L) or 2 axes (C, L), got 1"),
        (lambda x, w: F.conv1d(x, w[0]), ValueError, "weight of 3 axes"),
        (lambda x, w: F.conv1d(x, w, tensor(np.ones(3, "f"))), ValueError, "bias of shape (4,), got (3,)"),
        (lambda x, w: F.conv1d(x, tensor(np.ones((4, 3, 2)))), TypeError, "weight is float64"),
        (lambda x, w: F.conv2d(x[..., None], w[..., None], padding="causal"), ValueError, "one axis, time"),
        (lambda x, w: F.conv_transpose1d(x, w), ValueError, "weight is for 4 input channels, input has 3"),
        (lambda x, w: F.conv_transpose1d(x, w[:3], padding="same"), ValueError, "numbers, got 'same'"),
        (lambda x, w: F.conv_transpose1d(x, w[:3], output_padding=1), ValueError, "output_padding = 1"),
        (lambda x, w: F.conv_transpose1d(x, w[:3], padding=9), ValueError, "(6 - 1) * 1 - 9 - 9"),
        (lambda x, w: F.conv_transpose1d(x, w[:3], groups=2), ValueError, "groups = 2 must divide the 3"),
        (lambda x, w: ops.conv1d(x.numpy(), w.numpy()[0]), ValueError, "weight of 3 axes"),
        (lambda x, w: ops.conv3d(x.numpy(), w.numpy()), ValueError, "input of 5 axes (N, C_in, D, H, W)"),
        (lambda x, w: ops.conv_transpose2d(x.numpy(), w.numpy()), ValueError, "conv_transpose2d"),
        (lambda x, w: ops.conv1d_backward_input((1, 3), w.numpy(), x.numpy()), ValueError, "shape of 3 axes"),
        (lambda x, w: nn.Conv1d(3, 4, 2, padding="full"), ValueError, "causal"),
        (lambda x, w: nn.Conv2d(3, 4, 2, padding="causal"), ValueError, "one axis"),
        (lambda x, w: nn.Conv1d(3, 4, (2, 2)), ValueError, "kernel_size"),
        (lambda x, w: nn.Conv3d(3, 4, 2, padding=((0, -1), 0, 0)), ValueError, "padding of at least 0"),
        (lambda x, w: nn.Conv1d(3, 4, 2, padding_mode="mirror"), ValueError, "reflect"),
        (lambda x, w: nn.ConvTranspose1d(3, 4, 2, padding_mode="reflect"), ValueError, "zeros"),
        (lambda x, w: nn.ConvTranspose1d(3, 4, 2, padding="same"), ValueError, "numbers"),
        (
            lambda x, w: nn.Conv1d(3, 4, 9, padding=6, padding_mode="reflect")(x),
            ValueError,
            "below 6, got (6, 6)",
        ),
        (
            lambda x, w: nn.Conv1d(3, 4, 9, padding=7, padding_mode="circular")(x),
            ValueError,
            "at most 6, got (7, 7)",
        ),
    ],
)
def test_errors(call, kind, text):
    x, w = tensor(np.ones((2, 3, 6), "f")), tensor(np.ones((4, 3, 2), "f"))
    with pytest.raises(kind, match=re.escape(text)):
        call(x, w)


def test_names_of_nodes():
    x, w = tensor(np.ones((1, 2, 5), "f"), requires_grad=True), tensor(np.ones((2, 2, 3), "f"))
    assert FORWARD[1](x, w).grad_fn.name() == "Conv1dBackward"
    assert TRANSPOSED[1](x, w).grad_fn.name() == "ConvTranspose1dBackward"
    assert conv.pads("conv1d", "same_upper", (0,), (3,), (2,), (1,)) in ((1, 1), (1, 2))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_one_sample_and_only_the_wanted_gradients(axes):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, *(5,) * axes)), rng.normal(size=(3, 3, *(2,) * axes))
    for function in (FORWARD[axes], TRANSPOSED[axes]):
        whole = function(tensor(x[None]), tensor(w)).numpy()
        np.testing.assert_array_equal(function(tensor(x), tensor(w)).numpy(), whole[0])
        grads = []
        for wanted in range(8):
            leaves = [
                tensor(a, requires_grad=bool(wanted >> bit & 1))
                for bit, a in enumerate((x, w, w[:, 0].ravel()[:3]))
            ]
            y = function(*leaves)
            if wanted:
                y.sum().backward()
            grads.append([None if t.grad is None else t.grad.numpy() for t in leaves])
            assert [g is not None for g in grads[-1]] == [bool(wanted >> bit & 1) for bit in range(3)]
        for some in grads[:-1]:
            for a, b in zip(some, grads[-1], strict=True):
                assert a is None or np.allclose(a, b, rtol=1e-12)
