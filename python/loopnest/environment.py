"""What PyTorch's programs ask about: devices, dtypes and their limits, memory, other libraries' arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from loopnest.engine import custom, tape, tensor_ops
from loopnest.engine.tape import Tensor, default_generator, from_numpy, manual_seed, tensor
from loopnest.functions.pointwise import operands

finfo, iinfo = np.finfo, np.iinfo
contiguous_format, channels_last, channels_last_3d = "contiguous_format", "channels_last", "channels_last_3d"
preserve_format = "preserve_format"


class device(str):
    """Where tensors are: always the CPU. A str, "cpu", with PyTorch's attributes.

    Attributes: type: "cpu". index: a number that was given, or None.

    ValueError for any other device.

    Example:
      >>> import loopnest
      >>> loopnest.device("cpu").type, loopnest.zeros(2).device == loopnest.device("cpu")
      ('cpu', True)
    """

    type: str
    index: int | None  # type: ignore[assignment]

    def __new__(cls, type: Any = "cpu", index: int | None = None) -> device:
        name, _, number = str(type).partition(":")
        if name != "cpu" or (number and not number.isdigit()):
            raise ValueError(f"device: expected 'cpu', got {type!r}; loopnest runs on the CPU")
        made = super().__new__(cls, name)
        made.type, made.index = name, int(number) if number else index
        return made

    def __reduce__(self) -> Any:
        return type(self), (self.type, self.index)


CPU = device("cpu")


class Size(tuple[int, ...]):
    """A shape, with PyTorch's numel(). Tensor.shape is a plain tuple.

    Example:
      >>> import loopnest
      >>> loopnest.Size([2, 3]).numel()
      6
    """

    def numel(self) -> int:
        """How many elements a tensor of this shape has."""
        return math.prod(self)


def get_default_dtype() -> np.dtype[Any]:
    """The dtype of new tensors of floats: float32.

    Example:
      >>> import loopnest
      >>> loopnest.get_default_dtype()
      dtype('float32')
    """
    return np.dtype(np.float32)


def promote_types(type1: Any, type2: Any) -> np.dtype[Any]:
    """The dtype of what two tensors of these dtypes give together: bool < int < float.

    Example:
      >>> import loopnest
      >>> loopnest.promote_types(loopnest.int64, loopnest.float32)
      dtype('float32')
    """
    found: np.dtype[Any] = tape.wider(np.dtype(type1), np.dtype(type2))
    return found


def result_type(tensor1: Any, tensor2: Any) -> np.dtype[Any]:
    """The dtype of what these two tensors, or a tensor and a number, give together.

    Example:
      >>> import loopnest
      >>> loopnest.result_type(loopnest.tensor([1, 2]), 1.5)
      dtype('float32')
    """
    if not isinstance(tensor1, Tensor) and not isinstance(tensor2, Tensor):
        tensor1 = tensor(tensor1)
    return operands(tensor1, tensor2)[2]


def can_cast(from_: Any, to: Any) -> bool:
    """May a result of one dtype be put into a tensor of the other? Not floats into whole numbers, nor numbers
    into bools.

    Example:
      >>> import loopnest
      >>> loopnest.can_cast(loopnest.float64, loopnest.float32), loopnest.can_cast(float, int)
      (True, False)
    """
    first, second = ("bif".index(np.dtype(kind).kind.replace("u", "i")) for kind in (from_, to))
    return first <= second


def is_floating_point(input: Tensor) -> bool:
    """Is it a tensor of floats?

    Example:
      >>> import loopnest
      >>> loopnest.is_floating_point(loopnest.zeros(2))
      True
    """
    return input.is_floating_point()


def is_complex(input: Tensor) -> bool:
    """False: there are no complex tensors.

    Example:
      >>> import loopnest
      >>> loopnest.is_complex(loopnest.zeros(2))
      False
    """
    return False


def is_nonzero(input: Tensor) -> bool:
    """Is the only element not 0? ValueError for more or fewer.

    Example:
      >>> import loopnest
      >>> loopnest.is_nonzero(loopnest.tensor([0.5]))
      True
    """
    return bool(input.item())


def is_signed(input: Tensor) -> bool:
    """Does the dtype have negative numbers?

    Example:
      >>> import loopnest
      >>> loopnest.tensor([1]).is_signed()
      True
    """
    return input.dtype.kind in "if"


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Have both the same shape?

    Example:
      >>> import loopnest
      >>> loopnest.is_same_size(loopnest.zeros(2), loopnest.ones(2))
      True
    """
    return bool(input.shape == other.shape)


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """A Tensor of numbers, sharing the memory of an array or a tensor where that can be.

    Args: copy: True: never share, False: ValueError where a copy is needed.

    Example:
      >>> import numpy as np, loopnest
      >>> a = np.zeros(2)
      >>> loopnest.asarray(a).fill_(1).tolist(), a.tolist()
      ([1.0, 1.0], [1.0, 1.0])
    """
    found = tape.as_tensor(obj, dtype, device)
    given = custom.numbers(obj) if isinstance(obj, Tensor) else obj
    shares = isinstance(given, np.ndarray) and np.shares_memory(custom.numbers(found), given)
    if copy is False and not shares:
        raise ValueError(
            f"asarray: {type(obj).__name__} cannot become a tensor of {found.dtype} without a copy"
        )
    found = found.detach().clone() if copy and shares else found
    return found.detach().requires_grad_(requires_grad) if requires_grad else found


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor in the memory of another library's, by the DLPack protocol (__dlpack__).

    Example:
      >>> import numpy as np, loopnest
      >>> a = np.ones(3)
      >>> loopnest.from_dlpack(a).mul_(2).tolist(), a.tolist()
      ([2.0, 2.0, 2.0], [2.0, 2.0, 2.0])
    """
    return from_numpy(np.from_dlpack(ext_tensor))


def frombuffer(
    buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A vector in the memory of a bytearray or the like.

    Example:
      >>> import loopnest
      >>> loopnest.frombuffer(bytearray(8), dtype=loopnest.int32).tolist()
      [0, 0]
    """
    return from_numpy(np.frombuffer(buffer, np.dtype(dtype), count, offset)).requires_grad_(requires_grad)


