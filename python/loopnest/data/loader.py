"""DataLoader: batches of a data set, in order or shuffled, fetched ahead by threads."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from loopnest.data.collate import as_batch, default_collate
from loopnest.data.dataset import IterableDataset, columns
from loopnest.data.sampler import BatchSampler, RandomSampler, SequentialSampler, source


class DataLoader:
    """Iterates over batches of `dataset`; PyTorch's arguments.

    Workers are threads, not processes: they share memory, start at once, and NumPy and loopnest's kernels
    let them run side by side. The order of batches does not depend on their number.

    Args:
      dataset: anything with `__getitem__` and `__len__`; or an IterableDataset, whose samples are taken as
        they come, with workers by one thread, ahead of the caller.
      batch_size: samples per batch; None: samples one by one, not put together.
      shuffle: a new random order every time it is iterated.
      sampler, batch_sampler: an order of one's own, of samples or of batches.
      num_workers: threads that fetch ahead; 0: the caller fetches.
      collate_fn: makes a batch of a list of samples; default: default_collate.
      drop_last: leave out the last batch if it is not full.
      worker_init_fn: called with the number of the worker, in each that starts, before its first batch.
      generator: a loopnest.Generator for the order; default: the one behind manual_seed.
      prefetch_factor: batches that each worker fetches ahead (2).
      pin_memory, timeout, multiprocessing_context, persistent_workers, pin_memory_device, in_order: PyTorch's
        options for processes and devices, taken and ignored.

    `state_dict()` in the middle of an epoch and `load_state_dict()` into a new loader go on with the very
    next batch of the same order. Of a stream the samples that were done are read again and left out.

    Raises ValueError for arguments that exclude each other.

    Example:
      >>> import numpy as np
      >>> from loopnest.data import DataLoader, TensorDataset
      >>> loader = DataLoader(TensorDataset(np.arange(5)), batch_size=2)
      >>> [batch.tolist() for (batch,) in loader]
      [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if num_workers < 0:
            raise ValueError(f"DataLoader: expected num_workers of at least 0, got {num_workers}")
        if prefetch_factor is not None and (prefetch_factor < 1 or not num_workers):
            raise ValueError("DataLoader: prefetch_factor is for num_workers above 0, and at least 1")
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: sampler and shuffle exclude each other: the sampler is the order")
        if batch_sampler is not None and (
            batch_size not in (None, 1) or shuffle or sampler is not None or drop_last
        ):
            raise ValueError(
                "DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last: "
                "it decides all of them"
            )
        self._stream = isinstance(dataset, IterableDataset)
        if self._stream:
            if shuffle or sampler is not None or batch_sampler is not None:
                raise ValueError("DataLoader: a stream has its own order: no shuffle, sampler, batch_sampler")
            sampler = ()
        self.dataset, self.num_workers, self.generator = dataset, num_workers, generator
        self.prefetch_factor = prefetch_factor or 2
        self.drop_last, self.worker_init_fn = drop_last, worker_init_fn
        self.collate_fn: Callable[[Any], Any] = collate_fn or default_collate
        if sampler is None:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        self.sampler = sampler
        self.batch_size = None if batch_sampler is not None else batch_size
        if batch_sampler is None and batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_sampler = None if self._stream else batch_sampler
        self._single = collate_fn or (lambda sample: sample)
        self._order_state: Any = None  # of the generator, before the order of this epoch was drawn
        self._done = 0  # batches of this epoch that were handed out
        self._skip = 0  # batches that the next epoch leaves out: load_state_dict

    def __len__(self) -> int:
        if self._stream:  # TypeError if it does not know
            count, size = len(self.dataset), self.batch_size or 1
            return count // size if self.drop_last else -(-count // size)
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)

    def __iter__(self) -> Iterator[Any]:
        return self._handed_out(self._of_stream()) if self._stream else self.batches(self.draw())

    def draw(self) -> list[Any]:
        """Begin an epoch: the order of its batches, without those that were done (load_state_dict).

        Raises TypeError for a stream, which has none.
        """
        if self._stream:
            raise TypeError(f"DataLoader: {type(self.dataset).__name__} is a stream: it has no order to draw")
        rng = source(self.generator)
        after = None
        if self._skip and self._order_state is not None:
            after = rng.bit_generator.state
            rng.bit_generator.state = self._order_state
        self._order_state = rng.bit_generator.state
        # The whole order is drawn now, so that random numbers used during the epoch do not change it.
        order = list(self.sampler if self.batch_sampler is None else self.batch_sampler)
        if after is not None:
            rng.bit_generator.state = after
        self._done, self._skip = self._skip, 0
        return order[self._done :]

    @property
    def done(self) -> int:
        """How many batches of this epoch were handed out."""
        return self._done

    def drawn(self, done: int) -> None:
        """Begin an epoch whose order another loader has drawn, and of which `done` batches are done."""
        self._done, self._skip = done, 0

    def batches(self, order: list[Any]) -> Iterator[Any]:
        """The batches of an order, fetched ahead."""
        if self.num_workers:
            return self._handed_out(self._ahead(order, self._fetch, self.num_workers))
        return self._handed_out(map(self._fetch, order))

    def _handed_out(self, fetched: Iterable[Any]) -> Iterator[Any]:
        for batch in fetched:
            self._done += 1
            yield batch
        self._done = 0
        self._order_state = None

    def _of_stream(self) -> Iterator[Any]:
        """The batches of a stream; those that were done (load_state_dict) are left out."""
        self._done, self._skip = self._skip, 0
        read = self._read(self._done)
        if not self.num_workers:
            return read
        # One thread: only one may ask a stream for its next sample.
        end = object()
        ahead = self._ahead(itertools.repeat(read), lambda read: next(read, end), 1)
        return itertools.takewhile(lambda batch: batch is not end, ahead)

    def _read(self, done: int) -> Iterator[Any]:
        size = self.batch_size
        samples = itertools.islice(iter(self.dataset), done * (size or 1), None)
        if size is None:
            yield from map(self._single, samples)
            return
        while batch := list(itertools.islice(samples, size)):
            if len(batch) == size or not self.drop_last:
                yield self.collate_fn(batch)

    def _fetch(self, wanted: Any) -> Any:
        if self.batch_sampler is None:
            return self._single(self.dataset[wanted])
        if self.collate_fn is default_collate and (batch := columns(self.dataset, wanted)) is not None:
            return default_collate(batch)
        many = getattr(self.dataset, "__getitems__", None)
        if many is not None:
            return self.collate_fn(many(wanted))
        return self.collate_fn([self.dataset[i] for i in wanted])

    def _ahead(self, order: Iterable[Any], fetch: Callable[[Any], Any], workers: int) -> Iterator[Any]:
        """The batches in order, while threads fetch the next ones. Errors come out in their place."""
        waiting: deque[Future] = deque()
        rest = iter(order)
        if self.worker_init_fn is not None:
            fetch = _beginning(self.worker_init_fn, fetch)
        with ThreadPoolExecutor(workers, thread_name_prefix="loopnest-data") as pool:
            try:
                for wanted in rest:
                    waiting.append(pool.submit(fetch, wanted))
                    if len(waiting) >= self.num_workers * self.prefetch_factor:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for one in waiting:
                    one.cancel()

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands: how many batches of this epoch are done, and from which random state their
        order was drawn. Plain numbers and texts, fit for JSON."""
        return {"batches_done": self._done, "order_state": self._order_state if self._done else None}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where state_dict() was taken: the next iteration leaves out the batches that were done.

        Raises ValueError for something else.
        """
        try:
            done, order_state = int(state["batches_done"]), state["order_state"]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"DataLoader.load_state_dict: expected its state_dict(), got {state!r:.80}"
            ) from error
        if done < 0 or (not self._stream and done > len(self)):
            raise ValueError(
                f"DataLoader.load_state_dict: {done} batches were done, but this loader has {len(self)}"
            )
        self._skip, self._order_state = done, order_state


