"""loopnest.compile: the same results as the network itself, for any size; refusals name the layer."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import loopnest
import loopnest.nn.functional as F
from loopnest import nn, tanh
from loopnest.planning import NotPlannable


def images(*shape: int, seed: int = 0) -> loopnest.Tensor:
    return loopnest.tensor(np.random.default_rng(seed).standard_normal(shape, np.float32))


def channels_last(x: loopnest.Tensor) -> loopnest.Tensor:
    """The same numbers with channels side by side, as layers give them: a residual is then an epilogue."""
    return loopnest.tensor(np.ascontiguousarray(np.asarray(x).transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2))


def same(found, expected) -> None:
    """Up to rounding: other kernels may have summed in another order."""
    found, expected = np.asarray(found), np.asarray(expected.detach())
    assert found.shape == expected.shape and found.dtype == expected.dtype
    largest = np.abs(expected).max(initial=0) + 1e-30
    assert np.abs(found - expected).max(initial=0) <= 2e-5 * largest


class Residual(nn.Module):
    """A block with a way around it, and one that joins two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.second = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.side = nn.Conv2d(3, 16, 1)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        y = F.relu(self.first(x))
        z = self.second(y)
        y = F.relu(z + self.side(x)) + y
        return self.head(F.avg_pool2d(y, y.shape[2:]).flatten(1))


def lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(16 * 25, 120),
        nn.Sigmoid(),
        nn.Linear(120, 10),
    ).eval()


@pytest.mark.parametrize("batch", [1, 3])
def test_cnn(batch):
    net, x = lenet(), images(batch, 1, 32, 32)
    fast = loopnest.compile(net, x)
    same(fast(x), net(x))
    same(fast(2 * x), net(2 * x))
    steps = [step for _, step in fast.describe()]
    assert not any(step.startswith(("relu", "sigmoid")) for step in steps), steps  # in the epilogues


def test_residual_network_of_any_size():
    net = Residual().eval()
    fast = loopnest.compile(net, images(1, 3, 9, 9), maxsize=4)
    for n, h, w in [(1, 9, 9), (2, 5, 7), (1, 17, 3), (1, 9, 9), (3, 1, 1), (2, 30, 31)]:
        x = images(n, 3, h, w)
        same(fast(x), net(x))
    info = fast.cache_info()
    assert (info.hits, info.misses, info.maxsize, info.currsize) == (2, 5, 4, 4)
    assert info.bytes > 0
    assert "add" not in [step for _, step in fast.describe()][:3]


def test_order_in_memory_makes_a_plan_of_its_own():
    net, x = Residual().eval(), images(2, 3, 8, 8)
    fast = loopnest.compile(net, x)
    last = np.ascontiguousarray(np.asarray(x).transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    same(fast(loopnest.from_numpy(last)), net(x))
    turned = np.asarray(x)[:, :, ::-1]
    same(fast(loopnest.from_numpy(turned)), net(loopnest.tensor(turned)))
    assert fast.cache_info().currsize == 3


def test_float64():
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)).double()
    x = loopnest.tensor(np.random.default_rng(0).standard_normal((1, 2, 4, 4)))
    assert np.allclose(loopnest.compile(net.eval(), x)(x), net(x).detach(), rtol=1e-12)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_lstm(layers, both, batch_first):
    layer = nn.LSTM(7, 12, num_layers=layers, bidirectional=both, batch_first=batch_first).eval()
    x = images(5, 3, 7)
    fast = loopnest.compile(layer, x)
    y, (h, c) = fast(x)
    ey, (eh, ec) = layer(x)
    same(y, ey), same(h, eh), same(c, ec)
    n = 5 if batch_first else 3
    state = tuple(images(layers * (2 if both else 1), n, 12, seed=s) for s in (1, 2))
    same(fast(x, state)[0], layer(x, state)[0])


def test_step_of_an_lstm_carries_its_state():
    layer = nn.LSTM(4, 8).eval()
    x = images(6, 1, 4)
    fast, state = loopnest.compile(layer), tuple(loopnest.zeros(1, 1, 8) for _ in range(2))
    steps = []
    for t in range(6):
        y, state = fast(loopnest.from_numpy(np.asarray(x)[t : t + 1]), state)
        steps.append(np.asarray(y))
    same(np.concatenate(steps), layer(x)[0])


