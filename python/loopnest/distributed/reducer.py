"""Gradients summed over the ranks in buckets, while backward goes on, in an order that never changes.

A bucket is the gradients of neighbouring parameters behind each other, in the order in which backward makes
them. When it is full it goes on its way:

    1. all-to-all: rank r gets everybody's r-th slice of it
    2. rank r sums its slice: each rank's numbers times that rank's share of the samples, then a tree over
       the ranks in their order: (0 + 1) + (2 + 3) ...
    3. all-gather: everybody gets every sum

Each number is summed once, by one rank, in one order: all ranks have the same bits, and the same job run
twice has the same bits. (MPI_Allreduce promises neither.) 2 (n - 1) / n of the bytes pass every rank in each
direction, the least that an all-reduce can do. With u = 2^-24, s[r] the shares and g[r] the gradients:

    |computed - sum over r of s[r] g[r]| <= (ceil(log2 n) + 2) u * sum over r of s[r] |g[r]|

to first order: one rounding of the share to float32, one of the product, and one in each level of the tree.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from loopnest.distributed.group import Group
from loopnest.engine.tape import Tensor, from_numpy, queue_callback
from loopnest.nn.parameter import memory

MEGABYTE = 1 << 20
FILLING, SCATTERED, SUMMED, DONE = range(4)
STEP, END = 1.0, 2.0  # what ranks announce: gradients, or that there are no more


class Bucket:
    """Some parameters' gradients, and where they are on their way.

    Attributes:
      flat: [g of parameter 0, g of parameter 1, ..., used or not (one number per parameter), padding].
      parts: [ranks, slice]: what arrives; row r came from rank r.
    """

    def __init__(self, params: Sequence[Tensor], size: int) -> None:
        self.params = list(params)
        dtype = self.params[0].dtype
        ends = np.cumsum([p.numel() for p in self.params])
        count = int(ends[-1]) + len(self.params)
        self.slice = -(-count // size)
        self.flat = np.zeros(self.slice * size, dtype)
        self.parts = np.zeros((size, self.slice), dtype)
        self.views = [
            self.flat[int(end) - p.numel() : int(end)].reshape(p.shape)
            for p, end in zip(self.params, ends, strict=True)
        ]
        self.used = self.flat[int(ends[-1]) : count]
        self.clear()

    def clear(self) -> None:
        self.state = FILLING
        self.request: Any = None  # MPI's, for what is under way
        self.missing = set(range(len(self.params)))

    def put(self, index: int) -> None:
        """Takes the gradient of a parameter, which is complete."""
        grad = self.params[index].grad
        self.used[index] = grad is not None
        self.views[index][...] = 0 if grad is None else memory(grad)
        self.missing.discard(index)

    def sum_slice(self, shares: np.ndarray, rank: int) -> None:
        """Step 2; leaves the sums where step 3 takes them from. Ranks without samples do not count."""
        rows = [r for r in range(len(shares)) if shares[r] > 0]
        for r in rows:
            self.parts[r] *= self.parts.dtype.type(shares[r])
        while len(rows) > 1:
            for into, other in zip(rows[::2], rows[1::2], strict=False):
                self.parts[into] += self.parts[other]
            rows = rows[::2]
        self.flat[rank * self.slice : (rank + 1) * self.slice] = self.parts[rows[0]]

    def take(self) -> None:
        """The sums become the gradients. What no rank used keeps no gradient, as on one rank."""
        for param, view, used in zip(self.params, self.views, self.used, strict=True):
            if not used > 0:
                continue
            if param.grad is None:
                param.grad = from_numpy(view.copy())
            else:
                memory(param.grad)[...] = view
                param.grad.bump_version()


class Reducer:
    """Watches parameters, and replaces their gradients by the weighted mean over all ranks in each backward.

    Args:
      group: the process group.
      params: in the order in which the forward pass uses them; all ranks have the same (check.py).
      bucket_megabytes: how large a bucket may become. Small buckets start earlier, large ones cost less.

    Attributes:
      weight: this rank's share of the next mean is weight / (sum of all ranks' weights).
      note: two numbers of one's own that travel with the weight; `notes` are everybody's afterwards.
      waited: seconds that backward passes have waited for the others' gradients at their end.
    """

    def __init__(self, group: Group, params: Sequence[Tensor], bucket_megabytes: float = 1.0) -> None:
        if not bucket_megabytes > 0:
            raise ValueError(f"expected buckets of more than 0 megabytes, got {bucket_megabytes}")
        self.group = group
        self.weight, self.note = 1.0, (0.0, 0.0)
        self.active, self.running = True, False
        self.waited = 0.0
        self.buckets: list[Bucket] = []
        self._announced, self._heard = np.zeros(4), np.zeros((group.size, 4))
        self._facts: Any = None
        params = [p for p in params if p.requires_grad]
        if group.size == 1:
            self.handles: list[Any] = []
            return
        self.buckets = [Bucket(some, group.size) for some in self.cut(params, bucket_megabytes)]
        self._place = {id(p): (b, k) for b in self.buckets for k, p in enumerate(b.params)}
        complete = weakref.WeakMethod(self._complete)  # the hooks do not keep a Reducer that nobody uses

        def hook(param: Tensor) -> None:
            method = complete()
            if method is not None:
                method(param)

        self.handles = [p.register_post_accumulate_grad_hook(hook) for p in params]

    @property
    def notes(self) -> np.ndarray:
        """(ranks, 2): what the ranks noted for the last backward pass."""
        return self._heard[:, 2:]

    @property
    def weights(self) -> np.ndarray:
        """(ranks,): the weights of the last backward pass."""
        return self._heard[:, 1]

    @staticmethod
    def cut(params: Sequence[Tensor], megabytes: float) -> list[list[Tensor]]:
        """Buckets of one dtype each, from the last parameter to the first, as backward comes to them."""
        cut: list[list[Tensor]] = []
        full: dict[Any, float] = {}
        for param in reversed(params):
            size = param.numel() * param.element_size()
            if not cut or cut[-1][0].dtype != param.dtype or full[id(cut[-1])] + size > megabytes * MEGABYTE:
                cut.append([])
                full[id(cut[-1])] = 0
            cut[-1].append(param)
            full[id(cut[-1])] += size
        return cut

    # In backward

    def _complete(self, param: Tensor) -> None:
        if not self.active:
            return
        if not self.running:
            self._begin()
            queue_callback(self.finish)
        bucket, index = self._place[id(param)]
        bucket.put(index)
        self._progress()

    def _begin(self) -> None:
        self.running = True
        for bucket in self.buckets:
            bucket.clear()
        self._announce(STEP)

    def _announce(self, kind: float) -> None:
        self._announced[:] = kind, self.weight, *self.note
        self._facts = self.group.facts.Iallgather(self._announced, self._heard)

    def _progress(self) -> bool:
        """Sends each bucket on as far as it gets without waiting, in order; True when all are done."""
        first = True  # all buckets before this one are summed: the next may follow on `gather`
        for bucket in self.buckets:
            if bucket.state == FILLING:
                if bucket.missing:
                    return False
                comm = self.group.scatter
                bucket.request = comm.Ialltoall(bucket.flat, bucket.parts)
                bucket.state = SCATTERED
            if bucket.state == SCATTERED and first and self._shares_known() and bucket.request.Test():
                bucket.sum_slice(self._shares, self.group.rank)
                bucket.request = self.group.gather.Iallgather(self.group.mpi.IN_PLACE, bucket.flat)
                bucket.state = SUMMED
            first = first and bucket.state >= SUMMED
            if bucket.state == SUMMED and bucket.request.Test():
                bucket.state = DONE
        return all(bucket.state == DONE for bucket in self.buckets)

    def _shares_known(self) -> bool:
        if self._facts is None:
            return True
        if not self._facts.Test():
            return False
        self._facts = None
        self._compare()
        total = float(np.sum(self.weights))
        if not np.isfinite(total) or total <= 0 or np.any(self.weights < 0):
            raise ValueError(
                "data-parallel training: expected weights of at least 0 of which one is more, got "
                f"{self.weights.tolist()} on ranks 0 to {self.group.size - 1}"
            )
        self._shares = self.weights / total
        return True

    def _compare(self) -> None:
        """All ranks are at the same thing. Raises RuntimeError."""
        kinds = self._heard[:, 0]
        if np.any(kinds != kinds[0]):
            other = int(np.flatnonzero(kinds != kinds[0])[0])
            ended, steps = (0, other) if kinds[0] == END else (other, 0)
            raise RuntimeError(
                f"rank {ended} has no more batches, but rank {steps} has: every rank must make the same "
                "number of steps"
            )

    def finish(self) -> None:
        """Waits until every bucket is back. What has no gradient yet is sent as not used."""
        if not self.running:  # no gradient came: this rank had no sample
            self._begin()
        self.running = False
        for bucket in self.buckets:
            for index in sorted(bucket.missing):
                bucket.put(index)
        start, spins, nap = time.monotonic(), 0, 20e-6
        begin = time.perf_counter()
        while not self._progress():
            spins += 1
            if spins < 200:
                time.sleep(0)
                continue
            time.sleep(nap)
            nap = min(nap * 1.1, 1e-3)
            self.group.still_possible(start, "the gradients")
        self.waited += time.perf_counter() - begin
        for bucket in self.buckets:
            bucket.take()

    # Around it

    def end(self) -> None:
        """Tells the others that this rank has no more steps, and hears that they have none.

        Raises RuntimeError if one of them is about to make another step.
        """
        if self.group.size > 1:
            self._announce(END)
            self.group.wait([self._facts], "the others at the end of an epoch")
            self._facts = None
            self._compare()

    def close(self) -> None:
        """Leaves the parameters alone from now on."""
        for handle in self.handles:
            handle.remove()
        self.handles = []
