"""ReLU waits for what comes behind it: it takes its input's memory over, and maxima go before it."""

import numpy as np
import pytest
from loopnest.engine import plan

import loopnest
from loopnest import _core, nn
from loopnest.nn import functional as F

IMAGES, SIGNALS, FILMS = (2, 20, 9, 8), (3, 18, 21), (2, 5, 6, 7, 8)

MAXIMA = {
    "2-D": (IMAGES, lambda h: F.max_pool2d(h, 2)),
    "2-D, overlapping": (IMAGES, lambda h: F.max_pool2d(h, 3, 2, 1)),
    "2-D, ceil": (IMAGES, lambda h: F.max_pool2d(h, 2, ceil_mode=True)),
    "2-D, dilated": (IMAGES, lambda h: F.max_pool2d(h, 3, 1, 1, 2)),
    "2-D, large": ((1, 3, 20, 20), lambda h: F.max_pool2d(h, 16, 2)),
    "2-D, one image": (IMAGES[1:], lambda h: F.max_pool2d(h, 2)),
    "2-D, indices": (IMAGES, lambda h: F.max_pool2d(h, 2, return_indices=True)[0]),
    "1-D": (SIGNALS, lambda h: F.max_pool1d(h, 3, 2, 1)),
    "1-D, one signal": (SIGNALS[1:], lambda h: F.max_pool1d(h, 2)),
    "3-D": (FILMS, lambda h: F.max_pool3d(h, 2)),
    "3-D, flat": (FILMS, lambda h: F.max_pool3d(h, (1, 2, 2))),
    "3-D, padded": (FILMS, lambda h: F.max_pool3d(h, 3, 2, 1)),
    "adaptive, 1": (IMAGES, lambda h: F.adaptive_max_pool2d(h, 1)),
    "adaptive, uneven": (IMAGES, lambda h: F.adaptive_max_pool2d(h, 5)),
    "amax": (SIGNALS, lambda h: h.amax(-1)),
    "amax of two": (IMAGES, lambda h: h.amax((2, 3), keepdim=True)),
    "amax of all": (IMAGES, lambda h: h.amax()),
    "max": (SIGNALS, lambda h: h.max(2).values),
}
USES = {
    "alone": lambda pool, h: pool(h),
    "twice": lambda pool, h: pool(h) * 2 + pool(h),
    "and itself": lambda pool, h: pool(h).sum() + (h * h).sum(),
    "itself first": lambda pool, h: (h * h).sum() + pool(h).sum(),
    "relu again": lambda pool, h: pool(F.relu(h)) + pool(h),
}


