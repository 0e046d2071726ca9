"""What a step of data-parallel training costs on n ranks: on paper, and by simulation of its schedule.

A link takes alpha + beta * bytes for a message (Hockney 1994). The reducer's all-reduce of a bucket of B
bytes over n ranks is two exchanges of n - 1 messages of B / n bytes each:

    exchange(n, B) = (n - 1) alpha + (n - 1) / n * B beta
    allreduce(n, B) = 2 exchange(n, B) + B gamma + delta

with gamma the processor's work per byte (packing, weighting, summing, unpacking) and delta its work per
bucket. On paper everything that can overlap the backward pass does; the simulation follows every bucket:
when backward fills it, when the link is free, when the processor looks after it next, and how far the slowest
of n ranks is behind. Where ranks share memory the processor itself is the link, and nothing overlaps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Link:
    """How ranks are joined.

    Attributes:
      alpha: seconds per message. beta: seconds per byte. gamma, delta: the processor's seconds per byte and
        per bucket. overlaps: whether messages travel while the processor computes.
    """

    name: str
    alpha: float
    beta: float
    gamma: float = 0.0
    delta: float = 0.0
    overlaps: bool = True

    def exchange(self, ranks: int, size: float) -> float:
        """Seconds in which every rank gives every other one a n-th of `size` bytes."""
        return (ranks - 1) * self.alpha + (ranks - 1) / ranks * size * self.beta

    def work(self, size: float) -> float:
        """Seconds of the processor for a bucket of `size` bytes."""
        return self.delta + size * self.gamma

    def allreduce(self, ranks: int, size: float) -> float:
        """Seconds for one bucket, alone; 0 on one rank, where nothing is sent.

        Example:
          >>> link = Link("a gigabyte a second", alpha=1e-6, beta=1e-9)
          >>> round(1e6 * link.allreduce(4, 4e6))
          6006
        """
        return 0.0 if ranks == 1 else 2 * self.exchange(ranks, size) + self.work(size)


@dataclass(frozen=True)
class Step:
    """One rank's work in a step.

    Attributes:
      fixed, per_sample: seconds of computing: fixed + per_sample * samples.
      backward: the part of that which is the backward pass, which begins at `forward` of the whole.
      forward: the part before it; what is left after both is the optimizer's.
      full: for each bucket, when in the backward pass it is full (0 to 1, rising).
      sizes: bytes of each bucket.
      hooks: when in the backward pass the processor looks after what is under way (0 to 1, rising).
      spread: standard deviation of a rank's computing time, as a part of it.
    """

    name: str
    fixed: float
    per_sample: float
    forward: float
    backward: float
    full: Sequence[float]
    sizes: Sequence[float]
    hooks: Sequence[float] = ()
    spread: float = 0.0

    def compute(self, samples: float) -> float:
        """Seconds of computing with so many samples."""
        return self.fixed + self.per_sample * samples


def on_paper(step: Step, link: Link, ranks: int, samples: float) -> float:
    """Seconds per step with `samples` on each rank: computing, and the longer of what is left of backward
    after the first bucket and of all buckets' way. With a link that does not overlap: computing and way.

    Example:
      >>> step = Step("even", 0.0, 1e-3, 1 / 3, 2 / 3, full=(0.5, 1.0), sizes=(1e6, 1e6))
      >>> link = Link("a gigabyte a second", alpha=0.0, beta=1e-9)
      >>> on_paper(step, link, 1, 30), round(on_paper(step, link, 2, 30), 6)
      (0.03, 0.031)
    """
    total = step.compute(samples)
    if ranks == 1:
        return total
    ways = [link.allreduce(ranks, size) for size in step.sizes]
    if not link.overlaps:
        return total + sum(ways)
    back = total * step.backward
    begin = total * step.forward
    rest = total - begin - back
    # Bucket k and all that follow it need the link after k is full: the latest of these ends the step.
    ends = [begin + back * at + sum(ways[k:]) for k, at in enumerate(step.full)]
    return max(*ends, begin + back) + rest


def simulate(
    step: Step, link: Link, ranks: int, samples: float, steps: int = 200, seed: int = 0
) -> tuple[float, float]:
    """(mean seconds per step, of which waited for gradients), over `steps` simulated ones.

    The slowest rank of each step sets when a bucket is full everywhere; the others wait for it.
    """
    total = step.compute(samples)
    if ranks == 1:
        return total, 0.0
    rng = np.random.default_rng(seed)
    taken, waited = 0.0, 0.0
    for _ in range(steps):
        slowest = total * (1.0 + step.spread * _slowest(rng, ranks))
        end = _schedule(step, link, ranks, slowest)
        rest = total * (1 - step.forward - step.backward)
        taken += end + rest
        waited += end - total * (step.forward + step.backward)
    return taken / steps, waited / steps


def _slowest(rng: np.random.Generator, ranks: int) -> float:
    """The largest of `ranks` standard normal numbers, at least 0."""
    return max(0.0, float(rng.standard_normal(ranks).max()))


def _schedule(step: Step, link: Link, ranks: int, total: float) -> float:
    """When the last bucket is back, with `total` seconds of computing on the slowest rank.

    The processor's work for a bucket delays what comes after it in the backward pass. An exchange ends in the
    link's own time, but the next is begun only when the processor looks: at a hook, or at any time once
    backward is over.
    """
    begin, back = total * step.forward, total * step.backward
    hooks = [begin + back * at for at in step.hooks]
    over = begin + back

    def looks(after: float, late: float) -> float:
        """The first moment from `after` on at which the processor looks; hooks come `late`."""
        return next((at + late for at in hooks if at + late >= after), max(after, over + late))

    free, late, end = 0.0, 0.0, over
    for at, size in zip(step.full, step.sizes, strict=True):
        work, exchange = link.work(size), link.exchange(ranks, size)
        if not link.overlaps:  # the processor carries the bytes itself: backward stands still meanwhile
            late += work + 2 * exchange
            end = over + late
            continue
        late += work
        first = max(begin + back * at + late, free)
        second = looks(first + exchange, late)
        free = second + exchange
        end = max(over + late, free)
    return end


def ranks_to(limit: int) -> list[int]:
    """1, 2, 4 ... limit."""
    return [1 << k for k in range(int(math.log2(limit)) + 1)]
