"""Data sets: things with a length and an index, and what can be made of them; PyTorch's names."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from loopnest.engine.tape import Tensor


class Dataset:
    """Anything with `__getitem__(index)` and `__len__()`; this class is there to inherit from, and for `+`.

    A method `__getitems__(indices)`, where there is one, fetches a whole batch at once.

    Example:
      >>> from loopnest.data import Dataset
      >>> class Squares(Dataset):
      ...     def __getitem__(self, index):
      ...         return index * index
      ...     def __len__(self):
      ...         return 5
      >>> len(Squares() + Squares()), (Squares() + Squares())[6]
      (10, 1)
    """

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no __len__")

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """A stream of samples: a class to inherit from, with `__iter__` in place of index and length.

    A DataLoader puts its samples into batches in the order in which they come.

    Example:
      >>> from loopnest.data import DataLoader, IterableDataset
      >>> class Squares(IterableDataset):
      ...     def __iter__(self):
      ...         return (k * k for k in range(5))
      >>> [batch.tolist() for batch in DataLoader(Squares(), batch_size=2)]
      [[0, 1], [4, 9], [16]]
    """

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__")

    def __len__(self) -> int:
        raise TypeError(f"{type(self).__name__} is a stream: it has no length unless it defines __len__")

    def __add__(self, other: Dataset) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class ChainDataset(IterableDataset):
    """Several streams one behind the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)

    def __iter__(self) -> Iterator[Any]:
        return itertools.chain.from_iterable(self.datasets)

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self.datasets)


