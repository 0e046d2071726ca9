"""Arrays that leave the caches: some loops go other ways there (stores past the caches, lines that are asked
for ahead, narrower blocks). The results are those of small parts, bit for bit, or NumPy's of small
integers."""

import numpy as np
import pytest

import loopnest
from loopnest import nn, ops
from loopnest.nn import functional as F

MB = 1 << 20


def images(n: int, c: int, h: int, w: int, integers: bool = False) -> np.ndarray:
    """Channels innermost in memory."""
    rng = np.random.default_rng(n * c * h * w)
    made = rng.integers(-3, 4, (n, h, w, c)) if integers else rng.standard_normal((n, h, w, c), np.float32)
    return np.ascontiguousarray(made, np.float32).transpose(0, 3, 1, 2)


def same(large: np.ndarray, small: np.ndarray) -> None:
    assert large.shape == small.shape
    assert np.array_equal(
        np.ascontiguousarray(large).view(np.uint32), np.ascontiguousarray(small).view(np.uint32)
    )


def one_by_one(f, *arrays: np.ndarray) -> np.ndarray:
    return np.concatenate([f(*(a[i : i + 1] for a in arrays)) for i in range(len(arrays[0]))])


# From 2 MB on (blocks), 4 MB (the weights' gradient asks ahead), 8 and 16 MB (the others do); widths that
# leave blocks of every size, channels that fill a vector in part.
DEPTHWISE = [
    ((6, 96, 30, 33), 1),
    ((6, 96, 30, 33), 2),
    ((3, 40, 64, 61), 1),
    ((3, 40, 64, 61), 2),
    ((12, 33, 75, 74), 1),
    ((10, 130, 58, 59), 2),
    ((4, 24, 150, 150), 2),
]


def taps(shape: tuple[int, ...], stride: int, dilation: int):
    """Of a kernel 3x3 with padding "same": (row, column) and what it reads of the padded image."""
    for kh, kw in np.ndindex(3, 3):
        across = [
            slice(k * dilation, k * dilation + size, stride)
            for k, size in zip((kh, kw), shape[2:], strict=True)
        ]
        yield (kh, kw), (slice(None), slice(None), *across)


def padded(x: np.ndarray, by: int) -> np.ndarray:
    return np.pad(x, ((0, 0), (0, 0), (by, by), (by, by)))


@pytest.mark.parametrize(("shape", "stride"), DEPTHWISE, ids=str)
@pytest.mark.parametrize(("dilation", "activation"), [(1, None), (1, "silu"), (2, None)])
def test_depthwise(shape, stride, dilation, activation):
    """As NumPy's, tap by tap: sums of small integers are exact in any order."""
    c, x = shape[1], images(*shape, integers=True)
    weight = np.random.default_rng(1).integers(-3, 4, (c, 1, 3, 3)).astype(np.float32)
    bias = np.arange(c, dtype=np.float32)
    assert x.nbytes >= 1.5 * MB
    how = {"stride": stride, "padding": dilation, "dilation": dilation, "activation": activation}
    y = loopnest.ops.conv2d(x, weight, bias, groups=c, **how)
    expected = sum(
        padded(x, dilation)[at] * weight[:, :, *k, None] for k, at in taps(shape, stride, dilation)
    )
    expected += bias[:, None, None]
    if activation is None:
        assert np.array_equal(y, expected)
    else:
        right = expected.astype(np.float64)
        np.testing.assert_allclose(y, right / (1 + np.exp(-right)), rtol=1e-6)


