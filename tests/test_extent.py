"""Where an array's bytes lie: against NumPy's own, under whichever name it has it, and by the addresses."""

import numpy as np
import pytest
from loopnest.engine.extent import byte_bounds


def numpys():
    return np.lib.array_utils.byte_bounds if hasattr(np.lib, "array_utils") else np.byte_bounds


def random_view(rng):
    """Axes of any stride: negative, zero, in any order, some of length 0 or none at all."""
    dtype = rng.choice(["u1", "f4", "f8", "c16"])
    a = np.zeros(rng.integers(0 if rng.random() < 0.1 else 1, 6, rng.integers(0, 5)), dtype)
    a = a.transpose(rng.permutation(a.ndim))
    for axis in range(a.ndim):
        step = int(rng.choice([-2, -1, 1, 2]))
        a = a[(slice(None),) * axis + (slice(None, None, step),)]
    if rng.random() < 0.3:
        a = np.broadcast_to(a, (3, *a.shape))
    return a


@pytest.mark.parametrize("seed", range(200))
def test_as_numpy_and_as_the_addresses(seed):
    a = random_view(np.random.default_rng(seed))
    low, high = byte_bounds(a)
    assert type(low) is int and type(high) is int
    assert (low, high) == numpys()(a)
    offsets = [sum(i * s for i, s in zip(at, a.strides, strict=True)) for at in np.ndindex(a.shape)]
    first = a.__array_interface__["data"][0]
    if offsets:
        assert (low, high) == (first + min(offsets), first + max(offsets) + a.itemsize)
    else:
        assert (low, high) == (first, first)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,)])
def test_points_and_nothing(shape):
    a = np.zeros(shape)
    low, high = byte_bounds(a)
    assert low == a.__array_interface__["data"][0] and high - low == a.nbytes
