"""Sequences of different lengths, under PyTorch's names: for code that is ported.

New code needs none of this: the recurrent layers take a padded batch and `lengths=`, in any order.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from loopnest.engine.tape import Tensor, cat, stack, tensor

Indices = NDArray[np.int64]


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Packed):
    """Steps of sequences of different lengths, the longest first, step by step: as torch's PackedSequence.

    data (sum of lengths, ...): the steps 0 of all sequences, the steps 1 of those that have one, ...;
    batch_sizes (T,) int64: how many these are. sorted_indices (N,): where each of the sorted sequences stood
    before, unsorted_indices the way back; None if they were sorted already. Of the two one is enough.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest.nn.utils.rnn import pack_sequence
      >>> packed = pack_sequence([loopnest.tensor(np.array(a, "f")) for a in ([1, 2, 3], [4, 5])])
      >>> packed.data.numpy(), packed.batch_sizes.numpy()
      (array([1., 4., 2., 5., 3.], dtype=float32), array([2, 2, 1]))
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Self:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        elif sorted_indices is None:
            sorted_indices = invert_permutation(unsorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    @property
    def is_cuda(self) -> bool:
        """False: loopnest runs on the CPU."""
        return False

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """`data.to(...)` with the same places; itself if that changes nothing."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else type(self)(data, *self[1:])

    def cpu(self) -> Self:
        """Itself: loopnest runs on the CPU."""
        return self

    def float(self) -> Self:
        """With data of float32."""
        return self.to(np.float32)

    def double(self) -> Self:
        """With data of float64."""
        return self.to(np.float64)


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes this one (N,); None for None.

    Example:
      >>> import numpy as np, loopnest
      >>> invert_permutation(loopnest.tensor(np.array([2, 0, 1]))).numpy()
      array([1, 2, 0])
    """
    return None if permutation is None else tensor(np.argsort(permutation.numpy()))


def _lengths(op: str, lengths: Any, batch: int, steps: int) -> Indices:
    if batch == 0:
        raise ValueError(f"{op}: expected at least one sequence, got none")
    counts = np.asarray(lengths)
    if counts.size == 0:
        raise ValueError(f"{op}: expected one length for each of {batch} sequences, got none")
    if counts.dtype.kind not in "iu":
        raise TypeError(f"{op}: expected lengths to be integers, got {counts.dtype}")
    if counts.shape != (batch,):
        raise ValueError(f"{op}: expected one length for each of {batch} sequences, got {counts.shape}")
    if counts.min() < 1 or counts.max() > steps:
        raise ValueError(
            f"{op}: expected lengths from 1 to the {steps} steps of input, got {counts.tolist()}"
        )
    return counts.astype(np.int64)


def _places(lengths: Indices) -> tuple[Indices, Indices, Indices]:
    """For lengths that fall: (step, sequence) of each row of the packed data, and the batch sizes."""
    sizes = (np.arange(lengths[0])[:, None] < lengths).sum(axis=1)
    step = np.repeat(np.arange(len(sizes)), sizes)
    sequence = np.concatenate([np.arange(size) for size in sizes])
    return step, sequence, sizes.astype(np.int64)


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Packs a padded batch, as torch.nn.utils.rnn.pack_padded_sequence.

    input (T, N, ...), or (N, T, ...) if batch_first; lengths: N integers from 1 to T, falling unless
    enforce_sorted is False. Raises ValueError for other lengths.

    Example:
      >>> import numpy as np, loopnest
      >>> x = loopnest.tensor(np.arange(6, dtype="f").reshape(3, 2))
      >>> packed = pack_padded_sequence(x, [1, 3], enforce_sorted=False)
      >>> packed.data.numpy(), packed.sorted_indices.numpy()
      (array([1., 0., 3., 5.], dtype=float32), array([1, 0]))
    """
    op = "pack_padded_sequence"
    if not isinstance(input, Tensor) or input.ndim < 2:
        raise ValueError(f"{op}: expected input to be a Tensor of at least 2 axes")
    batch, steps = (input.shape[0], input.shape[1]) if batch_first else (input.shape[1], input.shape[0])
    counts = _lengths(op, lengths, batch, steps)
    order = np.argsort(-counts, kind="stable")
    if enforce_sorted and (np.diff(counts) > 0).any():
        raise ValueError(
            f"{op}: expected lengths that do not rise, got {counts.tolist()}; pass enforce_sorted=False"
        )
    data, sizes = pack_in_order(input, counts, order, batch_first)
    if enforce_sorted:
        return PackedSequence(data, tensor(sizes))
    return PackedSequence(data, tensor(sizes), tensor(order), tensor(np.argsort(order)))


def pack_in_order(
    input: Tensor, lengths: Indices, order: Indices, batch_first: bool
) -> tuple[Tensor, Indices]:
    """The data and batch sizes of a padded batch whose lengths fall if its sequences are taken in this order.

    Example:
      >>> import numpy as np, loopnest
      >>> x = loopnest.tensor(np.arange(6, dtype="f").reshape(3, 2))
      >>> data, sizes = pack_in_order(x, np.array([1, 3]), np.array([1, 0]), False)
      >>> data.tolist(), sizes.tolist()
      ([1.0, 0.0, 3.0, 5.0], [2, 1, 1])
    """
    step, sequence, sizes = _places(lengths[order])
    where = order[sequence]
    rows = where * input.shape[1] + step if batch_first else step * input.shape[1] + where
    rest = input.shape[2:]
    return input.reshape(input.shape[0] * input.shape[1], *rest).index_select(0, rows), sizes


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The way back, as torch.nn.utils.rnn.pad_packed_sequence: the padded batch, in its first order, and its
    lengths (N,) int64. total_length: steps of the result, at least the longest length.

    Example:
      >>> import numpy as np, loopnest
      >>> packed = pack_sequence([loopnest.tensor(np.array(a, "f")) for a in ([1, 2, 3], [4, 5])])
      >>> y, lengths = pad_packed_sequence(packed, batch_first=True, padding_value=-1.0)
      >>> y.numpy(), lengths.numpy()
      (array([[ 1.,  2.,  3.],
             [ 4.,  5., -1.]], dtype=float32), array([3, 2]))
    """
    op = "pad_packed_sequence"
    if not isinstance(sequence, PackedSequence):
        raise TypeError(f"{op}: expected a PackedSequence, got {type(sequence).__name__}")
    sizes = sequence.batch_sizes.numpy()
    steps = len(sizes) if total_length is None else int(total_length)
    if steps < len(sizes):
        raise ValueError(
            f"{op}: expected total_length of at least {len(sizes)}, the longest sequence, got {total_length}"
        )
    counts = (np.arange(sizes[0])[:, None] < sizes).sum(axis=1)
    step, column, _ = _places(counts)
    batch, rows = len(counts), len(step)
    place = np.full((steps, batch), rows, np.int64)  # the row behind the data is the padding
    place[step, column] = np.arange(rows)
    if sequence.unsorted_indices is not None:
        back = sequence.unsorted_indices.numpy()
        place, counts = place[:, back], counts[back]
    if batch_first:
        place = place.T
    data = sequence.data
    padding = tensor(np.full((1, *data.shape[1:]), padding_value, data.dtype))
    padded = cat([data, padding]).index_select(0, np.ascontiguousarray(place).reshape(-1))
    return padded.reshape(*place.shape, *data.shape[1:]), tensor(counts.astype(np.int64))


def pad_sequence(
    sequences: Sequence[Tensor] | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences (T_n, ...) side by side, filled up to the longest, as torch.nn.utils.rnn.pad_sequence.

    Returns (T, N, ...), or (N, T, ...) if batch_first; padding_side: "right" (after the steps) or "left".

    Example:
      >>> import numpy as np, loopnest
      >>> a, b = loopnest.tensor(np.ones(3, "f")), loopnest.tensor(np.ones(2, "f"))
      >>> pad_sequence([a, b], batch_first=True).numpy()
      array([[1., 1., 1.],
             [1., 1., 0.]], dtype=float32)
    """
    every = list(sequences)
    if not every or not all(isinstance(s, Tensor) and s.ndim >= 1 for s in every):
        raise ValueError("pad_sequence: expected at least one sequence, all Tensors of at least 1 axis")
    if padding_side not in ("right", "left"):
        raise ValueError(f'pad_sequence: expected padding_side "right" or "left", got {padding_side!r}')
    tail, steps = every[0].shape[1:], max(s.shape[0] for s in every)
    if any(s.shape[1:] != tail for s in every):
        raise ValueError(
            f"pad_sequence: expected sequences that differ in their first axis only, got "
            f"{[tuple(s.shape) for s in every]}"
        )
    filled = []
    for s in every:
        gap = steps - s.shape[0]
        padding = tensor(np.full((gap, *tail), padding_value, s.dtype))
        both = [s, padding] if padding_side == "right" else [padding, s]
        filled.append(cat(both) if gap else s)
    return stack(filled, 0 if batch_first else 1)


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences (T_n, ...) packed, as torch.nn.utils.rnn.pack_sequence: the longest first unless
    enforce_sorted is False.

    Example:
      >>> import numpy as np, loopnest
      >>> packed = pack_sequence([loopnest.tensor(np.ones(3, "f")), loopnest.tensor(np.ones(2, "f"))])
      >>> packed.batch_sizes.numpy()
      array([2, 2, 1])
    """
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpad_sequence(padded_sequences: Tensor, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """A padded batch as a list of its sequences (T_n, ...), as torch.nn.utils.rnn.unpad_sequence.

    Example:
      >>> import numpy as np, loopnest
      >>> [tuple(s.shape) for s in unpad_sequence(loopnest.tensor(np.ones((3, 2, 4), "f")), [3, 1])]
      [(3, 4), (1, 4)]
    """
    x = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [x[n, : int(length)] for n, length in enumerate(np.asarray(lengths))]


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences (T_n, ...) that were packed, in their first order, as torch.nn.utils.rnn.unpack_sequence.

    Example:
      >>> import numpy as np, loopnest
      >>> packed = pack_sequence([loopnest.tensor(np.array(a, "f")) for a in ([1, 2, 3], [4, 5])])
      >>> [s.tolist() for s in unpack_sequence(packed)]
      [[1.0, 2.0, 3.0], [4.0, 5.0]]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
