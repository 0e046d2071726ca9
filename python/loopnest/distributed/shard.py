"""Shards: which samples of every batch are this rank's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from loopnest.data import DataLoader
from loopnest.data.sampler import Sampler
from loopnest.distributed.group import Group, current, get_rank, get_world_size, is_initialized
from loopnest.engine.tape import Tensor

Split = Callable[[Any, int, int], tuple[Any, int]]

_weight = 1.0


def set_weight(weight: float) -> None:
    """How much this rank's next gradients count beside the others': the number of terms that its loss is a
    mean of. `shard` sets it to the number of samples; call it after that for a mean over something else,
    such as the words of a batch."""
    global _weight
    if not weight >= 0:
        raise ValueError(f"set_weight: expected a number of at least 0, got {weight}")
    _weight = float(weight)


def weight() -> float:
    """What set_weight, or shard, has set; 1 at the beginning."""
    return _weight


def share(count: int, rank: int, size: int) -> slice:
    """The part of `count` samples in a row that is rank's: sizes differ by one at most, the larger first."""
    whole, rest = divmod(count, size)
    first = rank * whole + min(rank, rest)
    return slice(first, first + whole + (rank < rest))


def by_rows(batch: Any, rank: int, size: int) -> tuple[Any, int]:
    """A batch's part for one rank, and how many samples that is: all arrays in it are cut along axis 0.

    batch: Tensors and arrays with the same length of axis 0, in tuples, lists and dicts; other things in it
    are handed on. A rank that gets no sample gets the first one, to have something, and the number 0.

    Raises ValueError for arrays of different lengths, or no array.
    """
    lengths = {len(a) if np.ndim(a) else 0 for a in _arrays(batch)}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(
            "shard: expected a batch of arrays with the same length of axis 0, got lengths "
            f"{sorted(lengths)}; pass split= to say how a batch is shared out"
        )
    part = share(lengths.pop(), rank, size)
    samples = part.stop - part.start
    return _cut(batch, part if samples else slice(0, 1)), samples


def whole(batch: Any, rank: int, size: int) -> tuple[Any, int]:
    """A batch that is one sample, and rank 0's."""
    return batch, int(rank == 0)


def _arrays(batch: Any) -> Iterator[Any]:
    if isinstance(batch, (Tensor, np.ndarray)):
        yield batch
    elif isinstance(batch, (list, tuple)):
        for part in batch:
            yield from _arrays(part)
    elif isinstance(batch, dict):
        yield from _arrays(list(batch.values()))


def _cut(batch: Any, part: slice) -> Any:
    if isinstance(batch, (Tensor, np.ndarray)):
        return batch[part]
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(_cut(each, part) for each in batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(_cut(each, part) for each in batch)
    if isinstance(batch, dict):
        return {key: _cut(each, part) for key, each in batch.items()}
    return batch


class Sharded:
    """This rank's part of every batch of a loader; see `shard`.

    Attributes:
      samples: how many samples of the present batch are this rank's, 0 included.
    """

    def __init__(self, group: Group, loader: Any, split: Split | None = None) -> None:
        self.group, self.loader = group, loader
        ordered = isinstance(loader, DataLoader)
        self.by_index = ordered and loader.batch_sampler is not None and split is None
        self.split: Split = split or (whole if ordered else by_rows)
        self.samples = 0

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        if self.group.size == 1:
            for batch in self.loader:
                yield self._hand_out(batch, 1)
        elif self.by_index:
            yield from self._by_index()
        elif isinstance(self.loader, DataLoader):
            yield from map(self._part, self.loader.batches(self._order()))
        else:
            yield from map(self._part, self.loader)

    def _order(self) -> list[Any]:
        """Rank 0's order of this epoch. The others draw none: their random numbers stay their own."""
        order = self.loader.draw() if self.group.rank == 0 else None
        done, order = self.group.broadcast_value(None if order is None else [self.loader.done, order])
        if self.group.rank != 0:
            self.loader.drawn(done)
        return order

    def _by_index(self) -> Iterator[Any]:
        counts, parts = [], []
        for wanted in self._order():
            part = share(len(wanted), self.group.rank, self.group.size)
            counts.append(part.stop - part.start)
            parts.append(wanted[part] if counts[-1] else wanted[:1])
        for batch, samples in zip(self.loader.batches(parts), counts, strict=True):
            yield self._hand_out(batch, samples)

    def _part(self, batch: Any) -> Any:
        return self._hand_out(*self.split(batch, self.group.rank, self.group.size))

    def _hand_out(self, batch: Any, samples: int) -> Any:
        self.samples = samples
        set_weight(samples)
        return batch

    def state_dict(self) -> dict[str, Any]:
        return self.loader.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.loader.load_state_dict(state)


def shard(loader: Iterable[Any], split: Split | None = None) -> Sharded:
    """The same loader, of which every rank sees its part of each batch: n ranks train as one would.

    All ranks make the same number of steps, and a batch need not be a multiple of the ranks: shares differ by
    one sample at most, and may be empty. A rank whose share is empty gets one sample all the same, whose
    gradient counts nothing. The order is rank 0's, whatever the others' random numbers are.

    Args:
      loader: a DataLoader, whose batches are cut by their indices, so that each rank reads its own samples
        alone; or any iterable of batches, the same on each rank, that are cut by `split`.
      split: a function (batch, rank, world_size) -> (its part, number of samples); default: `by_rows`, and
        for a DataLoader with batch_size=None `whole`: its items are single samples, and rank 0's.

    Raises RuntimeError without a process group.
    """
    return Sharded(current(), loader, split)


class DistributedSampler(Sampler):
    """One rank's share of the indices of a data set; PyTorch's arguments and order.

    All shares have the same length: the last indices are left out (drop_last), or the first ones appear
    again. `shard(loader)` needs neither.

    Args:
      num_replicas, rank: default: the process group's.
      shuffle: a new order for every number given to set_epoch.
      seed: the same on all ranks.

    Example:
      >>> from loopnest.distributed import DistributedSampler
      >>> [list(DistributedSampler(range(5), 2, rank, shuffle=False)) for rank in (0, 1)]
      [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(
        self,
        dataset: Sequence[Any],
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if (num_replicas is None or rank is None) and not is_initialized():
            raise RuntimeError("DistributedSampler: there is no process group: pass num_replicas and rank")
        self.num_replicas = get_world_size() if num_replicas is None else num_replicas
        self.rank = get_rank() if rank is None else rank
        if not 0 <= self.rank < self.num_replicas:
            raise ValueError(
                f"DistributedSampler: expected a rank of 0 to {self.num_replicas - 1}, got {self.rank}"
            )
        self.dataset, self.shuffle, self.seed, self.drop_last = dataset, shuffle, seed, drop_last
        self.epoch = 0
        count = len(dataset) / self.num_replicas
        self.num_samples = math.floor(count) if drop_last else math.ceil(count)
        self.total_size = self.num_samples * self.num_replicas

    def __iter__(self) -> Iterator[int]:
        count = len(self.dataset)
        order = list(range(count))
        if self.shuffle:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(count).tolist()
        order = (order * math.ceil(self.total_size / count))[: self.total_size] if count else []
        return iter(order[self.rank :: self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the order: call it before each epoch, with the same number on all ranks."""
        self.epoch = epoch
