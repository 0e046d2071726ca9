"""Padding, interpolation, adaptive averages, shuffles, unfold and fold, Dropout2d: beside PyTorch."""

import numpy as np
import pytest

import loopnest
from loopnest import nn
from loopnest.autograd import gradcheck
from loopnest.nn import functional as F

RNG = np.random.default_rng(11)


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="parity with PyTorch needs torch")


def layouts(x):
    """C order, channels-last, and with gaps."""
    yield x
    if x.ndim > 2:
        yield np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    yield wide[..., ::2]


def beside(torch, name, x, args, options, exact=True):
    """Value and gradient of a function, for each layout. exact: the same bits."""
    for data in layouts(x):
        a, b = loopnest.from_numpy(data).detach().requires_grad_(), torch.tensor(x, requires_grad=True)
        ya, yb = (
            getattr(F, name)(a, *args, **options),
            getattr(torch.nn.functional, name)(b, *args, **options),
        )
        assert ya.shape == tuple(yb.shape)
        g = RNG.integers(-8, 9, tuple(yb.shape)).astype(x.dtype)
        ya.backward(g)
        yb.backward(torch.from_numpy(g))
        limit = 0 if exact else 1e-5 * max(1, np.abs(x).max(initial=0))
        assert (np.abs(ya.detach().numpy() - yb.detach().numpy()) <= limit).all()
        assert (np.abs(a.grad.numpy() - b.grad.numpy()) <= (0 if exact else 2e-4)).all()


PADS = [
    ((2, 3, 5), (1, 2), "reflect"),
    ((2, 3, 5), (3, 0), "replicate"),
    ((2, 3, 5), (5, 4), "circular"),
    ((3, 5), (1, 2), "reflect"),
    ((2, 17, 4, 5), (1, 2, 3, 0), "reflect"),
    ((2, 3, 4, 5), (6, 2, 3, 1), "replicate"),
    ((3, 4, 5), (1, 2, 3, 4), "circular"),
    ((2, 3, 3, 4, 5), (1, 2, 3, 0, 2, 1), "reflect"),
    ((1, 3, 3, 4, 5), (1, 2, 3, 0, 2, 7), "replicate"),
    ((2, 2, 3, 4, 5), (1, 2, 3, 0, 2, 1), "circular"),
    ((2, 3, 4, 5), (1, 2, 3, 4), "constant"),
    ((2, 16, 4, 5), (-1, 2, 3, -2), "constant"),
    ((4, 5), (1, 2, 3, 4), "constant"),
    ((5,), (1, 2), "constant"),
    ((2, 3, 4, 5), (1, 0, 0, 2, 1, 1, 2, 0), "constant"),
    ((2, 3, 2, 4, 5), (1, 1, 1, 1), "constant"),
    ((2, 3, 4, 5), (), "constant"),
]