@pytest.mark.parametrize(("shape", "stride"), DEPTHWISE, ids=str)
def test_depthwise_gradients(shape, stride):
    n, c, h, w = shape
    x = images(*shape, integers=True)
    dy = images(n, c, (h - 1) // stride + 1, (w - 1) // stride + 1, integers=True)
    layer = nn.Conv2d(c, c, 3, stride=stride, padding=1, groups=c)
    weight = np.random.default_rng(2).integers(-3, 4, (c, 1, 3, 3)).astype(np.float32)
    layer.weight.detach()[...] = weight
    given = loopnest.tensor(x, requires_grad=True)
    layer(given).backward(loopnest.tensor(dy))
    dx, dw = np.zeros_like(padded(x, 1)), np.zeros_like(weight)
    for (kh, kw), at in taps(shape, stride, 1):
        dx[at] += dy * weight[:, :, kh, kw, None]
        dw[:, 0, kh, kw] = (padded(x, 1)[at] * dy).sum((0, 2, 3), dtype=np.float64)
    assert np.array_equal(given.grad.numpy(), dx[:, :, 1:-1, 1:-1])
    assert np.array_equal(layer.weight.grad.numpy(), dw)
    assert np.array_equal(layer.bias.grad.numpy(), dy.sum((0, 2, 3), dtype=np.float64))


# Outputs of 4 MB and more, of whole vectors and not; tiles cut off at the right, below, and at neither.
WINOGRAD = [(7, 8, 59, 61, 48), (6, 5, 64, 60, 96), (7, 8, 61, 62, 40), (2, 6, 113, 113, 64)]


@pytest.mark.parametrize(("n", "ic", "h", "w", "oc"), WINOGRAD)
@pytest.mark.parametrize("rung", ["winograd2", "winograd4"])
@pytest.mark.parametrize("threads", [1, 2])
def test_winograd(n, ic, h, w, oc, rung, threads):
    rng = np.random.default_rng(oc)
    x, weight = images(n, ic, h, w), rng.standard_normal((oc, ic, 3, 3), np.float32)
    bias = rng.standard_normal(oc, np.float32)

    def conv(part):
        return loopnest.ops.conv2d(part, weight, bias, padding=1, rung=rung, threads=threads)

    large = conv(x)
    assert large.nbytes >= 4 * MB > large[0].nbytes
    same(large, one_by_one(conv, x))


# 16 channels in and out, x of 1 MB and more: lines are asked for, up to the last chunk of tiles. In narrow
# images, the second case, a chunk passes several rows of tiles.
@pytest.mark.parametrize(("n", "h", "w"), [(17, 33, 31), (79, 15, 14)])
@pytest.mark.parametrize("rung", ["winograd2", "winograd4"])
@pytest.mark.parametrize("threads", [1, 2])
def test_winograd_of_few_channels(n, h, w, rung, threads):
    rng = np.random.default_rng(n)
    x, weight = images(n, 16, h, w), rng.standard_normal((16, 16, 3, 3), np.float32)

    def conv(part):
        return loopnest.ops.conv2d(part, weight, padding=1, rung=rung, threads=threads)

    assert x.nbytes >= 1 * MB > x[0].nbytes
    same(conv(x), one_by_one(conv, x))


@pytest.mark.parametrize("f", [F.relu, F.sigmoid, F.gelu, F.silu], ids=lambda f: f.__name__)
@pytest.mark.parametrize("size", [9 * MB // 4, 9 * MB // 4 + 13])
def test_functions(f, size):
    x = np.random.default_rng(3).standard_normal(size, np.float32)
    for start in (0, 5):  # of a vector in memory, and beside it
        large = loopnest.tensor(x)[start:]
        parts = [f(loopnest.tensor(np.array(p))).numpy() for p in np.array_split(x[start:], 7)]
        same(f(large).numpy(), np.concatenate(parts))


@pytest.mark.parametrize("channels", [24, 64, 100])
@pytest.mark.parametrize("activation", [False, True])
def test_norms(channels, activation):
    x, dy = (images(6, channels, 9 * MB // 4 // 6 // channels // 64 + 1, 64) * s for s in (1, 0.5))
    layer = nn.InstanceNorm2d(channels, affine=True)
    layer.weight.detach()[...] = np.linspace(0.5, 2, channels)

    def run(x, dy):
        given = loopnest.tensor(x, requires_grad=True)
        y = F.relu(layer(given)) if activation else layer(given)
        y.backward(loopnest.tensor(dy))
        return y.detach().numpy(), given.grad.numpy()

    assert x.nbytes >= 8 * MB
    for k in range(2):
        same(run(x, dy)[k], one_by_one(lambda *part, k=k: run(*part)[k], x, dy))


@pytest.mark.parametrize("channels", [96, 100])
def test_layer_norm(channels):
    rows = 9 * MB // 4 // channels
    x, dy = (np.random.default_rng(seed).standard_normal((rows, channels), np.float32) for seed in (5, 6))

    def run(x, dy):
        given = loopnest.tensor(x, requires_grad=True)
        y = F.layer_norm(given, (channels,))
        y.backward(loopnest.tensor(dy))
        return y.detach().numpy(), given.grad.numpy()

    for k in range(2):
        parts = [run(a, b)[k] for a, b in zip(np.array_split(x, 5), np.array_split(dy, 5), strict=True)]
        same(run(x, dy)[k], np.concatenate(parts))


@pytest.mark.parametrize("channels", [64, 100])
@pytest.mark.parametrize("stride", [1, 2])
def test_gradient_of_overlapping_windows(channels, stride):
    x = images(4, channels, 9 * MB // 16 // channels // 64 + 1, 64, integers=True)

    dy = images(*F.max_pool2d(loopnest.tensor(x), 3, stride, 1).shape, integers=True)
    assert x.nbytes >= 8 * MB

    def gradient(x, dy):
        given = loopnest.tensor(x, requires_grad=True)
        F.max_pool2d(given, 3, stride, 1).backward(loopnest.tensor(dy))
        return given.grad.numpy()

    same(gradient(x, dy), one_by_one(gradient, x, dy))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [9 * MB // 4, 9 * MB // 4 + 7])
def test_arithmetic(size, dtype):
    rng = np.random.default_rng(4)
    a, b = (rng.standard_normal(size).astype(dtype) for _ in range(2))
    ours_a, ours_b = loopnest.tensor(a), loopnest.tensor(b)
    for start in (0, 3):
        x, y, p, q = ours_a[start:], ours_b[start:], a[start:], b[start:]
        for ours, theirs in ((x + y, p + q), (x - y, p - q), (x * y, p * q), (x / y, p / q)):
            assert np.array_equal(ours.numpy(), theirs)
        for ours, theirs in ((x * 3, p * 3), (1 - x, 1 - p), (x / 3, p / dtype(3))):
            assert np.array_equal(ours.numpy(), theirs)
    x += y
    assert np.array_equal(x.numpy(), p + q)


@pytest.mark.parametrize("kernel", [2, 3, 16])
@pytest.mark.parametrize("channels", [5, 64, 72, 100])
def test_pools_of_many_channels(channels, kernel):
    """Panels of four vectors, what is left of them, and what is left of a vector."""
    x = images(2, channels, 34, 35, integers=True)
    stride = 1 if kernel == 3 else kernel
    window = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]
    large = F.max_pool2d(loopnest.tensor(x), kernel, stride).numpy()
    assert np.array_equal(large, window.max((4, 5)))
    mean = F.avg_pool2d(loopnest.tensor(x), kernel, stride).numpy()
    assert np.array_equal(mean, (window.sum((4, 5), dtype=np.float32) / np.float32(kernel * kernel)))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", [(5, 64, 24, 25), (2, 24, 77, 66)], ids=["images", "rows"])
@pytest.mark.parametrize("kernel", [2, (1, 2)], ids=["every place", "places without a tap"])
def test_transposed_in_bands(shape, kernel, threads):
    """All phases of the stride of some images, or of some rows of one, before the next."""
    n, c, h, w = shape
    x, weight = images(*shape, integers=True), images(c, 40, *np.broadcast_to(kernel, 2), integers=True)
    bias = np.arange(40, dtype=np.float32)
    y = ops.conv_transpose2d(
        x, weight, bias, stride=2, output_padding=(2 - weight.shape[2], 0), rung="phases", threads=threads
    )
    wanted = np.zeros((n, 40, h, 2, w, 2), np.float32)
    wanted[:, :, :, : weight.shape[2]] = np.einsum("nchw,coij->nohiwj", x, weight, optimize=True)
    assert y.nbytes > MB
    assert np.array_equal(y, (wanted + bias[:, None, None, None, None]).reshape(y.shape))
