"""One kernel at a time, below the bindings: structs as ctypes, memory laid out by hand, teams of threads.

The rungs are reached through the capsule that the engine uses. The structs of the operators are not repeated
here but read from csrc/ops/<op>/<op>.h; a struct whose size differs from what the library says is an error.
"""

import ctypes
import faulthandler
import mmap
import os
import platform
import re
import resource
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np

from loopnest import _core

CSRC = Path(__file__).parent.parent / "csrc"
DTYPES = {"float32": 0, "float64": 1}
_ROWS = re.findall(r"^ISA\((\w+), (\w+),", (CSRC / "isa.inc").read_text(), re.M)
ISAS = [isa for isa, architecture in _ROWS if architecture in ("any", platform.machine())]

# ---- csrc/abi.h, registry.h, error.h, api.h ----

Barrier = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Team(ctypes.Structure):
    _fields_ = [
        ("rank", ctypes.c_int),
        ("size", ctypes.c_int),
        ("barrier", Barrier),
        ("pool", ctypes.c_void_p),
    ]


class Workspace(ctypes.Structure):
    _fields_ = [("packed", ctypes.c_void_p), ("scratch", ctypes.c_void_p), ("once", ctypes.c_bool)]


class CRung(ctypes.Structure):
    _fields_ = [
        ("op", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
        ("step", ctypes.c_int),
        ("isa", ctypes.c_char_p),
        ("dtype", ctypes.c_int),
        ("idea", ctypes.c_char_p),
        ("supports", ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)),
        ("declines", ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)),
        ("packed_bytes", ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p)),
        ("prepare", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(Team))),
        ("scratch_bytes", ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int)),
        ("run", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(Team))),
    ]


class Operator(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("args_bytes", ctypes.c_size_t), ("work", ctypes.c_void_p)]


class Ladder(ctypes.Structure):
    _fields_ = [
        ("op", ctypes.POINTER(Operator)),
        ("dtype", ctypes.c_int),
        ("rungs", ctypes.POINTER(ctypes.POINTER(CRung))),
    ]


class Error(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int), ("text", ctypes.c_char * 1000)]


FindLadder = ctypes.CFUNCTYPE(
    ctypes.POINTER(Ladder), ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(Error)
)  # KernelApi's first member


def _read_struct(name: str, body: str, constants: dict[str, int]) -> type[ctypes.Structure]:
    """A ctypes.Structure from `int64_t n, ic; void* x; int64_t shape[map_rank]; ...`."""
    types = {"int64_t": ctypes.c_int64, "bool": ctypes.c_bool, "double": ctypes.c_double, "int": ctypes.c_int}
    fields: list[tuple[str, type]] = []
    for statement in re.sub(r"//.*", "", body).split(";"):
        words = statement.replace("const ", " ").split(maxsplit=1)
        if not words or words[0] == "Workspace":
            continue
        for declared in words[1].split(","):
            array = re.fullmatch(r"(\w+)\[(\w+)\]", declared.strip())
            if words[0].endswith("*"):
                fields.append((declared.strip(), ctypes.c_void_p))
            elif array:
                count = constants.get(array[2]) or int(array[2])
                fields.append((array[1], types[words[0]] * count))
            else:
                fields.append((declared.strip(), types[words[0]]))
    return type(name, (ctypes.Structure,), {"_fields_": [("workspace", Workspace), *fields]})


@cache
def structs() -> dict[str, type[ctypes.Structure]]:
    """The contract of every operator, by the operator's name."""
    by_name = {}
    for path in sorted(CSRC.glob("ops/*/*.h")):
        text = path.read_text()
        constants = {k: int(v) for k, v in re.findall(r"constexpr int (\w+) = (\d+);", text)}
        for name, body in re.findall(
            r"^struct (\w+) \{\s*\n\s*Workspace workspace;(.*?)^\};", text, re.M | re.S
        ):
            by_name[name] = _read_struct(name, body, constants)
    operators = re.findall(r"^OPERATOR\((\w+), (\w+)\)", (CSRC / "operators.inc").read_text(), re.M)
    return {op: by_name[struct] for op, struct in operators}