def test_embedding_and_classifier():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.lstm, self.head = nn.Embedding(11, 6), nn.LSTM(6, 9), nn.Linear(9, 11)

        def forward(self, index):
            return self.head(self.lstm(self.embedding(index))[0])

    net = Net().eval()
    index = loopnest.tensor(np.random.default_rng(0).integers(0, 11, (5, 2)))
    same(loopnest.compile(net, index)(index), net(index))


def test_concatenation_and_broadcasting():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 5, 3, padding=1)

        def forward(self, x):
            y = loopnest.cat([self.a(x), x, self.b(x).relu()], 1)
            gate = loopnest.sigmoid(y.mean((2, 3), keepdim=True))
            return y * gate - 0.5 * y, x

    net, x = Net().eval(), images(2, 3, 6, 5)
    fast = loopnest.compile(net, x)
    y, z = fast(x)
    same(y, net(x)[0]), same(z, x)


def test_results_are_new_and_plans_can_be_called_from_several_threads():
    net, x = Residual().eval(), images(1, 3, 12, 12)
    fast = loopnest.compile(net, x)
    expected, first = net(x), fast(x)
    kept = np.asarray(first).copy()
    wrong = []

    def work(seed):
        mine = images(1, 3, 12, 12, seed=seed)
        right = np.asarray(net(mine).detach())
        for _ in range(20):
            if not np.allclose(np.asarray(fast(mine)), right, atol=1e-4):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(s,)) for s in range(3)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert not wrong and (np.asarray(first) == kept).all()
    same(first, expected)


def test_parameters_changed_afterwards_count_from_refresh_on():
    net, x = Residual().eval(), images(1, 3, 7, 7)
    fast = loopnest.compile(net, x)
    before = np.asarray(fast(x)).copy()
    with loopnest.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1.5) if hasattr(parameter, "mul_") else parameter.__imul__(1.5)
    assert (np.asarray(fast(x)) == before).all()
    fast.refresh()
    same(fast(x), net(x))


def test_no_growth_over_many_sizes():
    """Plans are forgotten, and what they held goes back: 256 sizes take no more memory than 50."""
    net = Residual().eval()
    fast = loopnest.compile(net, maxsize=8)
    sizes = [(h, w) for h in range(4, 20) for w in range(4, 20)]
    np.random.default_rng(0).shuffle(sizes)
    used = []
    with loopnest.no_grad():
        for h, w in sizes:
            fast(images(1, 3, int(h), int(w)))
            used.append(loopnest._core.arena_stats()["used"])
    assert fast.cache_info().currsize == 8 and fast.cache_info().misses == 256
    assert max(used[50:]) <= max(used[:50]) + (1 << 18), (max(used[:50]), max(used[50:]))


def test_what_cannot_be_planned_is_told_by_layer():
    class Looks(nn.Module):
        def forward(self, x):
            return x if float(x.sum()) > 0 else x * 2

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 3, 1), Looks())

        def forward(self, x):
            return self.body(x)

    with pytest.raises(NotPlannable, match=r"body\.1"):
        loopnest.compile(Net().eval(), images(1, 3, 4, 4))
    with pytest.raises(NotPlannable, match="training mode"):
        loopnest.compile(nn.Linear(3, 3), images(1, 3))
    with pytest.raises(TypeError, match="tensors"):
        loopnest.compile(nn.Linear(3, 3).eval(), np.zeros((1, 3), np.float32))
    with pytest.raises(ValueError, match="maxsize"):
        loopnest.compile(nn.Linear(3, 3), maxsize=0)
    layer = nn.Linear(3, 3).eval()
    assert F.relu(layer(images(1, 3))).shape == (1, 3)  # nothing stays changed after a failure


def test_errors_of_layers_stay_themselves():
    with pytest.raises(ValueError, match="input channels"):
        loopnest.compile(Residual().eval(), images(1, 4, 5, 5))


@pytest.mark.parametrize("kind", ["GRU", "RNN"])
def test_other_recurrent_layers(kind):
    layer = getattr(nn, kind)(5, 9, num_layers=2).eval()
    x = images(4, 2, 5)
    y, h = loopnest.compile(layer, x)(x)
    same(y, layer(x)[0]), same(h, layer(x)[1])


