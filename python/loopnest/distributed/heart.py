"""Heartbeats: a rank that was stopped, or whose machine is gone, is found by the one after it in a ring.

A thread of every rank sends a byte to the next rank in turn and listens to the one before. A rank that
computes for minutes, or waits, or writes a file, still beats; one that was stopped (SIGSTOP), swapped out for
good or cut off does not. Killed processes are found by the MPI launcher itself.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from loopnest.distributed.group import Group

TAG = 1
ALIVE, LEAVING = 0, 1


class Heart(threading.Thread):
    """The thread of one rank.

    Attributes:
      before, after: the ranks that this one listens to, and beats for.
      leaving: set by this rank when it has done its work: the beats say so from then on.
      left_at: when (time.monotonic) the rank before said that it leaves; None: it has not.
    """

    def __init__(self, group: Group, patience: float) -> None:
        super().__init__(name="loopnest-heart", daemon=True)
        self.group, self.patience = group, patience
        self.before, self.after = (group.rank - 1) % group.size, (group.rank + 1) % group.size
        self.tick = min(1.0, patience / 10)
        self.leaving = False
        self.left_at: float | None = None
        self.ended = threading.Event()
        self._in, self._out = np.zeros(1, np.uint8), np.zeros(1, np.uint8)

    def run(self) -> None:
        comm, done = self.group.control, False
        listening = comm.Irecv(self._in, self.before, TAG)
        beating = None
        silent, last = 0.0, time.monotonic()
        while not done:
            done = self.ended.wait(self.tick)
            if beating is None or beating.Test():
                self._out[0] = LEAVING if self.leaving else ALIVE
                beating = comm.Isend(self._out, self.after, TAG)
            now = time.monotonic()
            # Time during which this rank itself was stopped says nothing about the others.
            silent += min(now - last, 2 * self.tick)
            last = now
            while listening.Test():
                silent = 0.0
                if self._in[0] == LEAVING and self.left_at is None:
                    self.left_at = now
                listening = comm.Irecv(self._in, self.before, TAG)
            if silent > self.patience:
                self.group.abort(
                    f"rank {self.before} has given no sign of life for {self.patience:g} s (stopped, or its "
                    f"machine is gone): rank {self.group.rank} ends the job"
                )
        listening.Cancel()
        listening.Wait()
        if beating is not None:
            beating.Free()

    def stop(self) -> None:
        self.ended.set()
        self.join()
