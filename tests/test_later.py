"""Norms whose result waits for the operator behind them: only time and memory may show it."""

import itertools

import numpy as np
import pytest

import loopnest
from loopnest import _core, nn
from loopnest.nn import functional as F

RNG = np.random.default_rng(3)
SHAPE = (4, 24, 9, 8)


class Setting:
    """A convolution, its norm and a residual that come from nowhere else, and their gradients."""

    def __init__(self, dtype="float32", shape=SHAPE):
        channels = shape[1]
        number = np.random.default_rng(5)

        def values(*size):
            return loopnest.tensor(number.normal(size=size).astype(dtype), requires_grad=True)

        self.x, self.way = values(*shape), values(*shape)
        self.weight, self.bias = values(channels), values(channels)
        self.mean, self.var = np.zeros(channels, dtype), np.ones(channels, dtype)
        self.leaves = [self.x, self.way, self.weight, self.bias]
        self.h = self.x * 1.5  # a result of the engine: only its tensor holds its memory
        self.r = self.way * 0.5

    def norm(self, training=True):
        running = loopnest.tensor(self.mean), loopnest.tensor(self.var)
        return F.batch_norm(self.h, *running, self.weight, self.bias, training=training)

    def gradients(self, out):
        g = np.random.default_rng(6).normal(size=out.shape).astype(out.dtype)
        out.backward(g)
        return [np.array(t.grad) for t in self.leaves if t.grad is not None]


def look(t):
    """Computes t now."""
    t.detach()
    return t


USES = {
    "relu": lambda y, way, see: F.relu(see(y)),
    "residual": lambda y, way, see: F.relu(see(see(y) + way)),
    "other side": lambda y, way, see: F.relu(see(way + see(y))),
    "sum alone": lambda y, way, see: see(y) + way,
    "sum twice": lambda y, way, see: F.relu(see(y) + way + way),
    "twice itself": lambda y, way, see: F.relu(see(y) + y),
    "relu and itself": lambda y, way, see: F.relu(see(y)) * way + y,
    "itself first": lambda y, way, see: (see(y) * way) + F.relu(y),
    "relu twice": lambda y, way, see: F.relu(see(y)) * F.relu(y),
    "alone": lambda y, way, see: see(y),
    "other": lambda y, way, see: F.sigmoid(see(y)),
    "view": lambda y, way, see: F.relu(see(y).reshape(4, -1)),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_as_computed_at_once(use, dtype, training):
    found = []
    for see in (look, lambda t: t):
        s = Setting(dtype)
        out = USES[use](s.norm(training), s.r, see)
        found.append([np.array(out.detach()), *s.gradients(out)])
    assert len(found[0]) > 3
    for a, b in zip(*found, strict=True):
        # The plain loops of float64 may fuse other multiplications with additions.
        assert np.array_equal(a, b) if dtype == "float32" else np.allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(8, 5), (3, 16, 7), SHAPE, (2, 3, 5, 4), (2, 6, 3, 4, 5)])
def test_same_bits_for_any_shape_and_number_of_threads(shape):
    found = []
    for threads in (1, 2, 3):
        loopnest.set_num_threads(threads)
        for see in (look, lambda t: t):
            s = Setting(shape=shape)
            out = USES["residual"](s.norm(), s.r, see)
            found.append([np.array(out.detach()), *s.gradients(out)])
    loopnest.set_num_threads(1)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert np.array_equal(a, b)


def test_beside_pytorch():
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    for use in ("relu", "residual", "relu and itself", "relu twice"):
        s = Setting("float64")
        out = USES[use](s.norm(), s.r, lambda t: t)
        ours = [np.array(out.detach()), *s.gradients(out)]
        leaves = [torch.tensor(np.array(t.detach()), requires_grad=True) for t in s.leaves]
        x, way, weight, bias = leaves
        running = torch.zeros(24).double(), torch.ones(24).double()
        y = torch.nn.functional.batch_norm(x * 1.5, *running, weight, bias, training=True)
        theirs = {
            "relu": lambda y, way: y.relu(),
            "residual": lambda y, way: (y + way).relu(),
            "relu and itself": lambda y, way: y.relu() * way + y,
            "relu twice": lambda y, way: y.relu() * y.relu(),
        }[use](y, way * 0.5)
        theirs.backward(torch.tensor(np.random.default_rng(6).normal(size=SHAPE)))
        wanted = [theirs.detach().numpy(), *(t.grad.numpy() for t in leaves if t.grad is not None)]
        for a, b in zip(ours, wanted, strict=True):
            assert (np.abs(a - b) <= 1e-12 * max(1, np.abs(b).max())).all(), use


@pytest.mark.parametrize("when", range(3))
def test_retain_grad_before_between_and_after_uses(when):
    """Also where ReLU hands the norm its gradient with a mask."""
    s = Setting("float64")
    y, uses = s.norm(), [lambda t: F.relu(t) * 3.0, lambda t: t * t]
    out = s.r * 0.0
    for i in range(3):
        if i == when:
            y.retain_grad()
        out = out + uses[i](y) if i < 2 else out
    out.backward(np.ones(SHAPE), retain_graph=True)
    value = np.array(y.detach())
    expected = 3.0 * (value > 0) + 2.0 * value
    assert np.allclose(y.grad.numpy(), expected, rtol=1e-12)
    out.backward(np.ones(SHAPE))
    assert np.allclose(y.grad.numpy(), 2 * expected, rtol=1e-12)  # added to, as a leaf's


