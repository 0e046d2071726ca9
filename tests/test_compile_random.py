"""loopnest.compile on random networks: the plan gives what the network gives, or there is none.

A plan is made with one input and asked with others; the network itself is the judge. `python
tests/test_compile_random.py SECONDS SEED` goes on for longer.
"""

from __future__ import annotations

import random
import sys
import time

import numpy as np
import pytest

import loopnest
import loopnest.nn.functional as F
from loopnest import nn, sigmoid
from loopnest.planning import NotPlannable

FUNCTIONS = [
    sigmoid,
    loopnest.tanh,
    F.gelu,
    F.silu,
    lambda x: sigmoid(x) * x,
    lambda x: x + x.mean(-1, keepdim=True),
    lambda x: loopnest.cat([x, x * 0.5], 0),
    lambda x: x - x.amax(-1, keepdim=True),
    lambda x: x[..., ::2],
    lambda x: x.transpose(-1, -2),
    lambda x: x.T,
    lambda x: x.flatten(),
    lambda x: F.softmax(x, -1),
    lambda x: F.log_softmax(x, 0),
    lambda x: x / (x * x + 1),
    lambda x: 1 - x,
    lambda x: loopnest.stack([x, x], -1),
    lambda x: F.pad(x, (1, 2)),
    lambda x: F.layer_norm(x, (x.shape[-1],)),
    lambda x: x.unsqueeze(0),
    lambda x: x.expand(2, *x.shape),
    lambda x: loopnest.matmul(x, x.transpose(-1, -2)),
    lambda x: x + loopnest.ones(x.shape[-1]),
]
ACTIVATIONS = ["ReLU", "ReLU6", "SiLU", "GELU", "Hardswish", "LeakyReLU", "PReLU", "Sigmoid", "Tanh", "ELU"]
ACTIVATIONS += ["Softplus", "Mish", "Softsign", "Hardtanh"]


class Applied(nn.Module):
    """Some of FUNCTIONS, as an attribute."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Around(nn.Module):
    """A layer and a way around it."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return F.relu(self.inner(x) + x)