def _beginning(worker_init_fn: Callable[[int], Any], fetch: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`fetch` that first calls worker_init_fn, once in every thread."""
    numbers, here = itertools.count(), threading.local()

    def begin_and_fetch(wanted: Any) -> Any:
        if not hasattr(here, "begun"):
            here.begun = True
            worker_init_fn(next(numbers))
        return fetch(wanted)

    return begin_and_fetch


def get_worker_info() -> None:
    """None: as in PyTorch for a data set that nobody else reads. A stream has one reader here, and need not
    share out its samples among workers."""
    return None


class Drawn:
    """A loader of batches that are made on the fly: `steps` per epoch, no two alike.

    Batch k of epoch e is `make(rng)` with a generator seeded by (seed, e, k) alone, so that the order of
    events elsewhere changes nothing, and a broken run resumes with the very next batch.

    Args:
      make: a function of a numpy.random.Generator that returns a batch; arrays in it become Tensors.

    Example:
      >>> from loopnest.data import Drawn
      >>> loader = Drawn(lambda rng: rng.integers(0, 9, 4), steps=2, seed=1)
      >>> first, second = loader
      >>> first.tolist() == second.tolist(), len(loader)
      (False, 2)
    """

    def __init__(self, make: Callable[[np.random.Generator], Any], steps: int, seed: int = 0) -> None:
        if steps < 1:
            raise ValueError(f"Drawn: expected at least one step, got {steps}")
        self.make, self.steps, self.seed = make, steps, seed
        self._epoch = self._done = 0

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Any]:
        for k in range(self._done, self.steps):
            batch = self.make(np.random.default_rng([self.seed, self._epoch, k]))
            self._done = k + 1
            yield as_batch(batch)
        self._epoch, self._done = self._epoch + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """How many epochs, and how many steps of this one, are done."""
        return {"epoch": self._epoch, "done": self._done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where state_dict() was taken."""
        self._epoch, self._done = int(state["epoch"]), int(state["done"])
