"""Faults while a checkpoint is written or read: the last acknowledged one is whole, or an error is told."""

import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from loopnest import io
from loopnest.train import checkpoint

pytest.importorskip("safetensors")

# Saves steps 0, 1, 2 ... for ever, every number of a checkpoint being its step; says each when it is saved.
SAVER = """
import sys, numpy as np
from loopnest.train import checkpoint
step = int(sys.argv[2])
while True:
    checkpoint.save({"step": step, "weights": [np.full(50_000, step), np.full(7, float(step))]}, sys.argv[1])
    print(step, flush=True)
    step += 1
"""


def saver(path, first):
    return subprocess.Popen(
        [sys.executable, "-c", SAVER, path, str(first)], stdout=subprocess.PIPE, text=True
    )


def step_of(path):
    """The step of a checkpoint in which every number tells the same."""
    tree = checkpoint.load(path)
    for array in tree["weights"]:
        assert np.all(array.numpy() == tree["step"])
    return tree["step"]


def test_kill_at_any_moment_of_a_save(tmp_path):
    """At 28 moments: what was acknowledged is there, and the next save leaves no litter of the killed one."""
    path, rng, last = tmp_path / "c.checkpoint", np.random.default_rng(0), -1
    for _ in range(4):
        process = saver(path, last + 1)
        for _ in range(6):
            last = int(process.stdout.readline())
            time.sleep(float(rng.uniform(0, 0.004)))
            os.kill(process.pid, signal.SIGSTOP)  # as a kill, as far as the file can tell
            assert step_of(path) >= last
            os.kill(process.pid, signal.SIGCONT)
        os.kill(process.pid, signal.SIGKILL)
        said = process.communicate()[0].split()
        last = int(said[-1]) if said else last
        assert last <= step_of(path) <= last + 1
        last = step_of(path)
    checkpoint.save({"step": 1}, path)
    assert os.listdir(tmp_path) == [path.name]


def test_a_dead_writers_part_is_taken_away_and_a_live_ones_is_not(tmp_path):
    path = tmp_path / "c"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / f".c.{gone.pid}-00ff00ff.part").write_bytes(b"half")
    (tmp_path / f".c.{os.getpid()}-00ff00ff.part").write_bytes(b"under way")
    (tmp_path / f".d.{gone.pid}-00ff00ff.part").write_bytes(b"of another file")
    io.save({"a": np.ones(3)}, path)
    assert sorted(os.listdir(tmp_path)) == [
        f".c.{os.getpid()}-00ff00ff.part",
        f".d.{gone.pid}-00ff00ff.part",
        "c",
    ]


@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_full_disk(tmp_path, part):
    path = tmp_path / "c"
    checkpoint.save({"step": 1, "weights": [np.ones(5000)]}, path)
    old = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(len(old) * part), hard))
    try:
        with pytest.raises(OSError):
            checkpoint.save({"step": 2, "weights": [np.full(5000, 2.0)]}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == old and os.listdir(tmp_path) == [path.name] and step_of(path) == 1


def test_two_savers_and_a_reader(tmp_path):
    """The reader sees whole checkpoints alone, of either."""
    path = tmp_path / "c"
    savers = [saver(path, first) for first in (0, 10**6)]
    try:
        for process in savers:
            process.stdout.readline()
        seen, end = set(), time.monotonic() + 1.5
        while time.monotonic() < end or not min(seen) < 10**6 <= max(seen):
            seen.add(step_of(path))
            assert time.monotonic() < end + 60, "one of the savers is not seen"
    finally:
        for process in savers:
            process.kill()
            process.communicate()


def test_every_truncation_and_any_bit(tmp_path):
    """Never other numbers: an error, or (a space between words of the header) the same tree."""
    tree = {"step": 3, "rate": 0.1, "weights": [np.arange(6.0), np.arange(4)]}
    content = checkpoint.dumps(tree)
    for length in range(len(content)):
        with pytest.raises(ValueError):
            checkpoint.loads(content[:length])
    found = 0
    for bit in range(8 * len(content)):
        bad = bytearray(content)
        bad[bit // 8] ^= 1 << bit % 8
        try:
            back = checkpoint.loads(bytes(bad))
        except ValueError:
            found += 1
            continue
        assert back["step"] == 3 and back["rate"] == 0.1
        assert [w.numpy().tolist() for w in back["weights"]] == [w.tolist() for w in tree["weights"]]
    assert found > 7.9 * len(content)
