"""The thread pool: how many threads, forks, several callers at once, and the floating-point mode."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from loopnest import _core, ops

PAYLOAD = "from loopnest import _core; print(_core.get_num_threads())"


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k not in ("LOOPNEST_NUM_THREADS", "OMP_NUM_THREADS")}
    return subprocess.run(
        [sys.executable, "-c", code], env={**env, **environment}, capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 16, 20, 20)).astype("f")
    w = rng.standard_normal((32, 16, 3, 3)).astype("f")
    return x, w, ops.conv2d(x, w, threads=1)


def test_available_threads_respect_affinity():
    found = python(
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "from loopnest import _core; print(_core.available_threads(), _core.get_num_threads())"
    )
    assert found.stdout.split() == ["1", "1"], found.stderr


def test_omp_num_threads_is_a_ceiling():
    assert python(PAYLOAD, OMP_NUM_THREADS="1").stdout.strip() == "1"


def test_loopnest_num_threads_sets():
    assert python(PAYLOAD, LOOPNEST_NUM_THREADS="3").stdout.strip() == "3"


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "99999999999999999999"])
def test_bad_loopnest_num_threads_is_an_error(text):
    found = python("import loopnest", LOOPNEST_NUM_THREADS=text)
    assert found.returncode != 0 and f"LOOPNEST_NUM_THREADS={text}" in found.stderr


def test_bad_loopnest_isa_is_an_error():
    found = python("import loopnest", LOOPNEST_ISA="avx1024")
    assert found.returncode != 0 and "LOOPNEST_ISA=avx1024" in found.stderr


@pytest.mark.parametrize("isa", _core.isas())
def test_loopnest_isa_narrows(isa):
    found = python("from loopnest import _core; print(*_core.isas())", LOOPNEST_ISA=isa)
    names = _core.isas()
    assert found.stdout.split() == names[: names.index(isa) + 1], found.stderr


def test_set_num_threads():
    before = _core.get_num_threads()
    try:
        _core.set_num_threads(2)
        assert _core.get_num_threads() == 2
        for bad in (0, -1, 256, 10**6):
            with pytest.raises(ValueError, match="1 to 255"):
                _core.set_num_threads(bad)
        assert _core.get_num_threads() == 2
    finally:
        _core.set_num_threads(before)


@pytest.mark.parametrize("threads", [2, 3, 7, 64])
def test_more_threads_than_cores_give_the_same_bits(problem, threads):
    x, w, y = problem
    for _ in range(20):
        np.testing.assert_array_equal(ops.conv2d(x, w, threads=threads), y)


SAME_CORE = """
import os, time
import numpy as np
from loopnest import ops

def threads(): return [int(name) for name in os.listdir("/proc/self/task")]
def core_of(thread): return open(f"/proc/self/task/{thread}/stat").read().rpartition(")")[2].split()[36]

everywhere = os.sched_getaffinity(0)
os.sched_setaffinity(0, {min(everywhere)})
x = np.ones((1, 64, 14, 14), "f"); w = np.ones((64, 64, 1, 1), "f")
before = set(threads())
ops.conv2d(x, w, threads=2)  # the worker is born on the caller's core
worker, = set(threads()) - before
for thread in threads(): os.sched_setaffinity(thread, everywhere)
met = apart = 0
for _ in range(200):
    time.sleep(0.001)  # the worker sleeps, and is woken by the caller
    ops.conv2d(x, w, threads=2)
    same = core_of(worker) == core_of(os.getpid())
    met, apart = met + same, apart + (not same)
# Asleep it keeps away from the caller's core; awake, as just after a call, it may run everywhere. On a busy
# machine it may have gone to sleep before it is looked at.
free = False
for _ in range(100):
    ops.conv2d(x, w, threads=2)
    free = free or os.sched_getaffinity(worker) == everywhere
print("apart" if apart > met else "same", met, apart, free)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="threads' cores are read in Linux's /proc")
@pytest.mark.skipif(_core.available_threads() < 2, reason="one core")
def test_a_worker_takes_a_core_of_its_own():
    found = python(SAME_CORE).stdout.split()
    assert found[0] == "apart" and found[3] == "True", found


def test_a_forked_child_computes(problem):
    x, w, y = problem
    ops.conv2d(x, w, threads=3)  # the pool exists before the fork
    for _ in range(3):
        child = os.fork()
        if child == 0:
            same = all(np.array_equal(ops.conv2d(x, w, threads=3), y) for _ in range(5))
            os._exit(0 if same else 1)
        assert os.waitpid(child, 0)[1] == 0
    np.testing.assert_array_equal(ops.conv2d(x, w, threads=3), y)


def test_fork_while_another_thread_runs_kernels(problem):
    x, w, y = problem
    stop = threading.Event()

    def hammer():
        while not stop.is_set():
            ops.conv2d(x, w, threads=2)

    worker = threading.Thread(target=hammer)
    worker.start()
    try:
        for _ in range(10):
            child = os.fork()
            if child == 0:
                os._exit(0 if np.array_equal(ops.conv2d(x, w, threads=2), y) else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        worker.join()


def test_many_python_threads_at_once(problem):
    x, w, y = problem
    wrong = []

    def work():
        for _ in range(25):
            if not np.array_equal(ops.conv2d(x, w, threads=2), y):
                wrong.append(1)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_exit_with_a_daemon_thread_in_a_kernel():
    found = python(
        "import threading, time, numpy as np\n"
        "from loopnest import ops\n"
        "x = np.ones((8, 32, 64, 64), 'f'); w = np.ones((32, 32, 3, 3), 'f')\n"
        "def work():\n"
        "    while True: ops.conv2d(x, w, threads=2)\n"
        "threading.Thread(target=work, daemon=True).start(); time.sleep(0.2)"
    )
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("threads", [1, 2])
def test_the_process_keeps_its_denormals(threads):
    small = np.full(64, 1e-40, "f")
    flushed = ops.relu(small, threads=threads)
    assert (small * np.float32(1) > 0).all(), "the caller's floating-point mode was changed"
    seen = []
    other = threading.Thread(target=lambda: seen.append((small * np.float32(1) > 0).all()))
    other.start()
    other.join()
    assert seen == [True]
    assert ((flushed == 0) | (flushed == small)).all()


def test_flush_denormal_switch():
    a, b = np.full((1, 1), 1e-20, "f"), np.full((1, 1), 1e-20, "f")  # the product is 1e-40, a denormal
    assert _core.get_flush_denormal()
    try:
        assert ops.gemm(a, b, threads=1)[0, 0] == 0
        _core.set_flush_denormal(False)
        assert ops.gemm(a, b, threads=1)[0, 0] > 0
    finally:
        _core.set_flush_denormal(True)


def test_short_sequences_stay_on_one_thread():
    """Where meeting once a step would cost more than a second thread saves (check_sequence.h: meetings)."""
    rng = np.random.default_rng(0)

    def threads_of(t, n, h):
        x, w, u = (rng.normal(size=s).astype(np.float32) for s in ((t, n, h), (4 * h, h), (4 * h, h)))
        return ops.call("lstm", x, w, u).threads

    before = _core.get_num_threads()
    try:
        _core.set_num_threads(2)
        assert threads_of(200, 1, 16) == 1
        assert threads_of(200, 64, 128) == 2
    finally:
        _core.set_num_threads(before)