def seed() -> int:
    """Start the default generator anew with a seed that nobody chose; returns it.

    Example:
      >>> import loopnest
      >>> loopnest.seed() == loopnest.initial_seed()
      True
    """
    chosen = int(np.random.SeedSequence().generate_state(1)[0])
    manual_seed(chosen)
    return chosen


def initial_seed() -> int:
    """The seed that the default generator last started from.

    Example:
      >>> import loopnest
      >>> _ = loopnest.manual_seed(7)
      >>> loopnest.initial_seed()
      7
    """
    sequence: Any = default_generator().bit_generator.seed_seq
    return int(sequence.entropy)


# ---- properties and methods of Tensor ----


COLUMN = "tensor([[1.],\n              [1.]])"
# name: (text, example's result for a tensor of two or more ones, what it is)
PROPERTIES: dict[str, tuple[str, str, Callable[[Tensor], Any]]] = {
    "device": ("Where the numbers are: always the CPU.", "'cpu'", lambda t: CPU),
    "is_cuda": ("False: tensors are on the CPU.", "False", lambda t: False),
    "is_cpu": ("True: tensors are on the CPU.", "True", lambda t: True),
    "is_sparse": ("False: there are no sparse tensors.", "False", lambda t: False),
    "is_quantized": ("False: numbers are not quantised.", "False", lambda t: False),
    "itemsize": ("Bytes of one element.", "4", lambda t: t.dtype.itemsize),
    "nbytes": ("Bytes of all elements.", "8", lambda t: t.numel() * t.dtype.itemsize),
    "retains_grad": ("Has retain_grad been called?", "False", lambda t: custom.retains(t)),
    "real": ("The tensor itself: its numbers are real.", "tensor([[1., 1.]])", lambda t: t),
    "H": (
        "A matrix with its axes exchanged, a view.",
        "tensor([[1.],\n              [1.]])",
        lambda t: _matrix(t),
    ),
    "mH": ("The last two axes exchanged, a view.", "tensor([[1.],\n              [1.]])", lambda t: t.mT),
}


def _property(name: str) -> property:
    text, result, get = PROPERTIES[name]
    doc = f"""{text}

    Example:
      >>> import loopnest
      >>> loopnest.ones(1, 2).{name}
      {result}
    """
    return property(get, doc=doc)


def _matrix(t: Tensor) -> Tensor:
    if t.ndim not in (0, 2):
        raise ValueError(f"H: expected a matrix, got shape {t.shape}; mH is for batches of them")
    return t.t()


def ndimension(self: Tensor) -> int:
    """How many axes there are, as `ndim`.

    Example:
      >>> import loopnest
      >>> loopnest.zeros(2, 3).ndimension()
      2
    """
    return self.ndim


FORMATS = {contiguous_format: None, preserve_format: None, channels_last: 4, channels_last_3d: 5}


def _channels_behind(who: str, input: Tensor, memory_format: str) -> Tensor:
    """A view with the channels as the last axis."""
    axes = FORMATS.get(memory_format)
    if axes is None:
        raise ValueError(f"{who}: expected memory_format to be one of {list(FORMATS)}, got {memory_format!r}")
    if input.ndim != axes:
        raise ValueError(f"{who}: expected a tensor of {axes} axes for {memory_format}, got {input.shape}")
    return input.movedim(1, -1)