def numbers(shape, dtype):
    """With ties, zeros of both signs, windows without a positive number, and infinities."""
    rng = np.random.default_rng(11)
    a = rng.integers(-3, 3, shape).astype(dtype)
    a[a == -1] = -0.0
    a[:, : shape[1] // 3] -= 4
    a.flat[5], a.flat[17] = np.inf, -np.inf
    return a


def results(pool, use, shape, dtype, see):
    leaf = loopnest.tensor(numbers(shape, dtype), requires_grad=True)
    h = F.relu(leaf * 1.0)
    if see:
        h.detach()
    out = use(pool, h)
    g = np.random.default_rng(6).normal(size=out.shape).astype(dtype)
    out.backward(g)
    return np.array(out.detach()), np.array(leaf.grad)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", MAXIMA)
def test_maxima_may_come_first(name, use):
    shape, pool = MAXIMA[name]
    for dtype in ("float32", "float64"):
        waited = results(pool, USES[use], shape, dtype, see=False)
        seen = results(pool, USES[use], shape, dtype, see=True)
        for a, b in zip(waited, seen, strict=True):
            np.testing.assert_array_equal(a, b)
            assert (np.signbit(a[a == 0]) == np.signbit(b[b == 0])).all() or use != "alone"


def test_nan_stays():
    x = numbers(IMAGES, "float32")
    x[0, 3, 2, 2] = np.nan
    h = F.relu(loopnest.tensor(x, requires_grad=True) * 1.0)
    assert np.isnan(np.array(F.max_pool2d(h, 2).detach())[0, 3, 1, 1])


def test_it_says_what_it_is():
    h = F.relu(loopnest.zeros(*IMAGES, requires_grad=True) * 1.0)
    y = F.max_pool2d(h, 2)
    assert y.grad_fn.name() == "MaxPool2dBackward" and h.grad_fn.name() == "ReluBackward"
    assert h.amax(-1).grad_fn.name() == "AmaxBackward"


@pytest.mark.parametrize("when", ["before the pool", "after the pool"])
def test_retained_gradient_is_not_clipped(when):
    """As in PyTorch: what arrives at ReLU's result, before ReLU clips it."""
    leaf = loopnest.tensor(-np.ones(IMAGES, np.float32), requires_grad=True)
    h = F.relu(leaf * 1.0)
    if when == "before the pool":
        h.retain_grad()
    y = F.max_pool2d(h, (9, 8))
    if when == "after the pool":
        h.retain_grad()
    y.sum().backward()
    assert np.array(h.grad).sum() == IMAGES[0] * IMAGES[1]
    assert not np.array(leaf.grad).any()


def test_backward_from_the_middle():
    leaf = loopnest.tensor(numbers(SIGNALS, "float32"), requires_grad=True)
    h = F.relu(leaf * 1.0)
    h.backward(np.ones(SIGNALS, np.float32))
    assert np.array_equal(np.array(leaf.grad), np.array(leaf.detach()) > 0)


def test_second_time_backward():
    leaf = loopnest.tensor(numbers(IMAGES, "float32"), requires_grad=True)
    y = F.max_pool2d(F.relu(leaf * 1.0), 2)
    g = np.ones(y.shape, np.float32)
    y.backward(g, retain_graph=True)
    once = np.array(leaf.grad)
    y.backward(g)
    assert np.array_equal(np.array(leaf.grad), 2 * once)
    with pytest.raises(RuntimeError, match="second time"):
        y.backward(g)


def test_memory_is_taken_over():
    """Where nobody else can look at ReLU's input; nowhere else."""
    x = loopnest.tensor(numbers(IMAGES, "float32"), requires_grad=True)
    z = x * 1.0
    at = np.array(z.detach())
    z = x * 1.0
    h = F.relu(z)
    h.detach()
    assert np.array_equal(np.array(z.detach()), at), "z is alive"
    kept = F.sigmoid(x)  # its gradient needs its result
    h = F.relu(kept)
    value = np.array(kept.detach())
    del kept
    h.sum().backward()
    assert np.allclose(np.array(x.grad), value * (1 - value))
    z = x * 1.0
    seen = z.detach().numpy()
    h = F.relu(z)
    del z
    h.detach()
    assert np.array_equal(seen, at), "NumPy looks at z"
    z = x * 1.0
    part = z[0]
    h = F.relu(z)
    del z
    h.detach()
    assert np.array_equal(np.array(part.detach()), at[0]), "a view of z is alive"


def test_taken_over_saves_an_array():
    x = loopnest.ones(4, 16, 64, 64, requires_grad=True)
    used = []
    for alone in (False, True):
        before = _core.arena_stats()["used"]
        z = x * 1.0
        h = F.relu(z)
        if alone:
            del z
        h.detach()
        used.append(_core.arena_stats()["used"] - before)
        z = h = None
    assert used[0] == 2 * used[1] > 0


def test_changes_come_too_late():
    """What changes memory, or hands it out, computes first what waits."""
    changes = {
        "in place": lambda z: z.add_(1),
        "numpy": lambda z: z.detach().numpy().fill(7),
        "item": lambda z: z.__setitem__(0, 5.0),
    }
    for name, change in changes.items():
        x = loopnest.tensor(numbers(IMAGES, "float32"), requires_grad=True)
        z = x * 1.0
        h = F.relu(z)
        with loopnest.no_grad():
            change(z)
        y = F.max_pool2d(h, 2)
        want = F.max_pool2d(F.relu(x), 2)
        assert np.array_equal(np.array(y.detach()), np.array(want.detach())), name
        y.sum().backward()


def test_changed_result_is_found_in_backward():
    h = F.relu(loopnest.tensor(numbers(IMAGES, "float32"), requires_grad=True) * 1.0)
    y = h * h
    with loopnest.no_grad():
        h.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        y.sum().backward()


def test_plans_have_no_step_of_what_waited_before():
    h = F.relu(loopnest.tensor(numbers(IMAGES, "float32"), requires_grad=True) * 1.0)
    net, x = nn.Linear(5, 3).eval(), loopnest.ones(2, 5)
    fast = loopnest.compile(net, x)
    assert len(fast.describe()) == 1
    h = F.relu(loopnest.tensor(numbers(IMAGES, "float32"), requires_grad=True) * 1.0)
    recording = plan.Recording()
    with recording:
        x.numpy()  # computes all that waits
    assert len(recording) == 0
    assert np.allclose(fast(x).numpy(), np.array(net(x).detach()))
    assert np.array_equal(np.array(h.detach()), np.maximum(numbers(IMAGES, "float32"), 0))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_net_learns_the_same(dtype):
    """A small net, three steps: with ReLU that waits and with one that is looked at at once."""
    found = []
    for see in (False, True):
        loopnest.manual_seed(3)
        one, two = nn.Conv2d(1, 12, 3, padding=1), nn.Conv2d(12, 20, 3)
        out = nn.Linear(20 * 5 * 5, 4)
        for m in (one, two, out):
            m.to(np.dtype(dtype))
        optimizer = loopnest.optim.SGD([p for m in (one, two, out) for p in m.parameters()], lr=0.1)
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(6, 1, 14, 14)).astype(dtype), rng.integers(0, 4, 6)

        def look(h, see=see):
            if see:
                h.detach()
            return h

        for _ in range(3):
            h = F.max_pool2d(look(F.relu(one(loopnest.tensor(x)))), 2)
            h = look(F.relu(two(h)))
            loss = F.cross_entropy(out(h.flatten(1)), loopnest.tensor(y))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        found.append([np.array(p.detach()) for m in (one, two, out) for p in m.parameters()])
    for a, b in zip(*found, strict=True):
        assert np.array_equal(a, b)
