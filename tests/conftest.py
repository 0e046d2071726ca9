"""A test's random numbers are its own, and processes side by side share out the cores."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from typing import Any

# NumPy's products and PyTorch on one thread, here and in what tests start; set before they are loaded. The
# arrays are small, and threads spin on cores that other processes need (bounds of an LSTM's gradients took
# four times as long).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import numpy as np
import pytest

import loopnest


@pytest.fixture(autouse=True)
def _numbers_of_its_own(request: pytest.FixtureRequest) -> None:
    """Seeds loopnest's generator, and the module's RNG if it has one, from the test's name.

    Without this a test's numbers depend on the tests that ran before it in its process, and a rounding
    that fails once in a thousand draws cannot be drawn again.
    """
    seed = zlib.crc32(f"{request.path.name}::{request.node.name}".encode())
    loopnest.manual_seed(seed)
    rng = getattr(request.module, "RNG", None)
    if isinstance(rng, np.random.Generator):
        rng.bit_generator.state = np.random.default_rng(seed).bit_generator.state


@pytest.fixture
def seeded() -> None:
    """For modules whose tests all begin with the same numbers, whatever their names."""
    loopnest.manual_seed(1)


@pytest.fixture
def torch() -> Any:
    """PyTorch to compare with, its generator seeded; a module's own `torch` goes before this one."""
    module = pytest.importorskip("torch")
    module.manual_seed(1)
    return module


@pytest.fixture(scope="module")
def share_of_cores() -> Iterator[None]:
    """For tests that train for seconds: as many threads as are this process's share, and in what it starts.

    Teams of several processes on the same cores wait for each other at every barrier: claims and systems took
    1.3 times as long.
    """
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    before = loopnest.get_num_threads()
    threads = max(1, before // processes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOOPNEST_NUM_THREADS", str(threads))
        loopnest.set_num_threads(threads)
        yield
    loopnest.set_num_threads(before)