@dataclass(frozen=True)
class Rung:
    """One kernel for one ISA and dtype."""

    op: str
    name: str
    isa: str
    dtype: str
    c: CRung = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.op}-{self.name}-{self.isa}-{self.dtype}"


@cache
def all_rungs() -> list[Rung]:
    """Every rung that this process may use."""
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    api = get_pointer(_core._api, b"loopnest._core._api")
    find_ladder = FindLadder.from_address(api)
    found = []
    for op, struct in structs().items():
        for dtype, number in DTYPES.items():
            error = Error()
            ladder = find_ladder(op.encode(), number, ctypes.byref(error))
            if not ladder:
                continue  # no rung for this dtype
            assert ladder.contents.op.contents.args_bytes == ctypes.sizeof(struct), (
                f"{op}: misread its struct"
            )
            at = 0
            while ladder.contents.rungs[at]:
                c = ladder.contents.rungs[at].contents
                found.append(Rung(op, c.name.decode(), c.isa.decode(), dtype, c))
                at += 1
    order = _core.isas()
    return sorted(found, key=lambda r: (r.op, r.c.step, order.index(r.isa), r.dtype))


# ---- teams ----

_members = ThreadPoolExecutor(2)  # beside the caller


def run_team(size: int, call: Callable[[Team], None], patience: float = 30) -> None:
    """Calls `call(team)` in `size` threads at once. Fails if the members do not meet at the same barriers."""
    meeting = threading.Barrier(size)
    counts = [0] * size
    broken = []

    def member(rank: int) -> None:
        @Barrier
        def barrier(_: int) -> None:
            counts[rank] += 1
            try:
                meeting.wait(timeout=patience)
            except threading.BrokenBarrierError:
                broken.append(rank)

        call(Team(rank, size, barrier, None))

    others = [_members.submit(member, rank) for rank in range(1, size)]
    member(0)  # here: a thread that is not woken
    for future in others:
        future.result()
    assert not broken and len(set(counts)) == 1, f"members met at different numbers of barriers: {counts}"


# ---- memory ----

PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
POISON = 0xFF  # around and between inputs, and in memory that is yet to be written: as float NaN, as int64 -1
CANARY = 0x7F  # around and between what is written: huge, and not what a kernel makes of poison


class Block:
    """Bytes to lend to a kernel, all poisoned, with `around` on both sides."""

    def __init__(self, bytes_: int, around: int = CANARY, align: int = 64, offset: int = 0):
        """The memory starts `offset` bytes after a multiple of `align`."""
        margin = 256
        whole = np.full(bytes_ + 2 * margin + align, around, np.uint8)
        begin = margin + (-(whole.ctypes.data + margin)) % align + offset
        self._lend(whole, begin, bytes_, around)

    def _lend(self, whole: np.ndarray, begin: int, bytes_: int, around: int) -> None:
        self.whole, self.around = whole, around
        self.inside = whole[begin : begin + bytes_]
        self.inside[...] = POISON
        self._begin, self._end = begin, begin + bytes_
        self._address = whole.ctypes.data  # once: NumPy makes an object for each answer

    @property
    def address(self) -> int:
        return self._address + self._begin

    def is_still(self, before: bytes) -> bool:
        """Whether all of it, inside and outside, is as `whole.tobytes()` said before."""
        return _libc.memcmp(self._address, before, len(before)) == 0

    def check(self, what: str) -> None:
        behind = len(self.whole) - self._end
        still = bytes([self.around]) * max(self._begin, behind)
        assert (
            _libc.memcmp(self._address, still, self._begin) == 0
            and _libc.memcmp(self._address + self._end, still, behind) == 0
        ), f"{what}: written outside its memory"