class Draw:
    """Random networks, and inputs that lie in any way."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.numbers = np.random.default_rng(seed)

    def layer(self, axes: int, channels: int) -> tuple[nn.Module, int]:
        """A layer for (N, channels, ...) and the channels that it gives."""
        pick, c = self.random.choice, channels
        out = pick([1, 3, 4, 8, 17])
        divisor = pick([g for g in range(1, c + 1) if c % g == 0])

        def of(name: str) -> type[nn.Module]:
            return getattr(nn, f"{name}{axes}d")

        makers = [
            lambda: (
                of("Conv")(c, out, pick([1, 3]), pick([1, 2]), pick([0, 1]), bias=pick([True, False])),
                out,
            ),
            lambda: (of("Conv")(c, 2 * c, 3, padding=1, groups=c), 2 * c),
            lambda: (of("ConvTranspose")(c, out, pick([2, 3]), pick([1, 2])), out),
            lambda: (Around(of("Conv")(c, c, 3, padding=1)), c),
            lambda: (of("BatchNorm")(c, affine=pick([True, False])), c),
            lambda: (of("InstanceNorm")(c, track_running_stats=pick([True, False])), c),
            lambda: (nn.GroupNorm(divisor, c), c),
            lambda: (getattr(nn, pick(ACTIVATIONS))(), c),
            lambda: (of("MaxPool")(2, pick([1, 2]), pick([0, 1]), ceil_mode=pick([True, False])), c),
            lambda: (of("AvgPool")(pick([2, 3]), pick([1, 2]), pick([0, 1])), c),
            lambda: (of("AdaptiveAvgPool")(pick([1, 2, 3])), c),
            lambda: (of(pick(["ZeroPad", "ReflectionPad", "ReplicationPad", "CircularPad"]))(1), c),
            lambda: (nn.Upsample(scale_factor=pick([2, 1.5])), c),
            lambda: (nn.Softmax(pick([0, 1, -1])), c),
            lambda: (nn.Dropout(0.5), c),
        ]
        return pick(makers)()

    def network(self) -> tuple[nn.Module, tuple[int, ...]]:
        """A network in evaluation mode with random statistics, and a shape for it."""
        axes, channels = self.random.choice([1, 2, 2, 3]), self.random.choice([1, 2, 4, 8])
        size = [self.random.choice([4, 5, 8]) for _ in range(axes)]
        shape = (self.random.choice([0, 1, 1, 2, 3]), channels, *size)
        if self.random.random() < 0.2:
            shape = shape[1:]
        layers: list[nn.Module] = []
        for _ in range(self.random.randrange(0, 5)):
            layer, channels = self.layer(axes, channels)
            layers.append(layer)
        while len(layers) < 6 and self.random.random() < 0.5:
            layers.append(Applied(self.random.choice(FUNCTIONS)))
        if self.random.random() < 0.2:
            layers.append(nn.Flatten())
        if self.random.random() < 0.1:
            layers.append(Applied(lambda x: (x, F.relu(x), x)))
        net = nn.Sequential(*layers).eval()
        for name, buffer in net.named_buffers():
            if buffer.dtype.kind == "f":
                drawn = self.numbers.normal(size=buffer.shape).astype(np.float32)
                buffer.numpy()[...] = np.abs(drawn) + 0.5 if "var" in name else drawn
        return net, shape

    def input(self, shape: tuple[int, ...], how: str, axis: int) -> loopnest.Tensor:
        """Random numbers; `how` and `axis` say how they lie."""
        if how == "sliced":
            long = [2 * n if i == axis else n for i, n in enumerate(shape)]
            index = tuple(slice(None, None, 2) if i == axis else slice(None) for i in range(len(shape)))
            return self.input(tuple(long), "plain", axis)[index]
        if how == "expanded":
            return self.input(tuple(1 if i == axis else n for i, n in enumerate(shape)), "plain", 0).expand(
                *shape
            )
        if how == "permuted":
            order = [(i + axis) % len(shape) for i in range(len(shape))]
            back = [order.index(i) for i in range(len(shape))]
            return self.input(tuple(shape[i] for i in order), "plain", 0).permute(*back)
        if how == "flipped":
            return loopnest.from_numpy(np.flip(self.input(shape, "plain", 0).numpy(), axis))
        return loopnest.tensor(self.numbers.normal(size=shape).astype(np.float32))


def parts(result: object) -> list[loopnest.Tensor]:
    return [t for r in result for t in parts(r)] if isinstance(result, tuple) else [result]


def try_one(seed: int) -> bool:
    """Was there a plan? AssertionError if it gave anything else than the network."""
    draw = Draw(seed)
    net, shape = draw.network()
    how = draw.random.choice(["plain", "plain", "sliced", "expanded", "permuted", "flipped"])
    axis = draw.random.randrange(len(shape))
    inputs = [draw.input(shape, how, axis) for _ in range(3)]
    try:
        with loopnest.no_grad():
            expected = [parts(net(x)) for x in inputs]
    except (ValueError, IndexError) as refused:
        with pytest.raises((type(refused), NotPlannable)):
            loopnest.compile(net, inputs[0])
        return False
    try:
        fast = loopnest.compile(net, inputs[0])
    except NotPlannable:
        return False
    for x, right in zip(inputs, expected, strict=True):
        before = np.array(x.numpy())
        found = parts(fast(x))
        assert len(found) == len(right)
        for y, r in zip(found, right, strict=True):
            assert y.shape == r.shape and y.dtype == r.dtype
            size = np.abs(r.numpy()).max(initial=0.1)  # behind a norm of equal numbers: rounding
            assert np.abs(y.numpy() - r.numpy()).max(initial=0) <= 1e-3 * size, (seed, net, shape, how, axis)
        for y in found:
            y.fill_(7.0)  # they are nobody else's
        assert np.array_equal(x.numpy(), before)
    return True


def test_random_networks():
    planned = sum(try_one(seed) for seed in range(120))
    assert planned > 60, planned


if __name__ == "__main__":
    end, seed, planned = time.monotonic() + float(sys.argv[1]), int(sys.argv[2]), 0
    first = seed
    while time.monotonic() < end:
        try:
            planned += try_one(seed)
        except Exception as error:
            print(seed, type(error).__name__, str(error)[:600], flush=True)
        seed += 1
    print(f"{seed - first} networks, {planned} planned")