def test_one_and_three_dimensions_and_transposed():
    for layer, shape in (
        (nn.Conv1d(3, 6, 3, padding=1), (2, 3, 11)),
        (nn.Conv3d(2, 5, 3, padding=1), (1, 2, 4, 5, 6)),
        (nn.ConvTranspose2d(4, 3, 4, stride=2, padding=1), (1, 4, 5, 6)),
    ):
        net, x = nn.Sequential(layer, nn.ReLU()).eval(), images(*shape)
        same(loopnest.compile(net, x)(x), net(x))


def test_the_last_step_and_the_halves():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = nn.LSTM(6, 8, batch_first=True), nn.Linear(8, 3)

        def forward(self, x):
            y, _ = self.lstm(x)
            a, b = self.head(y).chunk(2, 1)
            return self.head(y[:, -1]), loopnest.stack([a, b], 1), y.permute(0, 2, 1)

    net, x = Net().eval(), images(3, 4, 6)
    for found, expected in zip(loopnest.compile(net, x)(x), net(x), strict=True):
        same(found, expected)


def test_a_pool_that_is_given_channels_first():
    net, x = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(3, 4, 1)).eval(), images(2, 3, 6, 6)
    same(loopnest.compile(net, x)(x), net(x))


def test_batch_norm_and_activations():
    """Folded behind a convolution, a linear layer; alone before one; and every activation behind it."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Sequential(
                nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8)
            )
            self.last = nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.SiLU(), nn.BatchNorm1d(6))

        def forward(self, x):
            y = self.first(x)
            y = F.relu6(y) + F.gelu(y) + F.leaky_relu(y, 0.1) + F.silu(y)
            return self.last(y.mean((2, 3))), F.softmax(y, 1)

    net, x = Net(), images(4, 3, 9, 8)
    with loopnest.no_grad():
        for _ in range(3):
            net.train()(2 * x + 1)
    net.eval()
    for found, expected in zip(loopnest.compile(net, x)(x), net(x), strict=True):
        same(found, expected)
    steps = [step.split("/")[0] for _, step in loopnest.compile(net, x).describe()]
    assert "norm" not in steps and steps.count("conv2d") == 2


def test_reductions_and_repeated_arithmetic():
    """Sums, means and extremes over any axes are steps of the plan; so is a squeeze-and-excitation block."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.gate = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 16, 1)

        def forward(self, x):
            y = self.conv(x)
            y = y * F.sigmoid(self.gate(y.mean((2, 3), keepdim=True)))
            return y.sum(1), y.amax((2, 3)), y.amin(-1, keepdim=True), y.mean(), F.adaptive_avg_pool2d(y, 2)

    net = Net().eval()
    for size in ((2, 3, 8, 6), (1, 3, 4, 4)):
        x = images(*size)
        for found, expected in zip(loopnest.compile(net, x)(x), net(x), strict=True):
            same(found, expected)


def test_profile():
    """Every step with its layer, rung, time and work; the work is the operators' own count."""
    net = Residual().eval()
    x = images(2, 3, 8, 8)
    fast = loopnest.compile(net, x)
    steps = fast.profile(x, repeats=3)
    assert [(s.layer, s.rung) for s in steps] == fast.describe()
    assert all(s.milliseconds > 0 for s in steps)
    side = next(s for s in steps if s.layer == "side")
    assert side.gflop == pytest.approx(2 * 2 * 64 * 3 * 16 / 1e9)
    assert side.megabytes == pytest.approx(4 * (2 * 64 * 3 + 3 * 16 + 2 * 64 * 16) / 1e6)
    assert side.gflops == pytest.approx(1e3 * side.gflop / side.milliseconds)
    with pytest.raises(ValueError, match="repeats of at least 1, got 0"):
        fast.profile(x, repeats=0)


