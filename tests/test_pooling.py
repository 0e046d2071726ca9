"""Pools of one, two and three dimensions, adaptive ones, unpooling and Lp pools: beside PyTorch."""

import numpy as np
import pytest

import loopnest
from loopnest import nn
from loopnest.autograd import gradcheck
from loopnest.nn import functional as F

RNG = np.random.default_rng(13)


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="parity with PyTorch needs torch")


def random_options(dimensions, average):
    """Arguments that PyTorch takes too, and an input that they fit."""
    kernel = [int(k) for k in RNG.integers(1, 4, dimensions)]
    options = {
        "kernel_size": tuple(kernel),
        "stride": tuple(int(s) for s in RNG.integers(1, 4, dimensions)),
        "padding": tuple(int(RNG.integers(0, k // 2 + 1)) for k in kernel),
        "ceil_mode": bool(RNG.integers(2)),
    }
    if average:
        options["count_include_pad"] = bool(RNG.integers(2))
        if dimensions > 1 and RNG.integers(2):
            options["divisor_override"] = int(RNG.integers(1, 9))
    else:
        options["dilation"] = tuple(int(d) for d in RNG.integers(1, 3, dimensions))
    if len(set(kernel)) == 1 and RNG.integers(2):
        options["kernel_size"] = kernel[0]
        options["stride"] = None if RNG.integers(2) else options["stride"]
    shape = (
        int(RNG.integers(1, 4)),
        int(RNG.integers(1, 20)),
        *(int(v) for v in RNG.integers(6, 10, dimensions)),
    )
    return options, shape[1 if RNG.integers(4) == 0 else 0 :]


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_as_torch(torch, kind, dimensions):
    for _ in range(25):
        options, shape = random_options(dimensions, kind == "avg")
        x = RNG.integers(-9, 9, shape).astype(np.float32)  # with ties
        if RNG.integers(2):
            x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, -dimensions - 1, -1)), -1, -dimensions - 1)
        a, b = loopnest.from_numpy(x).detach().requires_grad_(), torch.tensor(x, requires_grad=True)
        ours, theirs = (
            getattr(F, f"{kind}_pool{dimensions}d"),
            getattr(torch.nn.functional, f"{kind}_pool{dimensions}d"),
        )
        if kind == "max":
            (ya, ia), (yb, ib) = (
                ours(a, **options, return_indices=True),
                theirs(b, **options, return_indices=True),
            )
            assert (ia.numpy() == ib.numpy()).all(), (options, shape)
            assert ours(a, **options).shape == tuple(yb.shape)
        else:
            ya, yb = ours(a, **options), theirs(b, **options)
        assert ya.shape == tuple(yb.shape), (options, shape)
        g = RNG.integers(-4, 5, tuple(yb.shape)).astype(np.float32)
        ya.backward(g)
        yb.backward(torch.from_numpy(g))
        limit = 0 if kind == "max" else 1e-5
        assert np.abs(ya.detach().numpy() - yb.detach().numpy()).max() <= limit, (options, shape)
        assert np.abs(a.grad.numpy() - b.grad.numpy()).max() <= limit, (options, shape)


