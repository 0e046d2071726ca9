"""The caching allocator: alignment, reuse, bounded memory, and what happens when there is none."""

import gc

import numpy as np
import pytest

from loopnest import _core, ops


def test_results_are_aligned_and_reused():
    x = np.ones((1, 8, 32, 32), "f")
    w = np.ones((16, 8, 3, 3), "f")
    first = ops.conv2d(x, w)
    assert first.ctypes.data % 64 == 0
    address = first.ctypes.data
    del first
    assert ops.conv2d(x, w).ctypes.data == address


def test_no_growth_over_many_calls():
    x, w = np.ones((2, 4, 16, 16), "f"), np.ones((8, 4, 3, 3), "f")
    ops.conv2d(x, w)
    gc.collect()
    before = _core.arena_stats()
    for _ in range(1000):
        ops.conv2d(x, w)
    after = _core.arena_stats()
    assert after["used"] == before["used"]
    assert after["system_calls"] == before["system_calls"]


def test_many_sizes_keep_the_cache_bounded():
    for h in range(8, 408):
        ops.relu(np.ones((h, 1000), "f"))
    assert _core.arena_stats()["cached"] <= 2**30
    _core.arena_trim()
    assert _core.arena_stats()["cached"] == 0


def test_a_result_outlives_the_trim():
    y = ops.relu(np.arange(100_000, dtype="f"))
    _core.arena_trim()
    np.testing.assert_array_equal(y, np.arange(100_000))


@pytest.mark.parametrize("op", ["conv2d", "lstm", "gemm"])
def test_every_allocation_that_fails_is_a_memory_error(op):
    rng = np.random.default_rng(0)

    def f(*shape):
        return rng.standard_normal(shape).astype("f")

    arguments = {
        "conv2d": (f(1, 32, 14, 14), f(64, 32, 3, 3)),
        "lstm": (f(5, 4, 32), f(128, 32), f(128, 32)),
        "gemm": (f(64, 64), f(64, 64)),
    }[op]
    expected = getattr(ops, op)(*arguments)
    used = _core.arena_stats()["used"]
    failures = 0
    for n in range(1, 50):
        _core.arena_fail_at(n)
        try:
            result = getattr(ops, op)(*arguments)
            break
        except MemoryError:
            failures += 1
        finally:
            _core.arena_fail_at(0)
        assert _core.arena_stats()["used"] == used
    else:
        pytest.fail("it never came through")
    assert failures >= 1
    if op == "lstm":
        result, expected = np.concatenate(result[0]), np.concatenate(expected[0])
    np.testing.assert_array_equal(result, expected)