class Inverted(nn.Module):
    """1x1 -> depthwise -> 1x1 (MobileNetV2) or 1x1 -> pool; if asked for, with the results in between."""

    def __init__(self, channels: int, kernel: int, stride: int, show: bool, pool: bool = False) -> None:
        super().__init__()
        self.show, self.stride, self.pool = show, stride, pool
        self.wide = nn.Conv2d(channels, 6 * channels, 1)
        self.deep = nn.Conv2d(6 * channels, 6 * channels, kernel, stride, kernel // 2, groups=6 * channels)
        self.out = nn.Conv2d(6 * channels, channels, 1)

    def forward(self, x):
        a = F.relu6(self.wide(x))
        if self.pool:
            y = F.max_pool2d(a, 3, 2, 1)
            return (y, a) if self.show else y
        b = F.relu6(self.deep(a))
        y = self.out(b)
        y = y + x if self.stride == 1 else y
        return (y, a, b) if self.show else y


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "pool"),
    [
        ((1, 16, 57, 61), 3, 1, False),
        ((3, 16, 80, 60), 3, 2, False),
        ((2, 20, 120, 50), 5, 2, False),
        ((3, 24, 40, 31), 7, 1, False),
        ((18, 16, 15, 13), 3, 1, False),  # bands of several whole images
        ((2, 16, 57, 60), 3, 2, True),
    ],
)
def test_chain(shape, kernel, stride, pool):
    """Steps over bands of rows give the bits that whole arrays give, on any number of threads."""
    nets = [Inverted(shape[1], kernel, stride, show, pool).eval() for show in (False, True)]
    nets[1].load_state_dict(nets[0].state_dict())
    x = channels_last(images(*shape))
    chained, whole = (loopnest.compile(net, x) for net in nets)
    rungs = [step.rung for step in chained.profile(x, repeats=1)]
    links = 2 if pool else 3
    assert [rung.count(" + ") for rung in rungs if " + " in rung] == [links - 1], rungs
    assert not any(" + " in step.rung for step in whole.profile(x, repeats=1))
    expected = np.asarray(whole(x)[0])
    before = loopnest.get_num_threads()
    try:
        for threads in (1, 2, 3):
            loopnest.set_num_threads(threads)
            assert np.array_equal(np.asarray(chained(x)), expected), threads
    finally:
        loopnest.set_num_threads(before)
    same(chained(x), nets[0](x))


def test_no_chain():
    """Results that others read too, and small ones, stay whole arrays."""
    x = channels_last(images(1, 16, 14, 14))
    small = loopnest.compile(Inverted(16, 3, 1, False).eval(), x)
    assert len(small.describe()) == len(small.profile(x, repeats=1)) == 3


def test_a_chain_may_round_otherwise_than_the_whole_image():
    """Depthwise, stride 2, 24 MB: with 16 registers slide adds up by columns, in a chain's bands by rows."""
    model = nn.Sequential(
        nn.Conv2d(8, 96, 1),
        nn.ReLU6(),
        nn.Conv2d(96, 96, 3, stride=2, padding=1, groups=96),
        nn.ReLU6(),
        nn.Conv2d(96, 16, 1),
    ).eval()
    x = loopnest.tensor(np.random.default_rng(0).standard_normal((1, 8, 224, 224)).astype(np.float32))
    y = loopnest.compile(model, x)(x).numpy()
    with loopnest.no_grad():
        expected = model(x).numpy()
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def named(x):
    return tanh(x) + x


class Held(nn.Module):
    """Knows a function as an attribute."""

    def __init__(self, act):
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 4, 3), act

    def forward(self, x):
        y = self.conv(x)
        return y + self.act(y)


@pytest.mark.parametrize(
    "model",
    [named, *(Held(f).eval() for f in (loopnest.tanh, loopnest.relu, F.silu, F.tanh))],
    ids=["in a module", "tanh", "relu", "F.silu", "F.tanh"],
)
def test_functions_are_followed_by_whatever_name(model):
    other = images(1, 3, 5, 5, seed=1)
    fast = loopnest.compile(model, images(1, 3, 5, 5))
    same(fast(other), model(other))


def test_what_is_not_followed_makes_no_constant():
    table, rng = {"tanh": loopnest.tanh}, np.random.default_rng(0)
    ones = np.ones((2, 3), np.float32)
    x = images(2, 3)
    for model, text in (
        (lambda x: table["tanh"](x) + x, "numbers"),
        (lambda x: table["tanh"](x), "numbers"),
        (lambda x: loopnest.tensor(np.asarray(x)) + x, "planned"),
        (lambda x: x.data + x, "numbers"),
        (lambda x: x + loopnest.tensor(rng.normal(size=3).astype(np.float32)), "more than its inputs"),
        (lambda x: loopnest.ones(2), "does not depend"),
        (lambda x: x.add(x, alpha=2), "alpha"),
        (lambda x: x if loopnest.equal(x, loopnest.tensor(ones)) else x + x, "no tensor"),
        (lambda x: x + loopnest.ones(3, dtype=np.float64), "add of"),
    ):
        with pytest.raises(NotPlannable, match=text):
            loopnest.compile(model, x)