class GuardedBlock(Block):
    """Bytes between two pages that kill who touches them; at the end of their own pages, or at the start."""

    def __init__(self, bytes_: int, at_end: bool, around: int = CANARY, align: int = 1):
        pages = (bytes_ + PAGE - 1) // PAGE * PAGE
        self._map = mmap.mmap(-1, pages + 2 * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        whole = np.frombuffer(self._map, np.uint8)
        for guard in (whole.ctypes.data, whole.ctypes.data + PAGE + pages):
            if _libc.mprotect(guard, PAGE, 0):
                raise OSError(ctypes.get_errno(), "mprotect")
        body = whole[PAGE : PAGE + pages]
        body[:] = around
        self._lend(body, (pages - bytes_) // align * align if at_end else 0, bytes_, around)


@dataclass
class Placed:
    """An array in memory: its view, its strides in elements, and what to look at afterwards."""

    view: np.ndarray
    block: Block
    before: bytes = b""  # all of the block as it must be before and after a run

    @property
    def address(self) -> int:
        return self.view.ctypes.data if self.view.size else self.block.address

    @property
    def strides(self) -> list[int]:
        return [s // self.view.itemsize for s in self.view.strides]


LAYOUTS = ("dense", "c-order", "gaps", "scrambled")


def place(
    shape: Sequence[int],
    dtype: np.dtype,
    free: Sequence[int],
    order: Sequence[int],
    layout: str,
    rng: np.random.Generator,
    guard: bool | None = None,
    around: int = POISON,
) -> Placed:
    """Memory for an array of this shape. Axes that are not in `free` stay innermost and dense.

    dense      `order` from the outermost to the innermost axis, nothing in between
    c-order    0, 1, 2, ...
    gaps       as dense, but all except the innermost axis are longer in memory than in the array, one runs
               backwards, and the data start at an odd multiple of the element's size
    scrambled  any order, gaps everywhere, any sign
    """
    fixed = [axis for axis in range(len(shape)) if axis not in free]
    outer = [axis for axis in (range(len(shape)) if layout == "c-order" else order) if axis in free]
    if layout == "scrambled":
        outer = list(rng.permutation(outer))
    axes = [int(a) for a in outer] + fixed
    spread, backwards = {}, []  # axis -> (longer by, step)
    for axis in outer:
        innermost = not fixed and axis == axes[-1]
        if layout == "gaps" and not innermost:
            spread[axis] = (int(rng.integers(0, 3)), 1)
        elif layout == "scrambled":
            spread[axis] = (int(rng.integers(0, 2)), int(rng.integers(1, 3)))
            if rng.integers(2):
                backwards.append(axis)
    if layout == "gaps" and len(outer) > 1:
        backwards.append(int(rng.choice([a for a in outer if fixed or a != axes[-1]])))
    memory_shape, cuts, turns = [], [], []
    for axis in axes:
        longer, step = spread.get(axis, (0, 1))
        memory_shape.append(longer + shape[axis] * step)
        cuts.append(slice(longer, None, step))
        turns.append(slice(None, None, -1 if axis in backwards else 1))
    bytes_ = int(np.prod(memory_shape)) * dtype.itemsize
    offset = 0 if layout in ("dense", "c-order") else dtype.itemsize
    owner = Block(bytes_, around, 64, offset) if guard is None else GuardedBlock(bytes_, guard, around)
    memory = owner.inside.view(dtype) if bytes_ else np.empty(0, dtype)
    view = memory.reshape(memory_shape)[tuple(cuts)][tuple(turns)]
    return Placed(view.transpose(np.argsort(axes)), owner)


# ---- a problem: what an operator is asked and what it must answer ----


@dataclass
class Operand:
    """One array of a contract.

    strides: for each axis the name of the struct's stride field ("x_n", "in_stride[0]"), or None where the
    contract wants the axis dense. order: the axes from the outermost to the innermost in loopnest's memory.
    """

    name: str
    value: np.ndarray | None  # None: the null pointer; of an output: what it holds before
    strides: Sequence[str | None]
    order: Sequence[int] | None = None
    expected: np.ndarray | None = None  # outputs only
    limit: np.ndarray | float = 0.0  # largest error; 0: equal
    batch: int | None = None  # the axis along which sequences or images do not know each other
    limits: dict[str, np.ndarray | float] = field(default_factory=dict)  # of rungs whose limit is another one

    @property
    def free(self) -> list[int]:
        return [axis for axis, name in enumerate(self.strides) if name is not None]


@dataclass(eq=False)
class Problem:
    inputs: list[Operand]
    outputs: list[Operand]
    scalars: dict[str, int | float]
    _alone: dict[int, "Problem"] = field(default_factory=dict, repr=False)

    def alone(self, kept: int) -> "Problem":
        """The same with NaN in every image or sequence but one."""
        if kept not in self._alone:
            inputs = [replace(operand, value=_spoiled(operand, kept)) for operand in self.inputs]
            self._alone[kept] = Problem(inputs, self.outputs, self.scalars)
        return self._alone[kept]


def _spoiled(operand: Operand, kept: int) -> np.ndarray | None:
    if operand.value is None or operand.batch is None or operand.value.dtype.kind != "f":
        return operand.value
    value = operand.value.copy()
    of_batch = np.moveaxis(value, operand.batch, 0)
    of_batch[[n for n in range(len(of_batch)) if n != kept]] = np.nan
    return value


class Arrays:
    """A problem's arrays in memory, and the struct that says where they are."""

    def __init__(self, rung: Rung, problem: Problem, layout: str, seed: int, guard: bool | None):
        rng = np.random.default_rng(seed)
        self.args = structs()[rung.op]()
        self.placed: dict[str, Placed] = {}
        self.bytes = 0
        for operand in problem.inputs + problem.outputs:
            like = operand.value if operand.value is not None else operand.expected
            if like is None:
                continue  # the null pointer
            dtype = np.dtype(rung.dtype) if like.dtype.kind == "f" else like.dtype
            order = operand.order or range(like.ndim)
            around = POISON if operand.expected is None else CANARY
            placed = place(like.shape, dtype, operand.free, order, layout, rng, guard, around)
            self.placed[operand.name] = placed
            _set(self.args, operand.name, placed.address)
            for name, stride in zip(operand.strides, placed.strides, strict=True):
                if name is not None:
                    _set(self.args, name, stride)
            placed.block.inside[...] = around
            fill(operand, placed)
            placed.before = placed.block.whole.tobytes()
            self.bytes += len(placed.before)
        for name, value in problem.scalars.items():
            _set(self.args, name, value)


def fill(operand: Operand, placed: Placed) -> None:
    """Inputs get their values, outputs what they held before or poison."""
    if operand.value is not None:
        placed.view[...] = operand.value
    else:
        placed.view.view(f"i{placed.view.itemsize}")[...] = -1  # poison


def _set(args: ctypes.Structure, name: str, value: int | float) -> None:
    if name[-1] == "]":
        array, index = name[:-1].split("[")
        getattr(args, array)[int(index)] = value
    else:
        setattr(args, name, value)


class _Shelf:
    """Arrays that are as they should be, for the next rung; small ones of one operator at a time."""

    most = 1 << 18  # bytes of a problem: to lay out more takes longer than Python needs for it

    def __init__(self) -> None:
        self._op = ""
        self._arrays: dict[tuple, Arrays] = {}

    def take(self, rung: Rung, problem: Problem, *how) -> Arrays:
        """Nobody else gets them until they are put back."""
        if rung.op != self._op:
            self._op, self._arrays = rung.op, {}
        found = self._arrays.pop((problem, rung.dtype, *how), None)
        return found or Arrays(rung, problem, *how)

    def put(self, arrays: Arrays, rung: Rung, problem: Problem, *how) -> None:
        if rung.op == self._op and arrays.bytes < self.most:
            self._arrays[problem, rung.dtype, *how] = arrays


_shelf = _Shelf()


class Unsupported(Exception):
    """The rung said that it cannot do this; the text is its reason."""


class Setting:
    """A problem laid out in memory for a rung, ready to be run with a team of any size.

    `with Setting(...)` leaves the memory to the next rung that is asked the same, unless there was an error.
    """

    def __init__(
        self,
        rung: Rung,
        problem: Problem,
        layout: str = "dense",
        seed: int = 0,
        guard: bool | None = None,
    ):
        """guard: None for canaries, otherwise guard pages, the data at their end (True) or start (False)."""
        self.rung, self.problem, self.guard = rung, problem, guard
        self._how = (layout, seed, guard)
        self._arrays = _shelf.take(rung, problem, *self._how)
        self.placed = self._arrays.placed
        self.args = type(self._arrays.args).from_buffer_copy(self._arrays.args)
        reason = rung.c.supports(ctypes.byref(self.args))
        if reason is not None:
            self.__exit__()
            raise Unsupported(reason.decode())

    def __enter__(self) -> "Setting":
        return self

    def __exit__(self, error: type[BaseException] | None = None, *_) -> None:
        if error is None:
            _shelf.put(self._arrays, self.rung, self.problem, *self._how)

    def lend(self, bytes_: int) -> Block:
        """Packed weights or scratch: 64-byte aligned."""
        return Block(bytes_) if self.guard is None else GuardedBlock(bytes_, self.guard, CANARY, 64)

    def for_one_call(self, once: bool) -> bool:
        """Tells the rung whether its weights serve one call only; returns whether it now packs otherwise."""
        before = self.rung.c.packed_bytes(ctypes.byref(self.args))
        self.args.workspace.once = once
        return self.rung.c.packed_bytes(ctypes.byref(self.args)) != before

    def run(self, threads: int = 1) -> dict[str, np.ndarray]:
        """Packs, runs, looks at every byte around; returns copies of the outputs."""
        c, args = self.rung.c, ctypes.byref(self.args)
        packed = scratch = None
        if needed := c.packed_bytes(args):
            packed = self.lend(needed)
            run_team(threads, lambda team: c.prepare(args, packed.address, ctypes.byref(team)))
            self.args.workspace.packed = packed.address
            ready = packed.whole.tobytes()
        if needed := c.scratch_bytes(args, threads):
            scratch = self.lend(needed)
            self.args.workspace.scratch = scratch.address
        frozen = bytes(self.args)
        run_team(threads, lambda team: c.run(args, ctypes.byref(team)))
        assert bytes(self.args) == frozen, "the struct was changed"
        self.args.workspace.packed = self.args.workspace.scratch = None
        if packed:
            packed.check("packed weights")
            assert packed.is_still(ready), "the packed weights were changed"
        if scratch:
            scratch.check("scratch")
        for operand in self.problem.inputs:
            placed = self.placed.get(operand.name)
            if placed and not placed.block.is_still(placed.before):
                placed.block.check(operand.name)
                raise AssertionError(f"input {operand.name} was changed")
        results = {}
        for operand in self.problem.outputs:
            if placed := self.placed.get(operand.name):
                results[operand.name] = placed.view.copy()
                fill(operand, placed)
                if not placed.block.is_still(placed.before):
                    placed.block.check(operand.name)
                    raise AssertionError(f"{operand.name}: written between its elements")
        return results


def fork(call: Callable[[Callable[[str], None]], None]) -> tuple[int, str]:
    """Runs call(say) in a child; returns its wait status (0: well) and the last text that it said."""
    size = 4096
    shared = mmap.mmap(-1, size)

    def say(text: str) -> None:
        raw = text.encode()[: size - 2]
        shared[: len(raw) + 1] = raw + b"\0"

    with warnings.catch_warnings():  # Python 3.12 warns: there are threads. The child touches none of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        faulthandler.disable()  # to be killed is an answer here, not a crash to tell of
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        status = 1
        try:
            call(say)
            status = 0
        except BaseException as error:
            say(f"{shared[:].split(bytes(1))[0].decode()}: {error}")
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return status, shared[:].split(b"\0")[0].decode()
