"""Samplers: in which order the samples of a data set are taken, and how they are put into batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from loopnest.engine.tape import default_generator


def source(generator: Any = None) -> np.random.Generator:
    """The NumPy generator behind `generator`: a loopnest.Generator, a NumPy one, or None for the default.

    Example:
      >>> import loopnest
      >>> from loopnest.data.sampler import source
      >>> source(loopnest.Generator()).random() < 1
      True
    """
    if generator is None:
        return default_generator()
    inner = getattr(generator, "numpy", generator)
    if not isinstance(inner, np.random.Generator):
        raise TypeError(f"generator: expected a loopnest.Generator, got {type(generator).__name__}")
    return inner


def permutation(count: int, generator: Any = None) -> np.ndarray:
    """The numbers 0 to count - 1 in random order, int64 (count,).

    Example:
      >>> from loopnest.data.sampler import permutation
      >>> sorted(permutation(4).tolist())
      [0, 1, 2, 3]
    """
    return source(generator).permutation(count)


class Sampler:
    """Base of the samplers: iterating gives indices; `len` says how many.

    Example:
      >>> from loopnest.data import Sampler
      >>> class EverySecond(Sampler):
      ...     def __iter__(self):
      ...         return iter(range(0, 6, 2))
      ...     def __len__(self):
      ...         return 3
      >>> list(EverySecond())
      [0, 2, 4]
    """

    def __iter__(self) -> Iterator[int]:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError


class SequentialSampler(Sampler):
    """The samples in their order: 0, 1, 2, ...

    Example:
      >>> from loopnest.data import SequentialSampler
      >>> list(SequentialSampler("abc"))
      [0, 1, 2]
    """

    def __init__(self, data_source: Any) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """Every sample once in a random order, new each time; with `replacement`, `num_samples` drawn freely.

    Example:
      >>> from loopnest.data import RandomSampler
      >>> sorted(RandomSampler("abc"))
      [0, 1, 2]
    """

    def __init__(
        self,
        data_source: Any,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any = None,
    ) -> None:
        if num_samples is not None and num_samples <= 0:
            raise ValueError(f"RandomSampler: expected num_samples above 0, got {num_samples}")
        self.data_source, self.replacement, self.generator = data_source, replacement, generator
        self.num_samples = num_samples

    def __iter__(self) -> Iterator[int]:
        size, wanted = len(self.data_source), len(self)
        if self.replacement:
            yield from source(self.generator).integers(0, size, wanted).tolist()
            return
        while wanted > 0:
            order = permutation(size, self.generator)[:wanted]
            yield from order.tolist()
            wanted -= len(order)

    def __len__(self) -> int:
        return len(self.data_source) if self.num_samples is None else self.num_samples


class SubsetRandomSampler(Sampler):
    """The given indices in a random order, new each time.

    Example:
      >>> from loopnest.data import SubsetRandomSampler
      >>> sorted(SubsetRandomSampler([7, 2, 5]))
      [2, 5, 7]
    """

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[int]:
        return (self.indices[k] for k in permutation(len(self.indices), self.generator).tolist())

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """num_samples indices drawn with probabilities in proportion to `weights`, one weight per sample.

    Args:
      weights: at least 0, some above; they need not add up to 1.
      replacement: False: no index twice, so that num_samples is at most the number of weights above 0.

    Raises ValueError for other weights or numbers.

    Example:
      >>> from loopnest.data import WeightedRandomSampler
      >>> list(WeightedRandomSampler([0.0, 2.0, 0.0], 3))
      [1, 1, 1]
    """

    def __init__(
        self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator: Any = None
    ) -> None:
        who = "WeightedRandomSampler"
        if (
            not isinstance(num_samples, (int, np.integer))
            or isinstance(num_samples, bool)
            or num_samples <= 0
        ):
            raise ValueError(f"{who}: expected num_samples of at least 1, got {num_samples!r}")
        if not isinstance(replacement, bool):
            raise ValueError(f"{who}: expected replacement to be True or False, got {replacement!r}")
        self.weights = np.asarray(weights, np.float64)
        if self.weights.ndim != 1:
            raise ValueError(f"{who}: expected weights of one axis, got shape {self.weights.shape}")
        if not (self.weights >= 0).all() or not 0 < self.weights.sum() < np.inf:
            raise ValueError(f"{who}: expected finite weights of at least 0, and one above")
        above = np.count_nonzero(self.weights)
        if not replacement and num_samples > above:
            raise ValueError(
                f"{who}: without replacement expected at most {above} samples, as many as weights above 0, "
                f"got {num_samples}"
            )
        self.num_samples, self.replacement, self.generator = int(num_samples), replacement, generator

    def __iter__(self) -> Iterator[int]:
        share = self.weights / self.weights.sum()
        drawn = source(self.generator).choice(len(share), self.num_samples, self.replacement, share)
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Puts another sampler's indices into lists of `batch_size`; the last may be shorter, or is dropped.

    Raises ValueError for a batch_size below 1.

    Example:
      >>> from loopnest.data import BatchSampler
      >>> list(BatchSampler(range(5), 2))
      [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Any, batch_size: int, drop_last: bool = False) -> None:
        if not isinstance(batch_size, (int, np.integer)) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"BatchSampler: expected batch_size of at least 1, got {batch_size!r}")
        self.sampler, self.batch_size, self.drop_last = sampler, int(batch_size), drop_last

    def __iter__(self) -> Iterator[list[int]]:  # type: ignore[override]
        batch: list[int] = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        whole, rest = divmod(len(self.sampler), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)


class BucketBatchSampler(Sampler):
    """Batches of samples of about the same length, in random order: little padding, little order.

    A random order is cut into pools of `batch_size * pool` samples, each pool is sorted by length and cut
    into batches, and the batches are shuffled.

    Args:
      lengths: the length of every sample.
      pool: how many batches are sorted together. 1 is no bucketing, more is less padding.

    Example:
      >>> from loopnest.data import BucketBatchSampler
      >>> batches = list(BucketBatchSampler([9, 1, 8, 2], batch_size=2, pool=2))
      >>> sorted(sorted(batch) for batch in batches)
      [[0, 2], [1, 3]]
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        pool: int = 50,
        shuffle: bool = True,
        drop_last: bool = False,
        generator: Any = None,
    ) -> None:
        if batch_size <= 0 or pool <= 0:
            raise ValueError(
                f"BucketBatchSampler: expected batch_size and pool of at least 1, got {batch_size} and {pool}"
            )
        self.lengths = np.asarray(lengths, np.int64)
        self.batch_size, self.pool, self.shuffle, self.drop_last = batch_size, pool, shuffle, drop_last
        self.generator = generator

    def __iter__(self) -> Iterator[list[int]]:  # type: ignore[override]
        count, rng = len(self.lengths), source(self.generator)
        order = rng.permutation(count) if self.shuffle else np.arange(count)
        batches: list[list[int]] = []
        for first in range(0, count, self.batch_size * self.pool):
            part = order[first : first + self.batch_size * self.pool]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            batches += [part[k : k + self.batch_size].tolist() for k in range(0, len(part), self.batch_size)]
        if self.drop_last:
            batches = [batch for batch in batches if len(batch) == self.batch_size]
        picked = rng.permutation(len(batches)) if self.shuffle else range(len(batches))
        return (batches[int(k)] for k in picked)

    def __len__(self) -> int:
        pooled = self.batch_size * self.pool
        pools = [min(pooled, len(self.lengths) - k) for k in range(0, len(self.lengths), pooled)]
        return sum(n // self.batch_size + (n % self.batch_size > 0 and not self.drop_last) for n in pools)