def contiguous(self: Tensor, memory_format: str = contiguous_format) -> Tensor:
    """The tensor itself if its memory is in this order, otherwise a copy that is: C order, or channels_last,
    the channels of each place side by side.

    Example:
      >>> import loopnest
      >>> loopnest.zeros(2, 3).T.contiguous().stride()
      (2, 1)
      >>> loopnest.zeros(1, 2, 3, 4).contiguous(memory_format=loopnest.channels_last).stride()
      (24, 1, 8, 2)
    """
    if memory_format == contiguous_format:
        return _contiguous(self)
    if memory_format == preserve_format:
        return self
    behind = _channels_behind("contiguous", self, memory_format)
    return self if _is_contiguous(behind) else _contiguous(behind).movedim(-1, 1)


def is_contiguous(self: Tensor, memory_format: str = contiguous_format) -> bool:
    """True if the elements lie in memory without gaps in C order, the last axis fastest; or channels_last.

    Example:
      >>> import loopnest
      >>> x = loopnest.zeros(2, 3)
      >>> x.is_contiguous(), x.T.is_contiguous()
      (True, False)
    """
    if memory_format == contiguous_format:
        return _is_contiguous(self)
    return _is_contiguous(_channels_behind("is_contiguous", self, memory_format))


_contiguous: Any = Tensor.contiguous
_is_contiguous: Any = Tensor.is_contiguous


def storage_offset(self: Tensor) -> int:
    """How many elements the first one lies behind the beginning of the memory.

    Example:
      >>> import loopnest
      >>> loopnest.arange(4)[2:].storage_offset()
      2
    """
    array = custom.numbers(self)
    base: Any = array
    while isinstance(base.base, np.ndarray):
        base = base.base
    return int(array.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // array.itemsize


def byte(self: Tensor) -> Tensor:
    """As uint8.

    Example:
      >>> import loopnest
      >>> loopnest.tensor([1.5]).byte()
      tensor([1], dtype=uint8)
    """
    return self.to(np.uint8)


def char(self: Tensor) -> Tensor:
    """As int8.

    Example:
      >>> import loopnest
      >>> loopnest.tensor([1.5]).char()
      tensor([1], dtype=int8)
    """
    return self.to(np.int8)


def short(self: Tensor) -> Tensor:
    """As int16.

    Example:
      >>> import loopnest
      >>> loopnest.tensor([1.5]).short()
      tensor([1], dtype=int16)
    """
    return self.to(np.int16)


def new_empty(
    self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of a size, of this one's dtype, with any numbers in it.

    Example:
      >>> import loopnest
      >>> loopnest.tensor([1]).new_empty(2, 3).dtype
      dtype('int64')
    """
    return tape.empty(*size, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


def apply_(self: Tensor, function: Any) -> Tensor:
    """Replaces every element by function(element), a Python number; slow. Returns self.

    Example:
      >>> import loopnest
      >>> loopnest.tensor([1.0, 2.0]).apply_(lambda v: v + 1)
      tensor([2., 3.])
    """
    values = [function(v) for v in custom.numbers(self).reshape(-1).tolist()]
    return self.copy_(tensor(np.array(values, self.dtype).reshape(self.shape)))


def dlpack(self: Tensor, **options: Any) -> Any:
    """The memory for another library, by the DLPack protocol. RuntimeError for a tensor that requires grad.

    Example:
      >>> import numpy as np, loopnest
      >>> np.from_dlpack(loopnest.ones(2)).tolist()
      [1.0, 1.0]
    """
    return self.numpy().__dlpack__(**options)


def dlpack_device(self: Tensor) -> Any:
    """(1, 0): the CPU, as DLPack numbers devices.

    Example:
      >>> import loopnest
      >>> [int(n) for n in loopnest.ones(2).__dlpack_device__()]
      [1, 0]
    """
    return np.empty(0).__dlpack_device__()


def backwards(self: Tensor) -> Iterator[Tensor]:
    """From the last slice along axis 0 to the first: what reversed() gives.

    Example:
      >>> import loopnest
      >>> [x.item() for x in reversed(loopnest.arange(3))]
      [2, 1, 0]
    """
    return iter(self.unbind(0)[::-1])


def tile(self: Tensor, *dims: Any) -> Tensor:
    """Copies side by side along each axis: tile(2, 3) or tile((2, 3)).

    Example:
      >>> import loopnest
      >>> loopnest.tensor([1, 2]).tile(2).tolist()
      [1, 2, 1, 2]
    """
    return tensor_ops.tile(self, dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims)


tensor_ops.attach(
    **{name: _property(name) for name in PROPERTIES},  # type: ignore[arg-type]
    ndimension=ndimension,
    storage_offset=storage_offset,
    byte=byte,
    char=char,
    short=short,
    new_empty=new_empty,
    contiguous=contiguous,
    is_contiguous=is_contiguous,
    apply_=apply_,
    tile=tile,
    is_complex=is_complex,
    is_nonzero=is_nonzero,
    is_signed=is_signed,
    is_same_size=is_same_size,
    __dlpack__=dlpack,
    __dlpack_device__=dlpack_device,
    __reversed__=backwards,
)