def test_batch_norm_behind_a_linear_layer_of_sequences():
    net = nn.Sequential(nn.Linear(5, 5), nn.BatchNorm1d(5)).eval()
    net[1].running_var.fill_(4.0)
    memory = net[1].running_mean.numpy()
    memory[:] = range(5)
    for shape in ((2, 5, 5), (3, 5)):
        x = images(*shape)
        same(loopnest.compile(net, x)(x), net(x))
    wider = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(5)).eval()
    x = images(2, 5, 4)
    same(loopnest.compile(wider, x)(x), wider(x))


def test_norms_of_repeated_numbers_and_of_small_arrays():
    """Copies of small arrays lie at the same address again, when NumPy makes them."""
    for layer in (nn.LayerNorm(4), nn.RMSNorm(4), nn.InstanceNorm2d(2), nn.GroupNorm(1, 2)):
        layer.eval()
        for x in (
            images(2, 4, 4)[None],
            images(1, 2, 1, 4).expand(1, 2, 4, 4),
            images(1, 1, 4, 4).expand(1, 2, 4, 4),
        ):
            fast = loopnest.compile(layer, x)
            for _ in range(3):
                same(fast(x), layer(x))


def test_a_plan_keeps_the_tables_that_its_kernels_read():
    net, x = nn.Upsample(scale_factor=1.7, mode="bilinear").eval(), images(1, 2, 5, 7)
    fast = loopnest.compile(net, x)
    for size in range(8, 600):
        F.interpolate(images(1, 1, 2), size=size, mode="linear")
    same(fast(x), net(x))


LAID = {
    "sliced": lambda: images(2, 4, 16, 16)[:, :, ::2, ::2],
    "permuted": lambda: images(8, 2, 8, 4).permute(1, 3, 0, 2),
    "channels last": lambda: channels_last(images(2, 4, 8, 8)),
    "expanded": lambda: images(2, 4, 1, 8).expand(2, 4, 8, 8),
}


@pytest.mark.parametrize("how", LAID)
@pytest.mark.parametrize(
    "layer",
    [
        nn.Upsample(scale_factor=2),
        nn.ZeroPad2d(1),
        nn.ReflectionPad2d(2),
        nn.AvgPool2d(2),
        nn.MaxPool2d(3, 1),
        nn.AdaptiveAvgPool2d(3),
        nn.GroupNorm(2, 4),
        nn.LayerNorm(8),
        nn.Softmax(1),
        nn.Flatten(),
        nn.Linear(8, 3),
        nn.Identity(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_inputs_may_lie_in_any_order(layer, how):
    x = LAID[how]()
    layer.eval()
    fast = loopnest.compile(layer, x)
    other = loopnest.tensor(np.asarray(x) + 1) if how == "channels last" else x
    for given in (x, other):
        y = fast(given)
        same(y, layer(given))
        assert not np.may_share_memory(np.asarray(y), np.asarray(given))


def test_no_images_and_one_without_a_batch():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2)).eval()
    fast = loopnest.compile(net, images(1, 3, 8, 8))
    assert fast(images(0, 3, 8, 8)).shape == (0, 2) and fast.cache_info().currsize == 1
    with pytest.raises(ValueError, match="no plan"):
        fast.profile(images(0, 3, 8, 8))
    pooled, x = nn.Sequential(nn.AvgPool2d(2), nn.Flatten()).eval(), images(16, 8, 8)
    same(loopnest.compile(pooled, x)(x), pooled(x))


def test_an_input_may_be_given_twice():
    x, y = images(2, 3), images(2, 3, seed=1)
    fast = loopnest.compile(lambda a, b: a * 2 - b, x, x)
    same(fast(x, y), x * 2 - y)
    halves = loopnest.compile(lambda a, b: a - b, x[:, :2], x[:, 1:])
    same(halves(x[:, :2], y[:, 1:]), x[:, :2] - y[:, 1:])


def test_constants_live_as_long_as_the_plan():
    def model(x):
        return F.layer_norm(x, (64,), weight=loopnest.full((64,), 2.0), bias=loopnest.full((64,), 3.0))

    x = images(2, 64)
    fast = loopnest.compile(model, x)
    _others = [loopnest.full((64,), 7.0) * 1 for _ in range(100)]
    same(fast(x), model(x))