def test_one_result_instead_of_three():
    """The memory shows that nothing in between was written."""
    size = 4 * 8 * 32 * 64 * 64
    layer, norm = nn.Conv2d(4, 32, 1), nn.BatchNorm2d(32)
    x = loopnest.tensor(RNG.normal(size=(8, 4, 64, 64)).astype(np.float32))
    way = layer(x)
    h = layer(x)
    used = [_core.arena_stats()["used"]]
    y = norm(h)
    used.append(_core.arena_stats()["used"])
    t = y + way
    used.append(_core.arena_stats()["used"])
    z = F.relu(t)
    used.append(_core.arena_stats()["used"])
    look(t)
    used.append(_core.arena_stats()["used"])
    assert [round((b - a) / size) for a, b in itertools.pairwise(used)] == [0, 0, 1, 1]
    del y, z


def changed(change):
    """relu(norm(h) + r) with something changed before the sum is asked for, and without."""
    out = []
    for active in (False, True):
        s = Setting()
        y = s.norm()
        t = y + s.r
        if active:
            with loopnest.no_grad():
                change(s)
        out.append(np.array(F.relu(t).detach()))
    return out


CHANGES = {
    "input": lambda s: s.h.zero_(),
    "input by index": lambda s: s.h.__setitem__(0, 1.0),
    "input by NumPy": lambda s: s.h.detach().numpy().fill(7),
    "input by data": lambda s: s.h.data.fill_(7),
    "residual": lambda s: s.r.mul_(2),
    "residual by NumPy": lambda s: s.r.detach().numpy().fill(7),
    "weight": lambda s: s.weight.zero_(),
    "weight by NumPy": lambda s: s.weight.detach().numpy().fill(0),
    "bias by data": lambda s: s.bias.data.fill_(9),
}


@pytest.mark.parametrize("what", CHANGES)
def test_changes_come_too_late(what):
    before, after = changed(CHANGES[what])
    assert np.array_equal(before, after)


def test_memory_that_numpy_has_seen_before():
    """What was given out earlier can be changed at any time: then nothing waits."""
    for part in ("h", "r"):
        found = []
        for active in (False, True):
            s = Setting()
            seen = getattr(s, part).detach().numpy()
            t = s.norm() + s.r
            if active:
                seen.fill(7)
            found.append(np.array(F.relu(t).detach()))
        assert np.array_equal(*found), part


def test_optimizer_between():
    """A step of an optimiser changes the weights, not the result that was asked for before it."""
    found = []
    for active in (False, True):
        s = Setting()
        t = s.norm()
        if active:
            s.weight.grad = loopnest.ones_like(s.weight)
            loopnest.optim.SGD([s.weight], lr=10.0).step()
        found.append(np.array(F.relu(t).detach()))
    assert np.array_equal(*found)


def test_changed_input_is_found_in_backward():
    s = Setting()
    z = F.relu(s.norm())
    with loopnest.no_grad():
        s.h.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        z.backward(np.ones(SHAPE, np.float32))
    s = Setting()
    z = F.relu(s.norm())
    with loopnest.no_grad():
        z.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        z.backward(np.ones(SHAPE, np.float32))


def test_result_changed_before_relu():
    """ReLU of a changed norm: its mask is that of what it saw."""
    s = Setting()
    y = s.norm()
    with loopnest.no_grad():
        y.mul_(-1)
    z = F.relu(y)
    z.backward(np.ones(SHAPE, np.float32))
    open_ = np.array(z.detach()) > 0
    assert np.allclose(np.array(s.bias.grad), open_.sum((0, 2, 3)))


def test_backward_twice_and_retained():
    s = Setting()
    y = s.norm()
    y.retain_grad()
    z = F.relu(y)
    g = RNG.normal(size=SHAPE).astype(np.float32)
    z.backward(g, retain_graph=True)
    assert np.array_equal(np.array(y.grad), np.where(np.array(z.detach()) > 0, g, 0))
    once = np.array(s.x.grad)
    z.backward(g)
    assert np.allclose(np.array(s.x.grad), 2 * once)
    with pytest.raises(RuntimeError, match="second time"):
        z.backward(g)
    s = Setting()
    z = F.relu(s.norm())
    z.backward(g, retain_graph=True)
    assert np.array_equal(np.array(s.x.grad), once)
    z.backward(g)
    assert np.allclose(np.array(s.x.grad), 2 * once)


def test_a_result_as_a_gradient():
    """What is put into .grad is computed: optimisers and sums work in its memory."""
    s = Setting()
    wanted = np.array(s.norm().detach()) + 2
    p = loopnest.tensor(np.zeros(SHAPE, np.float32), requires_grad=True)
    p.grad = s.norm()
    (p * 2).sum().backward()
    assert np.array_equal(np.array(p.grad.detach()), wanted)


def test_nan_passes():
    s = Setting()
    with loopnest.no_grad():
        s.h[0, 0, 0, 0] = float("nan")
    z = F.relu(s.norm() + s.r)
    assert np.isnan(np.array(z.detach())[:, 0]).all() and np.isfinite(np.array(z.detach())[:, 1:]).all()


def test_layers_and_hooks():
    """Hooks of modules see the numbers; a Sequential gives what its layers give one by one."""
    loopnest.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.BatchNorm2d(4)
    )
    x = loopnest.tensor(RNG.normal(size=(2, 3, 12, 12)).astype(np.float32))
    seen = []
    plain = layers(x)
    wanted = np.array(plain.detach())
    handle = layers[1].register_forward_hook(lambda module, args, out: seen.append(np.array(out.detach())))
    assert np.array_equal(np.array(layers(x).detach()), wanted)
    handle.remove()
    y = layers[1](layers[0](x))
    assert np.array_equal(seen[0], np.array(y.detach()))
    assert y.shape == (2, 8, 10, 10) and y.stride() == look(y).stride()
