"""Samples put together into batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from loopnest.data.dataset import Columns
from loopnest.engine.tape import Tensor, from_numpy


def default_collate(batch: Any) -> Any:
    """A list of samples as one batch: arrays stacked, numbers as a Tensor, tuples and dicts field by field.

    As in PyTorch, tuples and lists of fields become a list, named tuples stay what they are. Otherwise than
    there, float64 arrays and Python floats become float32, whole numbers int64; strings stay a list.

    Raises ValueError for arrays of different shapes (use pad_collate), TypeError for what it does not know.

    Example:
      >>> from loopnest.data import default_collate
      >>> x, y = default_collate([([0.5, 1.0], 3), ([2.0, 4.0], 5)])
      >>> y.tolist(), x[0].tolist()
      ([3, 5], [0.5, 2.0])
    """
    if isinstance(batch, Columns):
        return [_tensor(column) for column in batch]
    first = batch[0]
    if isinstance(first, (Tensor, np.ndarray)):
        shapes = {tuple(one.shape) for one in batch}
        if len(shapes) > 1:
            raise ValueError(
                f"default_collate: samples have the shapes {sorted(shapes)}, which do not stack: "
                "pass collate_fn=pad_collate, or bring them to one shape"
            )
        return _tensor(np.stack([one.numpy() if isinstance(one, Tensor) else one for one in batch]))
    if isinstance(first, (bool, int, float, np.number, np.bool_)):
        return _tensor(np.asarray(batch))
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        return {key: default_collate([one[key] for one in batch]) for key in first}
    if isinstance(first, Sequence):
        if len({len(one) for one in batch}) > 1:
            raise ValueError("default_collate: samples have different numbers of fields")
        fields = [default_collate(list(field)) for field in zip(*batch, strict=True)]
        return type(first)(*fields) if hasattr(first, "_fields") else fields
    raise TypeError(
        f"default_collate: expected arrays, numbers, strings, tuples or dicts, got {type(first).__name__}"
    )


def pad_collate(value: float = 0, batch_first: bool = True) -> Callable[[Any], Any]:
    """A collate_fn for samples whose arrays differ in length: each array field is padded and followed by its
    lengths.

    A sample (array (t, ...), label) gives (batch (n, longest, ...), lengths (n,) int64, labels (n,)).

    Example:
      >>> import numpy as np
      >>> from loopnest.data import pad_collate
      >>> x, lengths, y = pad_collate()([(np.array([1, 2, 3]), 0), (np.array([4]), 1)])
      >>> x.tolist(), lengths.tolist()
      ([[1, 2, 3], [4, 0, 0]], [3, 1])
    """

    def collate(batch: Any) -> Any:
        if isinstance(batch[0], tuple):
            out: list[Any] = []
            for field in zip(*batch, strict=True):
                made = collate(list(field))
                out += made if isinstance(made, tuple) else [made]
            return tuple(out)
        if not isinstance(batch[0], (np.ndarray, Tensor)) or batch[0].ndim == 0:
            return default_collate(batch)
        arrays = [one.numpy() if isinstance(one, Tensor) else one for one in batch]
        lengths = np.array([len(a) for a in arrays], np.int64)
        out_array = np.full((len(arrays), int(lengths.max()), *arrays[0].shape[1:]), value, arrays[0].dtype)
        for row, array in zip(out_array, arrays, strict=True):
            row[: len(array)] = array
        if not batch_first:
            out_array = np.ascontiguousarray(np.moveaxis(out_array, 0, 1))
        return _tensor(out_array), from_numpy(lengths)

    return collate


def as_batch(value: Any) -> Any:
    """Arrays inside tuples, lists and dicts to Tensors, float64 to float32; everything else as it is.

    Example:
      >>> import numpy as np
      >>> from loopnest.data.collate import as_batch
      >>> as_batch({"x": np.zeros(2), "name": "a"})
      {'x': tensor([0., 0.]), 'name': 'a'}
    """
    if isinstance(value, np.ndarray):
        return _tensor(value)
    if isinstance(value, Mapping):
        return {key: as_batch(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        made = [as_batch(one) for one in value]
        return type(value)(*made) if hasattr(value, "_fields") else type(value)(made)
    return value


def _tensor(array: np.ndarray) -> Tensor:
    if array.dtype.kind == "f" and array.dtype != np.float32:
        array = array.astype(np.float32)
    elif array.dtype.kind in "iu" and array.dtype != np.int64:
        array = array.astype(np.int64)
    return from_numpy(np.ascontiguousarray(array))
