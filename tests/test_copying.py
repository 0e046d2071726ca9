"""Copies from one order of the axes to another: contiguous, reshape, flatten, cat, pixel_shuffle."""

import numpy as np
import pytest

import loopnest
from loopnest import nn
from loopnest.nn import functional as F

SHAPES = [
    (1,),
    (7,),
    (5, 3),
    (70, 33),
    (2, 16, 5),
    (3, 17, 4, 6),
    (2, 4, 1, 19),
    (2, 3, 4, 5, 6),
    (0, 4),
    (3, 0, 2),
]
VIEWS = {
    "as it is": lambda a, rng: a,
    "permuted": lambda a, rng: a.transpose(rng.permutation(a.ndim)),
    "backwards": lambda a, rng: a[::-1].transpose(rng.permutation(a.ndim)),
    "every second": lambda a, rng: np.repeat(a, 2, -1)[..., ::2].transpose(rng.permutation(a.ndim)),
    "repeated": lambda a, rng: np.broadcast_to(a[..., None], (*a.shape, 3)).transpose(
        rng.permutation(a.ndim + 1)
    ),
    "misaligned": lambda a, rng: np.frombuffer(b"x" + a.tobytes(), a.dtype, offset=1).reshape(a.shape).T,
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "int16", "bool"])
@pytest.mark.parametrize("view", VIEWS)
def test_contiguous_and_reshape(view, dtype):
    for shape in SHAPES:
        rng = np.random.default_rng(len(shape))
        a = VIEWS[view](rng.integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype), rng)
        t = loopnest.tensor(a)
        whole = t.contiguous()
        assert whole.is_contiguous()
        np.testing.assert_array_equal(whole.numpy(), a, err_msg=f"{shape}")
        np.testing.assert_array_equal(t.reshape(-1).numpy(), a.reshape(-1))
        np.testing.assert_array_equal(t.flatten().numpy(), a.ravel())
        if a.ndim > 2:
            np.testing.assert_array_equal(
                t.flatten(1).numpy(), a.reshape(a.shape[0], int(np.prod(a.shape[1:])))
            )


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_cat_keeps_the_order_of_the_first(axis, inner):
    rng = np.random.default_rng(2)
    for shape in [(3, 5, 4, 6), (2, 40, 64, 64)]:  # the second is over a megabyte
        parts = []
        for k in range(3):
            size = list(shape)
            size[axis] += k
            a = rng.normal(size=size).astype("float32")
            parts.append(
                np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) if inner and k != 1 else a
            )
        t = loopnest.cat([loopnest.tensor(a) for a in parts], axis)
        np.testing.assert_array_equal(t.numpy(), np.concatenate(parts, axis))
        if inner:
            assert t.stride(1) == 1
    with pytest.raises(ValueError, match="do not fit"):
        loopnest.cat([loopnest.zeros(2, 3), loopnest.zeros(3, 4)], 0)
    mixed = loopnest.cat([loopnest.zeros(2, 3), loopnest.zeros(1, 3, dtype=np.float64)])
    assert mixed.dtype == np.float64


def test_reshape_is_a_view_where_memory_allows_it():
    x = loopnest.zeros(2, 8, 3, 4)
    last = x.permute(0, 2, 3, 1)
    for t, shape in [
        (x, (2, 8, 12)),
        (last.permute(0, 3, 1, 2), (2, 96)),
        (last, (2, 12, 8)),
        (last, (2, 3, 4, 2, 4)),
    ]:
        assert np.may_share_memory(t.reshape(shape).numpy(), x.numpy())
    assert not np.may_share_memory(last.reshape(2, 96).numpy(), x.numpy())
    with pytest.raises(ValueError, match="invalid"):
        last.reshape(5, 5)


@pytest.mark.parametrize("channels", [1, 3, 20])
def test_pixel_shuffle_keeps_channels_innermost(channels):
    rng = np.random.default_rng(1)
    a = rng.normal(size=(2, channels * 9, 4, 5)).astype("float32")
    want = a.reshape(2, channels, 3, 3, 4, 5).transpose(0, 1, 4, 2, 5, 3).reshape(2, channels, 12, 15)
    np.testing.assert_array_equal(F.pixel_shuffle(loopnest.tensor(a), 3).numpy(), want)
    inner = np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    got = F.pixel_shuffle(loopnest.tensor(inner), 3)
    np.testing.assert_array_equal(got.numpy(), want)
    assert channels == 1 or got.stride(1) == 1
    np.testing.assert_array_equal(F.pixel_unshuffle(got, 3).numpy(), a)


@pytest.mark.parametrize("axes", [1, 3])
def test_gradients_lie_as_what_they_are_of(axes):
    """Of three and five axes too: what is behind a slice, a sum or a maximum of a convolution's result."""
    conv = (nn.Conv1d if axes == 1 else nn.Conv3d)(3, 20, 3)
    uses = {
        "slice": lambda y: y[:, :, 1:].sum(),
        "mean": lambda y: y.mean(tuple(range(2, 2 + axes))).sum(),
        "maximum": lambda y: y.amax(-1).sum(),
        "all": lambda y: y.sum(),
    }
    for name, use in uses.items():
        y = conv(
            loopnest.tensor(np.random.default_rng(0).normal(size=(2, 3, *(6,) * axes)).astype("float32"))
        )
        y.retain_grad()
        use(y).backward()
        assert y.grad.stride() == y.stride() and y.stride(1) == 1, name


def test_equal_maxima_share_the_gradient():
    a = np.array([[[2, 1, 2], [0, 0, 0]], [[-1, -3, -1], [5, 4, 5]]], np.float32)
    for order in ("C", "F"):
        for dims in (-1, 1, (0, 2), None):
            x = loopnest.tensor(np.asarray(a, order=order), requires_grad=True)
            y = x.amax(dims)
            g = np.arange(1, 1 + y.numel(), dtype=np.float32).reshape(y.shape)
            y.backward(g)
            axes = tuple(range(3)) if dims is None else dims
            top = a.max(axes, keepdims=True)
            hit = (a == top) / (a == top).sum(axes, keepdims=True)
            np.testing.assert_allclose(np.array(x.grad), hit * g.reshape(top.shape), rtol=1e-6)
    x = loopnest.tensor(np.float32(3), requires_grad=True)
    x.amax().backward()
    assert x.grad.item() == 1