@pytest.mark.parametrize("kind", ["max", "avg"])
def test_with_ceil_mode_a_window_may_be_larger_than_the_input(torch, kind):
    x = RNG.integers(-9, 9, (2, 5, 2, 4)).astype(np.float32)
    ours, theirs = getattr(F, f"{kind}_pool2d"), getattr(torch.nn.functional, f"{kind}_pool2d")
    y = ours(loopnest.tensor(x), (3, 5), (2, 3), ceil_mode=True)
    assert np.array_equal(y.numpy(), theirs(torch.tensor(x), (3, 5), (2, 3), ceil_mode=True).numpy())
    with pytest.raises(ValueError, match="does not fit"):
        ours(loopnest.tensor(x), (3, 5), 1, ceil_mode=True)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_adaptive_max_and_unpool_as_torch(torch, dimensions):
    for _ in range(10):
        shape = (2, 3, *(int(v) for v in RNG.integers(4, 9, dimensions)))
        size = tuple(int(v) for v in RNG.integers(1, 10, dimensions))
        x = RNG.integers(-9, 9, shape).astype(np.float32)
        a, b = loopnest.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        name = f"adaptive_max_pool{dimensions}d"
        ya, ia = getattr(F, name)(a, size, return_indices=True)
        yb, ib = getattr(torch.nn.functional, name)(b, size, return_indices=True)
        assert (ya.detach().numpy() == yb.detach().numpy()).all()
        assert (ia.numpy() == ib.numpy()).all(), (shape, size)
        ya.sum().backward()
        yb.sum().backward()
        assert (a.grad.numpy() == b.grad.numpy()).all()

        pool, unpool = f"max_pool{dimensions}d", f"max_unpool{dimensions}d"
        a, b = loopnest.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        za = getattr(F, unpool)(*getattr(F, pool)(a, 2, return_indices=True), 2, output_size=shape)
        zb = getattr(torch.nn.functional, pool)(b, 2, return_indices=True)
        zb = getattr(torch.nn.functional, unpool)(*zb, 2, output_size=shape)
        assert (za.detach().numpy() == zb.detach().numpy()).all()
        za.sum().backward()
        zb.sum().backward()
        assert (a.grad.numpy() == b.grad.numpy()).all()


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_lp_as_torch(torch, dimensions):
    x = np.abs(RNG.normal(size=(2, 3, 7, 6, 5)[: 2 + dimensions])) + 0.1
    for norm in (1.0, 2.0, 3.0):
        a, b = loopnest.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        name = f"lp_pool{dimensions}d"
        ya, yb = getattr(F, name)(a, norm, 2), getattr(torch.nn.functional, name)(b, norm, 2)
        ya.sum().backward()
        yb.sum().backward()
        assert np.abs(ya.detach().numpy() - yb.detach().numpy()).max() < 1e-9
        assert np.abs(a.grad.numpy() - b.grad.numpy()).max() < 1e-9


@pytest.mark.parametrize("norm", [1, 3, -1, 0.5, float("inf"), -float("inf")])
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_lp_of_negative_numbers_as_torch(torch, norm, dimensions):
    if dimensions == 3 and np.isinf(norm):
        pytest.skip("PyTorch's lp_pool3d divides by infinity")
    x = RNG.normal(size=(2, 3, 7, 6, 5)[: 2 + dimensions])
    name = f"lp_pool{dimensions}d"
    with np.errstate(invalid="ignore"):
        found = getattr(F, name)(loopnest.tensor(x), norm, 2).numpy()
    right = getattr(torch.nn.functional, name)(torch.tensor(x), norm, 2).numpy()
    assert np.allclose(found, right, rtol=1e-9, atol=0, equal_nan=True)


LAYERS = [
    ("MaxPool1d", (3, 2, 1), (2, 3, 9)),
    ("MaxPool3d", ((1, 2, 2),), (2, 3, 4, 6, 5)),
    ("AvgPool1d", (3, 2, 1), (2, 3, 9)),
    ("AvgPool3d", (2, (2, 1, 1), 1), (2, 3, 4, 6, 5)),
    ("LPPool1d", (2, 3), (2, 3, 9)),
    ("LPPool2d", (2, 3), (2, 3, 9, 7)),
    ("LPPool3d", (2, 2), (2, 3, 4, 5, 6)),
    ("AdaptiveMaxPool1d", (3,), (2, 3, 9)),
    ("AdaptiveMaxPool2d", ((3, None),), (2, 3, 9, 4)),
    ("AdaptiveMaxPool3d", (2,), (2, 3, 4, 5, 6)),
]


@pytest.mark.parametrize(("name", "args", "shape"), LAYERS)
def test_layers_as_torch(torch, name, args, shape):
    x = RNG.normal(size=shape).astype(np.float32)
    ours, theirs = getattr(nn, name)(*args), getattr(torch.nn, name)(*args)
    assert repr(ours) == repr(theirs)
    ya, yb = ours(loopnest.tensor(x)).numpy(), theirs(torch.tensor(x)).numpy()
    assert ya.shape == yb.shape
    np.testing.assert_allclose(ya, yb, rtol=1e-5, atol=1e-6)