class StackDataset(Dataset):
    """Data sets of one length side by side; sample k is the tuple of their k-th samples, or, of data sets
    given by name, a dict of them. As torch.utils.data.StackDataset.

    Raises ValueError for different lengths, none, or some by name and some not.

    Example:
      >>> from loopnest.data import StackDataset
      >>> StackDataset([1, 2, 3], ["a", "b", "c"])[1], StackDataset(x=[1, 2], y=[3, 4])[0]
      ((2, 'b'), {'x': 1, 'y': 3})
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError("StackDataset: expected data sets, all of them by name or none")
        self.datasets: Any = args or kwargs
        lengths = [len(dataset) for dataset in (args or kwargs.values())]
        if len(set(lengths)) != 1:
            raise ValueError(f"StackDataset: expected data sets of one length, got lengths {lengths}")
        self._length = lengths[0]

    def __getitem__(self, index: int) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """A list of samples; each data set that can fetch several at once does so."""

        def several(dataset: Any) -> list[Any]:
            fetch = getattr(dataset, "__getitems__", None)
            return [dataset[i] for i in indices] if fetch is None else list(fetch(indices))

        if isinstance(self.datasets, dict):
            columns = {name: several(dataset) for name, dataset in self.datasets.items()}
            return [{name: column[k] for name, column in columns.items()} for k in range(len(indices))]
        return list(zip(*map(several, self.datasets), strict=True))

    def __len__(self) -> int:
        return self._length


class TensorDataset(Dataset):
    """Arrays or Tensors of one length side by side; sample k is the tuple of their k-th entries: Tensors of
    Tensors, arrays or numbers of arrays.

    Args:
      tensors: NumPy arrays or Tensors, any dtype, first axis of one length.

    Raises ValueError for different lengths, or none.

    Example:
      >>> import numpy as np
      >>> from loopnest.data import TensorDataset
      >>> pairs = TensorDataset(np.arange(6).reshape(3, 2), np.array([7, 8, 9]))
      >>> len(pairs), int(pairs[1][1])
      (3, 8)
    """

    def __init__(self, *tensors: Any) -> None:
        self.tensors = tuple(tensors)
        lengths = [len(t) for t in tensors]
        if not lengths or len(set(lengths)) != 1:
            raise ValueError(f"TensorDataset: expected arrays of one length, got lengths {lengths}")
        self._fields = [t if isinstance(t, Tensor) else np.asarray(t) for t in tensors]
        self._arrays = [t.numpy() if isinstance(t, Tensor) else t for t in self._fields]

    def __getitem__(self, index: int) -> tuple:
        return tuple(field[index] for field in self._fields)

    def _columns(self, indices: Sequence[int]) -> Columns | None:
        if type(self).__getitem__ is not TensorDataset.__getitem__:
            return None  # a subclass makes something else of its samples
        return Columns(array[np.asarray(indices, np.int64)] for array in self._arrays)

    def __len__(self) -> int:
        return len(self._arrays[0])


class Columns(tuple):
    """A batch that is already one array per field: default_collate need not put samples together."""


def columns(dataset: Any, indices: Sequence[int]) -> Columns | None:
    """These samples as columns, if the data set holds them so."""
    get = getattr(dataset, "_columns", None)
    return None if get is None else get(indices)


class Subset(Dataset):
    """Those samples of a data set whose indices are given.

    Raises IndexError for an index outside the data set.

    Example:
      >>> from loopnest.data import Subset
      >>> list(Subset(["a", "b", "c"], [2, 0]))
      ['c', 'a']
    """

    def __init__(self, dataset: Any, indices: Sequence[int] | np.ndarray) -> None:
        self.dataset, self.indices = dataset, np.asarray(indices, np.int64).reshape(-1)
        size = len(dataset)
        wrong = self.indices[(self.indices < -size) | (self.indices >= size)]
        if len(wrong):
            raise IndexError(f"Subset: expected indices below {size}, the data set's length, got {wrong[0]}")

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[index])]

    def __getitems__(self, indices: Sequence[int]) -> Any:
        if type(self).__getitem__ is not Subset.__getitem__:
            return [self[i] for i in indices]  # a subclass makes something else of its samples
        mine = self._mine(indices)
        many = getattr(self.dataset, "__getitems__", None)
        return many(mine) if many else [self.dataset[i] for i in mine]

    def _columns(self, indices: Sequence[int]) -> Columns | None:
        whole = type(self).__getitem__ is Subset.__getitem__
        return columns(self.dataset, self._mine(indices)) if whole else None

    def _mine(self, indices: Sequence[int]) -> list[int]:
        return [int(self.indices[i]) for i in indices]

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset):
    """Several data sets one behind the other.

    Raises ValueError for none, IndexError for an index outside their length together.

    Example:
      >>> from loopnest.data import ConcatDataset
      >>> both = ConcatDataset([["a", "b"], ["c"]])
      >>> len(both), both[2]
      (3, 'c')
    """

    def __init__(self, datasets: Sequence[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: expected at least one data set, got none")
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))

    def __getitem__(self, index: int) -> Any:
        size = len(self)
        if not -size <= index < size:
            raise IndexError(f"ConcatDataset: index {index} is outside its length {size}")
        index %= size
        which = bisect.bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - before]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


def random_split(dataset: Any, lengths: Sequence[float], generator: Any = None) -> list[Subset]:
    """Split into parts of the given lengths at random, without overlap.

    Args:
      lengths: whole numbers that add up to the data set's length, or fractions that add up to 1 (what is
        left over by rounding down goes to the first parts, one each).
      generator: a loopnest.Generator; default: the one behind manual_seed.

    Raises ValueError if the lengths do not add up.

    Example:
      >>> from loopnest.data import random_split
      >>> [len(part) for part in random_split(range(10), [0.75, 0.25])]
      [8, 2]
    """
    from loopnest.data.sampler import permutation

    size, total = len(dataset), sum(lengths)
    counts = [int(n) for n in lengths]
    if abs(total - 1) < 1e-9 and any(n != int(n) for n in lengths):
        counts = [int(size * n) for n in lengths]
        for k in range(size - sum(counts)):
            counts[k % len(counts)] += 1
    elif total != size or any(n != int(n) or n < 0 for n in lengths):
        raise ValueError(
            f"random_split: expected lengths that add up to {size} or fractions that add up to 1, "
            f"got {list(lengths)}"
        )
    order = permutation(size, generator)
    ends = list(itertools.accumulate(counts))
    return [Subset(dataset, order[end - n : end]) for n, end in zip(counts, ends, strict=True)]
