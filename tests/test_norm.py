"""Normalisation layers and activations: beside PyTorch, against differences, and what they refuse."""

import itertools

import numpy as np
import pytest

import loopnest
from loopnest import nn
from loopnest.autograd import gradcheck
from loopnest.nn import functional as F

RNG = np.random.default_rng(7)


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="parity with PyTorch needs torch")


def numbers(*shape, dtype=np.float64):
    return RNG.normal(size=shape).astype(dtype)


def close(ours, theirs, dtype, scale=1.0):
    """Within a few roundings of the largest number: the kernels' own bounds are tests/test_rungs.py's."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    limit = (2e-5 if dtype == np.float32 else 1e-10) * scale * max(1.0, np.abs(theirs).max(initial=0))
    assert (np.abs(ours - theirs) <= limit).all(), np.abs(ours - theirs).max()


def beside(torch, ours, theirs, x, dtype=np.float32, calls=2):
    """Output, gradients and buffers of two layers with the same state, over some calls."""
    theirs = theirs.to(torch.float32 if dtype == np.float32 else torch.float64)
    # numbers that are not those of a new layer
    with torch.no_grad():
        for p in theirs.parameters():
            p.copy_(torch.from_numpy(RNG.normal(size=tuple(p.shape))))
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours) == repr(theirs)
    for _ in range(calls):
        x = x + RNG.normal(size=x.shape).astype(dtype)
        a, b = loopnest.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        ya, yb = ours(a), theirs(b)
        g = RNG.normal(size=tuple(yb.shape)).astype(dtype)
        ya.backward(g)
        yb.backward(torch.from_numpy(g))
        close(ya.detach().numpy(), yb.detach().numpy(), dtype)
        close(a.grad.numpy(), b.grad.numpy(), dtype, 4)
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            close(p.grad.numpy(), q.grad.numpy(), dtype, 4)
        for (name, p), (other, q) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
            assert name == other
            close(p.numpy(), q.numpy(), dtype)


NORMS = [
    ("BatchNorm1d", (6,), {}, (5, 6)),
    ("BatchNorm1d", (33,), {"momentum": None}, (4, 33, 7)),
    ("BatchNorm2d", (16,), {}, (3, 16, 5, 4)),
    ("BatchNorm2d", (3,), {"eps": 1e-3, "momentum": 0.3}, (2, 3, 9, 20)),
    ("BatchNorm2d", (20,), {"affine": False}, (2, 20, 3, 3)),
    ("BatchNorm2d", (5,), {"track_running_stats": False}, (2, 5, 3, 3)),
    ("BatchNorm3d", (7,), {}, (2, 7, 3, 4, 5)),
    ("InstanceNorm1d", (6,), {"affine": True}, (3, 6, 11)),
    ("InstanceNorm2d", (17,), {"track_running_stats": True, "affine": True}, (2, 17, 4, 5)),
    ("InstanceNorm2d", (4,), {}, (4, 5, 6)),
    ("InstanceNorm3d", (3,), {"affine": True}, (2, 3, 2, 3, 4)),
    ("GroupNorm", (3, 12), {}, (2, 12, 5, 6)),
    ("GroupNorm", (1, 32), {"eps": 1e-2}, (3, 32, 9)),
    ("GroupNorm", (4, 8), {"affine": False}, (5, 8, 3)),
    ("LayerNorm", (37,), {}, (4, 6, 37)),
    ("LayerNorm", ((5, 6),), {}, (3, 4, 5, 6)),
    ("LayerNorm", (16,), {"bias": False}, (2, 16)),
    ("LayerNorm", (9,), {"elementwise_affine": False}, (9,)),
    ("RMSNorm", (40,), {}, (3, 7, 40)),
    ("RMSNorm", ((3, 4),), {"eps": 1e-3, "elementwise_affine": False}, (2, 3, 4)),
]


@pytest.mark.parametrize(("name", "args", "options", "shape"), NORMS)
@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norm_as_torch(torch, name, args, options, shape, mode, dtype):
    ours = getattr(nn, name)(*args, **options, dtype=dtype)
    theirs = getattr(torch.nn, name)(*args, **options)
    if mode == "eval":
        ours.eval()
        theirs.eval()
    beside(torch, ours, theirs, 3 + numbers(*shape, dtype=dtype), dtype)


@pytest.mark.parametrize(
    "shape", [(3, 6, 1, 5), (3, 6, 5, 1), (4, 6, 2, 1, 2), (4, 6, 1, 1, 3), (2, 1, 4, 1)]
)
def test_norm_of_axes_of_length_1(torch, shape):
    ours, theirs = (
        lib.BatchNorm2d(shape[1]) if len(shape) == 4 else lib.BatchNorm3d(shape[1]) for lib in (nn, torch.nn)
    )
    beside(torch, ours, theirs, 3 + numbers(*shape, dtype=np.float32), np.float32)


@pytest.mark.parametrize("layout", ["channels-last", "strided", "negative", "expanded", "transposed"])
def test_layouts_of_norms_agree(layout):
    x = numbers(3, 8, 6, 5, dtype=np.float32)
    if layout == "expanded":
        x = x[:, :, :, :1].repeat(5, 3)
        other = x[:, :, :, :1] + np.zeros((1, 1, 1, 5), np.float32)
        other = np.broadcast_to(x[:, :, :, :1], x.shape)
    elif layout == "channels-last":
        other = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    elif layout == "strided":
        other = np.zeros((3, 8, 12, 10), np.float32)[:, :, ::2, ::2]
        other[...] = x
    elif layout == "negative":
        other = np.ascontiguousarray(x[::-1, :, ::-1])[::-1, :, ::-1]
    else:
        other = np.ascontiguousarray(x.transpose(3, 2, 1, 0)).transpose(3, 2, 1, 0)
    for layer in (
        nn.BatchNorm2d(8),
        nn.GroupNorm(2, 8),
        nn.InstanceNorm2d(8),
        nn.LayerNorm(5),
        nn.LayerNorm((8, 6, 5)),
        nn.RMSNorm((6, 5)),
    ):
        results = []
        for data in (x, other):
            t = loopnest.from_numpy(data.copy() if layout == "copy" else data)
            t = t.detach()
            t.requires_grad_()
            y = layer(t)
            (y * loopnest.tensor(x)).sum().backward()
            results.append((y.detach().numpy(), t.grad.numpy()))
        for a, b in zip(*results, strict=True):
            close(a, b, np.float32)


def test_a_far_mean_does_not_cancel():
    """Variance 1 around 3000: from sums of squares in float32 nothing of it would be left."""
    x = (3000 + numbers(64, 16, 8, 8)).astype(np.float32)
    y = nn.BatchNorm2d(16)(loopnest.tensor(x)).detach().numpy()
    exact = x.astype(np.float64)
    exact = (exact - exact.mean((0, 2, 3), keepdims=True)) / np.sqrt(
        exact.var((0, 2, 3), keepdims=True) + 1e-5
    )
    assert np.abs(y - exact).max() < 2e-3  # one ULP of 3000 is 2.4e-4


GRADIENTS = {
    "batch": lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
    "batch eval": lambda x, w, b: F.batch_norm(
        x, x.detach()[0, :, 0] * 0 + 1, x.detach()[0, :, 0] * 0 + 2, w, b
    ),
    "instance": lambda x, w, b: F.instance_norm(x, weight=w, bias=b),
    "group": lambda x, w, b: F.group_norm(x, 2, w, b),
    "layer": lambda x, w, b: F.layer_norm(x.permute(0, 2, 1), (4,), w, b),
    "rms": lambda x, w, b: F.rms_norm(x.permute(0, 2, 1), 4, w) + b,
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_of_norms(name):
    inputs = [loopnest.tensor(numbers(*s), requires_grad=True) for s in ((3, 4, 5), (4,), (4,))]
    assert gradcheck(GRADIENTS[name], inputs)


def test_norm_bad_input():
    x = loopnest.tensor(numbers(2, 4, 3, dtype=np.float32))
    bad = [
        (lambda: F.batch_norm(x, None, None), "running_mean"),
        (lambda: F.batch_norm(x[:1, :, :1], None, None, training=True), "more than 1 value"),
        (lambda: F.batch_norm(x, None, None, loopnest.ones(3), training=True), r"weight of shape \(4,\)"),
        (lambda: F.batch_norm(x, loopnest.ones(4), None, training=True), "neither"),
        (lambda: F.batch_norm(x, None, None, training=True, eps=-1.0), "eps"),
        (lambda: F.batch_norm(x, None, None, training=True, eps=float("nan")), "eps"),
        (lambda: F.batch_norm(x[0, 0], None, None, training=True), "axes"),
        (lambda: F.batch_norm(x, None, None, training=True, momentum=-0.5), "momentum"),
        (lambda: F.batch_norm(x, None, None, training=True, momentum=float("nan")), "momentum"),
        (lambda: F.group_norm(x, 3), "num_groups"),
        (lambda: F.group_norm(x, 0), "num_groups"),
        (lambda: F.group_norm(x, -1), "num_groups"),
        (lambda: F.layer_norm(x, (4,)), "normalized_shape"),
        (lambda: F.layer_norm(x, ()), "normalized_shape"),
        (lambda: F.layer_norm(x, (3,), loopnest.ones(4)), "weight"),
        (lambda: F.rms_norm(x, (3,), eps=-2.0), "eps"),
        (lambda: nn.GroupNorm(3, 4), "num_groups"),
        (lambda: nn.BatchNorm2d(4)(x), "BatchNorm2d"),
        (lambda: nn.BatchNorm1d(5)(x), "5 channels"),
        (lambda: nn.BatchNorm1d(4, eps=-1), "eps"),
        (lambda: nn.LayerNorm(()), "normalized_shape"),
    ]
    for call, text in bad:
        with pytest.raises(ValueError, match=text):
            call()
    with pytest.raises(TypeError, match="float"):
        F.batch_norm(x, None, None, loopnest.ones(4, dtype=np.float64), training=True)
    with pytest.raises(TypeError):
        nn.BatchNorm1d("4")
    with pytest.raises(TypeError):
        F.layer_norm(loopnest.tensor(np.ones((2, 3), int)), 3)


def test_norm_of_nothing():
    x = loopnest.zeros(0, 4, 3, 3)
    assert nn.BatchNorm2d(4).eval()(x).shape == x.shape
    assert nn.GroupNorm(2, 4)(x).shape == x.shape
    assert nn.LayerNorm(3)(x).shape == x.shape


def test_running_statistics_survive_a_copy_and_a_step():
    layer = nn.BatchNorm1d(2, momentum=0.5)
    layer(loopnest.tensor(np.array([[1.0, 2.0], [3.0, 6.0]], np.float32)))
    assert layer.running_mean.numpy().tolist() == [1.0, 2.0]
    assert layer.running_var.numpy().tolist() == [1.5, 4.5]  # half of 1 and half of the sample's variance
    assert int(layer.num_batches_tracked) == 1
    other = nn.BatchNorm1d(2)
    other.load_state_dict(layer.state_dict())
    assert other.running_var.numpy().tolist() == [1.5, 4.5]


# ---- activations ----

ACTIVATIONS = [
    ("ReLU6", {}),
    ("LeakyReLU", {"negative_slope": 0.2}),
    ("ELU", {"alpha": 1.3}),
    ("SELU", {}),
    ("CELU", {"alpha": 0.7}),
    ("SiLU", {}),
    ("GELU", {}),
    ("GELU", {"approximate": "tanh"}),
    ("Softplus", {"beta": 2.0, "threshold": 3.0}),
    ("Hardtanh", {"min_val": -0.5, "max_val": 2.0}),
    ("Hardswish", {}),
    ("Hardsigmoid", {}),
    ("Mish", {}),
    ("LogSigmoid", {}),
    ("Softsign", {}),
    ("Tanhshrink", {}),
    ("Hardshrink", {}),
    ("Softshrink", {"lambd": 0.3}),
    ("Threshold", {"threshold": 0.1, "value": 5.0}),
    ("GLU", {"dim": 1}),
    ("PReLU", {"num_parameters": 6}),
    ("PReLU", {}),
    ("Softmax", {"dim": 1}),
    ("LogSoftmax", {"dim": 2}),
    ("Softmin", {"dim": 0}),
]


@pytest.mark.parametrize(("name", "options"), ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_activation_as_torch(torch, name, options, dtype):
    ours, theirs = getattr(nn, name)(**options), getattr(torch.nn, name)(**options)
    if dtype == np.float64:
        ours = ours.double() if hasattr(ours, "double") else ours
        if any(True for _ in ours.parameters()):
            pytest.skip("parameters are float32 here")
    if name in ("CELU", "Hardsigmoid"):
        theirs = theirs.float()  # PyTorch's constants are float32 even so
        dtype = np.float32
    beside(torch, ours, theirs, 3 * numbers(4, 6, 7, dtype=dtype), dtype)


@pytest.mark.parametrize(("name", "options"), [a for a in ACTIVATIONS if a[0] not in ("PReLU", "GLU")])
def test_activation_where_it_breaks(torch, name, options):
    """At the joints of its pieces, far out, at infinity and NaN: value and gradient."""
    x = np.array(
        [-3.0, 3.0, 0.0, -0.0, 6.0, 1.0, -1.0, 20.0, -20.0, 80.0, -80.0, 1e4, -1e4, np.nan], np.float32
    )
    if "oft" in name and name not in ("Softplus", "Softsign", "Softshrink"):
        x = x[:-1].reshape(1, 1, -1)
    a, b = loopnest.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    ya, yb = getattr(nn, name)(**options)(a), getattr(torch.nn, name)(**options)(b)
    ya.sum().backward()
    yb.sum().backward()
    np.testing.assert_allclose(ya.detach().numpy(), yb.detach().numpy(), rtol=1e-5, atol=1e-6)
    known = ~np.isnan(x)  # the gradient at NaN is PyTorch's own affair: NaN for some, 0 or 1 for others
    np.testing.assert_allclose(a.grad.numpy()[known], b.grad.numpy()[known], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name, _ in ACTIVATIONS if name not in ("PReLU", "GLU")])
def test_gradients_of_activations(name):
    options = dict(ACTIVATIONS)[name]
    x = numbers(3, 4, 5) * 2
    x[np.abs(x) < 0.01] = 0.7  # not at a joint: 0, and 0.5 is one of Hardshrink
    assert gradcheck(getattr(nn, name)(**options), [loopnest.tensor(x, requires_grad=True)])


def test_ulp_of_activations():
    """At most 4 units in the last place where the result is a number of ordinary size."""
    from loopnest import ops

    x = np.concatenate(
        [np.linspace(-8, 30, 40001), np.geomspace(1e-20, 1, 2001), -np.geomspace(1e-20, 1, 2001)]
    )
    x = x.astype(np.float32)
    for name in ("silu", "gelu", "softplus", "mish", "logsigmoid", "elu"):
        ours = ops.activation(x, name).astype(np.float64)
        right = ops.activation(x.astype(np.float64), name, rung="numpy")
        step = np.spacing(np.abs(right).astype(np.float32)).astype(np.float64)
        worst = np.max(np.abs(ours - right) / step)
        assert worst <= 4, f"{name}: {worst} ULP at {x[np.argmax(np.abs(ours - right) / step)]}"


@pytest.mark.parametrize(
    "shape", [(7,), (3, 5), (4, 300), (2, 20, 6, 5), (5, 1, 3), (1, 1), (2, 3, 2, 2, 4), (0, 3), (2, 0, 3, 0)]
)
def test_softmax_of_every_axis(torch, shape):
    x = 4 * numbers(*shape, dtype=np.float32)
    for dim in range(-len(shape), len(shape)):
        for function in ("softmax", "log_softmax"):
            for data in (x, x.transpose()[::-1].transpose()):
                a, b = (
                    loopnest.tensor(data, requires_grad=True),
                    torch.tensor(data.copy(), requires_grad=True),
                )
                ya, yb = getattr(F, function)(a, dim), getattr(torch.nn.functional, function)(b, dim)
                g = numbers(*shape, dtype=np.float32)
                ya.backward(g)
                yb.backward(torch.from_numpy(g))
                close(ya.detach().numpy(), yb.detach().numpy(), np.float32)
                close(a.grad.numpy(), b.grad.numpy(), np.float32)


def test_softmax_bad_input():
    x = loopnest.tensor(np.ones((2, 3), np.float32))
    for dim in (2, -3):
        with pytest.raises(IndexError, match="dim"):
            F.softmax(x, dim)
    with pytest.raises(TypeError):
        F.softmax(loopnest.tensor(np.ones((2, 3), int)), 1)
    assert F.softmax(loopnest.tensor(np.array(3.0)), 0).item() == 1.0


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 5, 3, 2), (1, 5, 2, 1, 2)])
def test_local_response_norm_as_torch(size, shape):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(size).normal(size=shape)
    ours, theirs = loopnest.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    options = {"alpha": 0.5, "beta": 0.7, "k": 1.5}
    y = loopnest.nn.LocalResponseNorm(size, **options)(ours)
    z = torch.nn.LocalResponseNorm(size, **options)(theirs)
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-12)
    y.backward(loopnest.tensor(np.cos(x)))
    z.backward(torch.tensor(np.cos(x)))
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-11)
    if size == 3:
        call = lambda a: loopnest.nn.functional.local_response_norm(a, size, **options)  # noqa: E731
        assert loopnest.autograd.gradcheck(call, loopnest.tensor(x, requires_grad=True))


def test_local_response_norm_needs_channels_and_places():
    with pytest.raises(ValueError, match=r"\(N, C, ...\)"):
        loopnest.nn.functional.local_response_norm(loopnest.ones(2, 3), 2)
    assert loopnest.nn.LocalResponseNorm(2)(loopnest.ones(0, 3, 4)).shape == (0, 3, 4)
    with pytest.raises(ValueError, match="size"):
        loopnest.nn.LocalResponseNorm(0)


def test_softmax_over_an_axis_of_length_1_whatever_its_step():
    x = nn.Conv2d(3, 1, 3)(loopnest.tensor(numbers(2, 3, 6, 5, dtype=np.float32)))  # channels innermost
    for data in (x, x.transpose(2, 3), x.permute(3, 2, 1, 0)):
        for dim in range(4):
            y, log = F.softmax(data, dim), F.log_softmax(data, dim)
            dense = np.ascontiguousarray(data.detach().numpy())
            right = np.exp(dense) / np.exp(dense).sum(dim, keepdims=True)
            assert np.abs(y.detach().numpy() - right).max() < 1e-6
            assert np.abs(log.detach().numpy() - np.log(right)).max() < 1e-5


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
@pytest.mark.parametrize("shape", [(0, 8, 2, 8), (3, 8, 2, 8), (3, 1, 2, 8), (1, 8, 2, 1)])
def test_norm_of_several_axes_in_every_order(order, shape):
    lies = np.empty([shape[i] for i in order], np.float32)
    lies[...] = numbers(*lies.shape)
    x = lies.transpose(np.argsort(order))
    for layer in (nn.LayerNorm(shape[2:]), nn.LayerNorm(shape[1:]), nn.RMSNorm(shape[2:])):
        found, right = layer(loopnest.tensor(x)), layer(loopnest.tensor(np.array(x, order="C")))
        assert np.abs(found.detach().numpy() - right.detach().numpy()).max(initial=0) < 1e-6


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 4), (2, 3, 0)])
def test_batch_norm_of_nothing_in_training_moves_no_statistics(torch, shape):
    ours, theirs = nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3)
    x = loopnest.tensor(np.zeros(shape, np.float32), requires_grad=True)
    y = ours(x)
    assert y.shape == tuple(theirs(torch.zeros(shape)).shape)
    for name, value in theirs.state_dict().items():
        assert np.array_equal(ours.state_dict()[name].numpy(), value.numpy()), name
    y.sum().backward()
    assert x.grad.shape == shape and (ours.weight.grad.numpy() == 0).all()