@pytest.mark.parametrize(("shape", "pad", "mode"), PADS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pad_as_torch(torch, shape, pad, mode, dtype):
    x = RNG.integers(-50, 50, shape).astype(dtype)
    value = {"value": 2.5} if mode == "constant" else {}
    beside(torch, "pad", x, (pad, mode), value)


INTERPOLATED = [
    ((2, 3, 5), {"size": 8, "mode": "nearest"}),
    ((2, 3, 5), {"scale_factor": 1.7, "mode": "nearest"}),
    ((2, 3, 7), {"size": (3,), "mode": "nearest-exact"}),
    ((2, 17, 4, 5), {"scale_factor": 2, "mode": "nearest"}),
    ((2, 3, 9, 5), {"size": (4, 13), "mode": "nearest"}),
    ((1, 3, 3, 4, 5), {"scale_factor": (2, 1, 1.5), "mode": "nearest"}),
    ((2, 3, 5), {"size": 9, "mode": "linear", "align_corners": True}),
    ((2, 3, 5), {"scale_factor": 2.3, "mode": "linear"}),
    ((2, 3, 5), {"scale_factor": 2.3, "mode": "linear", "recompute_scale_factor": True}),
    ((2, 16, 4, 5), {"scale_factor": 2, "mode": "bilinear"}),
    ((2, 3, 4, 5), {"size": (9, 3), "mode": "bilinear", "align_corners": True}),
    ((2, 3, 8, 9), {"size": (3, 4), "mode": "bilinear"}),
    ((1, 2, 1, 1), {"size": (3, 4), "mode": "bilinear", "align_corners": True}),
    ((1, 5, 3, 4, 5), {"scale_factor": 2, "mode": "trilinear"}),
    ((1, 2, 3, 4, 5), {"size": (2, 9, 5), "mode": "trilinear", "align_corners": True}),
    ((2, 3, 6, 5), {"scale_factor": 1.5, "mode": "bicubic"}),
    ((2, 3, 6, 5), {"size": (3, 11), "mode": "bicubic", "align_corners": True}),
    ((2, 3, 6, 5), {"size": (4, 2), "mode": "area"}),
]


@pytest.mark.parametrize(("shape", "options"), INTERPOLATED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_interpolate_as_torch(torch, shape, options, dtype):
    x = RNG.normal(size=shape).astype(dtype)
    beside(torch, "interpolate", x, (), options, exact=False)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("scale", [1.1, 1.05, 2.1, 2.3, 1.9, 0.9, 1.5, 2.01, 1.0, 2.0])
def test_scales_that_leave_the_size_as_torch(torch, axes, scale):
    """Values only: PyTorch's backward pass takes other places than its forward pass here."""
    linear = {1: ("linear",), 2: ("bilinear", "bicubic"), 3: ("trilinear",)}[axes]
    for mode in ("nearest", "nearest-exact", *linear):
        for size in (3, 5, 9):
            x = RNG.normal(size=(1, 2, size, 4, 3)[: 2 + axes]).astype(np.float32)
            found = F.interpolate(loopnest.tensor(x), scale_factor=scale, mode=mode).numpy()
            right = torch.nn.functional.interpolate(torch.tensor(x), scale_factor=scale, mode=mode).numpy()
            assert found.shape == right.shape and np.abs(found - right).max() < 1e-5, (mode, size)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_pad_of_whole_numbers_as_torch(torch, dtype):
    x = np.arange(12).reshape(1, 3, 4).astype(dtype)
    for pad, mode, value in (
        ((1, 2), "constant", 1),
        ((-1, 2, 1, -2), "constant", None),
        ((1, 0), "replicate", None),
        ((0, 0), "constant", None),
        ((2, -1), "circular", None),
    ):
        ours = F.pad(loopnest.tensor(x), pad, mode, value)
        try:
            right = torch.nn.functional.pad(torch.tensor(x), pad, mode, value).numpy()
        except RuntimeError:  # not for this dtype
            right = torch.nn.functional.pad(torch.tensor(x.astype(np.float32)), pad, mode, value).numpy()
        assert ours.dtype == dtype and np.array_equal(ours.numpy(), right)
    assert nn.ConstantPad1d(1, 7)(loopnest.tensor([[1, 2]])).tolist() == [[7, 1, 2, 7]]


def test_circular_padding_goes_on_with_what_cropping_has_left(torch):
    x = np.arange(5, dtype=np.float32).reshape(1, 1, 5)
    for pad in ((1, -1), (-1, 1), (2, -3), (-2, 3), (-1, -1), (3, 2)):
        beside(torch, "pad", x, (pad, "circular"), {})
    with pytest.raises(ValueError, match="nothing is left"):
        F.pad(loopnest.tensor(x), (5, -5), "circular")


def test_random_sizes_as_torch(torch):
    for _ in range(60):
        n, c, h, w = (int(v) for v in RNG.integers(1, 9, 4))
        size = tuple(int(v) for v in RNG.integers(1, 14, 2))
        x = RNG.normal(size=(n, c, h, w)).astype(np.float32)
        mode = str(RNG.choice(["nearest", "bilinear", "area", "nearest-exact"]))
        corners = {"align_corners": bool(RNG.integers(2))} if mode == "bilinear" else {}
        a, b = loopnest.tensor(x), torch.tensor(x)
        ours = F.interpolate(a, size, mode=mode, **corners).numpy()
        theirs = torch.nn.functional.interpolate(b, size, mode=mode, **corners).numpy()
        assert np.abs(ours - theirs).max() < 1e-5, (x.shape, size, mode, corners)
        scale = float(RNG.uniform(0.3, 3)) + 1 / min(h, w)
        ours = F.interpolate(a, scale_factor=scale, mode="nearest").numpy()
        assert (ours == torch.nn.functional.interpolate(b, scale_factor=scale, mode="nearest").numpy()).all()


@pytest.mark.parametrize(
    ("name", "shape", "size"),
    [
        ("adaptive_avg_pool1d", (2, 3, 7), 3),
        ("adaptive_avg_pool1d", (3, 7), 9),
        ("adaptive_avg_pool2d", (2, 20, 7, 7), 1),
        ("adaptive_avg_pool2d", (2, 3, 8, 5), (3, None)),
        ("adaptive_avg_pool2d", (3, 8, 5), (4, 2)),
        ("adaptive_avg_pool2d", (2, 5, 8, 6), (4, 3)),
        ("adaptive_avg_pool2d", (5, 8, 6), (2, None)),
        ("adaptive_avg_pool1d", (2, 3, 7), 1),
        ("adaptive_avg_pool3d", (2, 3, 4, 5, 6), 1),
        ("adaptive_avg_pool3d", (2, 3, 4, 5, 6), (2, 3, 4)),
    ],
)
def test_adaptive_average_as_torch(torch, name, shape, size):
    beside(torch, name, RNG.normal(size=shape).astype(np.float32), (size,), {}, exact=False)


@pytest.mark.parametrize(
    ("name", "shape", "args"),
    [
        ("pixel_shuffle", (2, 12, 3, 4), (2,)),
        ("pixel_shuffle", (9, 3, 4), (3,)),
        ("pixel_unshuffle", (2, 3, 6, 8), (2,)),
        ("channel_shuffle", (2, 12, 3, 4), (3,)),
        ("channel_shuffle", (2, 6, 5), (2,)),
        ("unfold", (2, 3, 6, 7), (3,)),
        ("unfold", (2, 3, 6, 7), ((2, 3), (2, 1), (1, 2), (1, 3))),
        ("fold", (2, 12, 12), ((4, 5), 2)),
        ("fold", (2, 18, 12), ((6, 5), 3, 1, 1, (2, 1))),
    ],
)
def test_moves_as_torch(torch, name, shape, args):
    if name == "fold" and shape[2] == 12 and args[0] == (6, 5):
        shape = (2, 18, 15)
    beside(torch, name, RNG.integers(-9, 9, shape).astype(np.float32), args, {})


LAYERS = [
    ("ConstantPad1d", (2, 1.5), (2, 3, 4)),
    ("ConstantPad2d", ((1, 2, 0, 3), 1.5), (2, 3, 4, 5)),
    ("ConstantPad3d", (1, 0.5), (2, 3, 4, 5, 2)),
    ("ZeroPad1d", (2,), (2, 3, 4)),
    ("ZeroPad2d", ((1, 2, 3, 4),), (2, 3, 4, 5)),
    ("ZeroPad3d", (1,), (3, 4, 5, 2)),
    ("ReflectionPad1d", (2,), (2, 3, 4)),
    ("ReflectionPad2d", (2,), (2, 3, 4, 5)),
    ("ReflectionPad3d", (1,), (2, 3, 4, 5, 2)),
    ("ReplicationPad1d", ((1, 0),), (2, 3, 4)),
    ("ReplicationPad2d", (2,), (3, 4, 5)),
    ("ReplicationPad3d", (1,), (2, 3, 4, 5, 2)),
    ("CircularPad1d", (2,), (2, 3, 4)),
    ("CircularPad2d", (2,), (2, 3, 4, 5)),
    ("CircularPad3d", (1,), (2, 3, 4, 5, 2)),
    ("Upsample", (None, 2), (2, 3, 4, 5)),
    ("Upsample", ((3, 4), None, "bilinear", True), (2, 3, 4, 5)),
    ("UpsamplingNearest2d", (None, 2), (2, 3, 4, 5)),
    ("UpsamplingBilinear2d", ((5, 7),), (2, 3, 4, 5)),
    ("PixelShuffle", (2,), (2, 8, 4, 5)),
    ("PixelUnshuffle", (2,), (2, 3, 4, 6)),
    ("ChannelShuffle", (2,), (2, 8, 4, 5)),
    ("Unfold", (2, 1, 1, 2), (2, 3, 4, 5)),
    ("Fold", ((4, 5), 2), (2, 12, 12)),
    ("AdaptiveAvgPool1d", (3,), (2, 3, 7)),
    ("AdaptiveAvgPool2d", ((1, 1),), (2, 3, 7, 5)),
    ("AdaptiveAvgPool3d", (2,), (2, 3, 4, 5, 6)),
]


@pytest.mark.parametrize(("name", "args", "shape"), LAYERS)
def test_layers_as_torch(torch, name, args, shape):
    x = RNG.normal(size=shape).astype(np.float32)
    ours, theirs = getattr(nn, name)(*args), getattr(torch.nn, name)(*args)
    assert repr(ours) == repr(theirs)
    ya, yb = ours(loopnest.tensor(x)).numpy(), theirs(torch.tensor(x)).numpy()
    assert ya.shape == yb.shape
    assert np.abs(ya - yb).max() < 1e-5


GRADIENTS = {
    "reflect": lambda x: F.pad(x, (1, 2, 2, 1), "reflect"),
    "circular": lambda x: F.pad(x, (1, 2), "circular"),
    "crop": lambda x: F.pad(x, (-1, 2, 0, -1), value=3.0),
    "bilinear": lambda x: F.interpolate(x, size=(7, 3), mode="bilinear"),
    "bicubic": lambda x: F.interpolate(x, size=(7, 3), mode="bicubic", align_corners=True),
    "nearest": lambda x: F.interpolate(x, scale_factor=1.6),
    "adaptive": lambda x: F.adaptive_avg_pool2d(x, (3, 2)),
    "unfold": lambda x: F.unfold(x, 2, padding=1),
    "fold": lambda x: F.fold(x.reshape(2, 60)[:, :48].reshape(2, 8, 6), (3, 4), 2),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name):
    x = loopnest.tensor(RNG.normal(size=(2, 3, 4, 5)), requires_grad=True)
    if name == "circular":
        x = loopnest.tensor(RNG.normal(size=(2, 3, 5)), requires_grad=True)
    assert gradcheck(GRADIENTS[name], [x])


def test_bad_input():
    x = loopnest.tensor(np.ones((1, 4, 3, 5), np.float32))
    bad = [
        (lambda: F.pad(x, (1,)), "even"),
        (lambda: F.pad(x, (5, 0, 0, 0), "reflect"), "below 5"),
        (lambda: F.pad(x, (6, 0, 0, 0), "circular"), "at most 5"),
        (lambda: F.pad(x, (1, 1), "reflect"), "axes"),
        (lambda: F.pad(x, (-3, -3)), "nothing is left"),
        (lambda: F.pad(x, (1, 1, 1, 1), "mirror"), "mode"),
        (lambda: F.interpolate(x), "either"),
        (lambda: F.interpolate(x, 3, 2.0), "either"),
        (lambda: F.interpolate(x, 0), "size"),
        (lambda: F.interpolate(x, scale_factor=0.01), "scale_factor"),
        (lambda: F.interpolate(x, scale_factor=float("nan")), "scale_factor"),
        (lambda: F.interpolate(x, 3, mode="linear"), "axes"),
        (lambda: F.interpolate(x, 3, mode="nearest", align_corners=True), "align_corners"),
        (lambda: F.interpolate(x, (3, 3, 3)), "size"),
        (lambda: F.adaptive_avg_pool2d(x, -1), "output_size"),
        (lambda: F.adaptive_avg_pool2d(x, (1, 2, 3)), "output_size"),
        (lambda: F.pixel_shuffle(x, 3), "divides"),
        (lambda: F.pixel_shuffle(x, 0), "upscale_factor"),
        (lambda: F.pixel_unshuffle(x, 2), "divides"),
        (lambda: F.channel_shuffle(x, 3), "divide"),
        (lambda: F.unfold(x, 6), "fit"),
        (lambda: F.fold(x[0], (3, 3), 2), "expected input"),
        (lambda: F.dropout2d(x, 1.5), "probability"),
        (lambda: nn.ZeroPad2d((1, 2)), "padding"),
    ]
    for call, text in bad:
        with pytest.raises(ValueError, match=text):
            call()
    for call in (
        lambda: F.pad(x, (1.5, 1)),
        lambda: F.pad(x, "1"),
        lambda: F.adaptive_avg_pool2d(x, "2"),
        lambda: F.pad(np.ones((2, 2)), (1, 1)),
        lambda: F.interpolate(x, scale_factor="a"),
        lambda: F.interpolate(loopnest.tensor(np.ones((1, 1, 2), int)), 3),
    ):
        with pytest.raises(TypeError):
            call()
    for call in (
        lambda: F.adaptive_avg_pool2d(x, 2**22),
        lambda: F.pad(x, (2**44, 0)),
        lambda: F.interpolate(x, 2**40),
    ):
        with pytest.raises(MemoryError):
            call()


def test_whole_channels_are_dropped():
    for dimensions in (1, 2, 3):
        shape = (5, 40, 3, 2, 2)[: 2 + dimensions]
        layer = getattr(nn, f"Dropout{dimensions}d")(0.25)
        y = layer(loopnest.ones(*shape)).numpy().reshape(200, -1)
        assert (y == y[:, :1]).all()
        assert 10 < (y[:, 0] == 0).sum() < 100
        assert np.unique(y).tolist() == pytest.approx([0, 4 / 3])
        assert (layer.eval()(loopnest.ones(*shape)).numpy() == 1).all()


def test_empty_batch():
    x = loopnest.zeros(0, 3, 4, 5)
    assert F.pad(x, (1, 1)).shape == (0, 3, 4, 7)
    assert F.interpolate(x, scale_factor=2).shape == (0, 3, 8, 10)
    assert F.adaptive_avg_pool2d(x, 1).shape == (0, 3, 1, 1)
    assert F.pixel_unshuffle(loopnest.zeros(0, 3, 4, 4), 2).shape == (0, 12, 2, 2)