def test_unpool_layers_as_torch(torch):
    for k in (1, 2, 3):
        ours, theirs = getattr(nn, f"MaxUnpool{k}d")(2, 2), getattr(torch.nn, f"MaxUnpool{k}d")(2, 2)
        assert repr(ours) == repr(theirs)


@pytest.mark.parametrize(
    "kind", ["max_pool1d", "max_pool3d", "avg_pool1d", "avg_pool3d", "adaptive_max_pool2d"]
)
def test_gradients(kind):
    x = RNG.permutation(2 * 3 * 4 * 5 * 4).reshape(2, 3, 4, 5, 4) / 10.0
    x = {"1": x[:, :, 0, 0], "2": x[:, :, 0], "3": x}[kind[-2]]
    assert gradcheck(lambda t: getattr(F, kind)(t, 2), [loopnest.tensor(x, requires_grad=True)])


def test_bad_input():
    x = loopnest.tensor(np.ones((1, 2, 5), np.float32))
    image = loopnest.tensor(np.ones((1, 2, 4, 4), np.float32))
    y, at = F.max_pool2d(image, 2, return_indices=True)
    bad = [
        lambda: F.max_pool1d(x, 0),
        lambda: F.max_pool1d(x, -1),
        lambda: F.max_pool1d(x, 2, 0),
        lambda: F.max_pool1d(x, 2, 1, 2),
        lambda: F.max_pool1d(x, 6),
        lambda: F.max_pool1d(x, (2, 2)),
        lambda: F.avg_pool1d(x, 2, -1),
        lambda: F.avg_pool1d(x, 7),
        lambda: F.avg_pool1d(image, 2),
        lambda: F.avg_pool3d(image, 2, divisor_override=0),
        lambda: F.max_pool3d(x, 2),
        lambda: F.max_pool1d(x, 2**62),
        lambda: F.adaptive_max_pool1d(x, -1),
        lambda: F.adaptive_max_pool2d(image, (1, 2, 3)),
        lambda: F.max_unpool2d(y, at + 100, 2),
        lambda: F.max_unpool2d(y, at - 100, 2),
        lambda: F.max_unpool2d(y, at[:, :, :1], 2),
        lambda: F.max_unpool2d(y, at, 2, output_size=(9, 9)),
        lambda: nn.MaxPool1d(3, padding=2),
    ]
    for index, call in enumerate(bad):
        with pytest.raises(ValueError):
            call()
            pytest.fail(f"case {index} was accepted")
    for call in (
        lambda: F.max_pool1d(x, 1.5),
        lambda: F.avg_pool1d(np.ones((1, 2, 3)), 2),
        lambda: F.max_unpool2d(y, y, 2),
        lambda: nn.MaxPool3d("2"),
    ):
        with pytest.raises(TypeError):
            call()


def test_a_window_that_starts_inside_is_enough_with_ceil_mode(torch):
    x = np.ones((1, 1, 2), np.float32)
    for name, args in (("avg_pool1d", (3, 2)), ("lp_pool1d", (2, 3, 2))):
        found = getattr(F, name)(loopnest.tensor(x), *args, ceil_mode=True)
        right = getattr(torch.nn.functional, name)(torch.tensor(x), *args, ceil_mode=True)
        assert found.shape == right.shape and np.allclose(found.numpy(), right.numpy())
    with pytest.raises(ValueError, match="does not fit"):
        F.avg_pool1d(loopnest.tensor(x), 3, 2)
    with pytest.raises(ValueError, match="norm_type"):
        F.lp_pool1d(loopnest.tensor(x), 0, 2)


def test_unpool_of_no_images():
    x = loopnest.zeros(0, 2, 4, 4)
    assert F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2).shape == x.shape


def test_empty_batch():
    assert F.max_pool1d(loopnest.zeros(0, 3, 8), 2).shape == (0, 3, 4)
    assert F.avg_pool3d(loopnest.zeros(0, 3, 8, 4, 4), 2).shape == (0, 3, 4, 2, 2)
