"""How an operator of the laboratory is written: once, as the function that makes its call ready.

    @operator
    def relu(input, **choice: Unpack[Choice]) -> Ready[Array]:
        \"\"\"max(x, 0), NaN stays NaN.\"\"\"
        return _core.relu(input, **choice), lambda: reference.relu(input)

It goes from PyTorch's arguments to the kernel's, and hands the choice of a rung on to `_core`, which checks
the arrays and gives the call. With the call comes the formula for rung="numpy", and, if the result is to have
another shape than the kernel's, a function that gives it that. `operator` makes of it the public function,
which also runs the call and returns the result; `call` stops before that.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray

from loopnest import _core

Array = NDArray[Any]
P = ParamSpec("P")
T = TypeVar("T")


class Choice(TypedDict, total=False):
    """What every operator takes: which rung, on which ISA (None: the best), and threads (0: as many as it is
    worth)."""

    rung: str | None
    isa: str | None
    threads: int


BY_NAME = [
    inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value)
    for name, value in (("rung", None), ("isa", None), ("threads", 0))
]

# The call, the formula, and what gives the kernel's result its shape, if that is another one.
Ready = tuple[_core.Call, Callable[[], T]] | tuple[_core.Call, Callable[[], T], Callable[[T], T]]

WRITTEN: dict[str, Callable[..., Ready[Any]]] = {}  # the operators, as their functions are written


class NumpyCall:
    """The reference as a call made ready: the same faces as `_core.Call`, for rung="numpy"."""

    rung, isa, threads, packed_bytes = "numpy", "numpy", 1, 0
    idea = "the textbook formula in NumPy, in float64"
    result: Any = None

    def __init__(self, kernel: _core.Call, formula: Callable[[], Any], dtype: np.dtype[Any]):
        self.op, self.flops, self.bytes = kernel.op, kernel.flops, kernel.bytes
        self.walk = [("numpy", "numpy", None)]
        self._formula, self._dtype = formula, dtype

    def prepare(self) -> None:
        """Nothing to prepare."""

    def time_prepare(self, repeats: int) -> list[float]:
        return []

    def run(self) -> None:
        found = self._formula()
        self.result = tuple(map(self._rounded, found)) if isinstance(found, tuple) else self._rounded(found)

    def _rounded(self, x: Array) -> Array:
        return x if x.dtype.kind == "i" else np.asarray(x, self._dtype)

    def time(self, repeats: int) -> list[float]:
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            self.run()
            seconds.append(time.perf_counter() - start)
        return seconds


def operator(written: Callable[P, Ready[T]]) -> Callable[P, T]:
    """The public function of an operator: makes its call ready, runs it and returns the result."""

    @wraps(written)
    def public(*args: P.args, **kwargs: P.kwargs) -> T:
        call, _, *shape = _made(written, args, kwargs)
        call.run()
        return shape[0](call.result) if shape else call.result

    WRITTEN[written.__name__] = written
    signature = _signature(written)
    public.__annotations__ = {"return": signature.return_annotation}
    public.__dict__["__signature__"] = signature
    return public


def _signature(written: Callable[..., Ready[Any]]) -> inspect.Signature:
    """What the public function takes and returns: rung, isa and threads by name, the result without Ready."""
    signature = inspect.signature(written)
    *own, _ = signature.parameters.values()  # without **choice
    result = signature.return_annotation.removeprefix("Ready[").removesuffix("]")
    return signature.replace(parameters=[*own, *BY_NAME], return_annotation=result)


def _made(written: Callable[..., Ready[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What an operator's function gives; for rung="numpy" with NumPy's call in place of the kernel's."""
    if kwargs.get("rung") == "numpy":
        return _made_for_numpy(written, args, **kwargs)
    try:
        return written(*args, **kwargs)
    except TypeError:
        unknown = kwargs.keys() - inspect.signature(written).parameters.keys() - Choice.__annotations__.keys()
        if unknown:
            raise TypeError(
                f"{written.__name__}() got an unexpected keyword argument {min(unknown)!r}"
            ) from None
        raise


def _made_for_numpy(
    written: Callable[..., Ready[Any]],
    args: tuple[Any, ...],
    rung: str,
    isa: str | None = None,
    **kwargs: Any,
) -> Any:
    if isa not in (None, "numpy"):
        raise ValueError(f'{written.__name__}: rung "numpy" runs on NumPy alone, not on an isa')
    kernel, formula, *shape = _made(written, args, kwargs)  # which checks the arguments
    arrays = [a for a in (*args, *kwargs.values()) if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    return NumpyCall(kernel, formula, arrays[0].dtype), formula, *shape


def call(op: str, *args: Any, **kwargs: Any) -> _core.Call | NumpyCall:
    """The call of operator `op` made ready: checked, rung picked, result allocated, nothing computed yet.

    Takes the arguments of the function of the same name in this module, and `rung`, `isa`, `threads`. The
    call has `.run()`, `.result`, `.time(repeats)` (seconds of each run, weights packed beforehand),
    `.prepare()` and `.time_prepare(repeats)` (the packing), `.rung`, `.isa`, `.threads`, `.walk` (what was
    passed over, and why), `.flops` (2 per multiply-add, padding not counted), `.bytes` (every array once),
    `.packed_bytes`.

    >>> from loopnest import ops
    >>> c = ops.call("conv2d", np.ones((1, 8, 6, 6), "f"), np.ones((16, 8, 3, 3), "f"), rung="naive")
    >>> c.run(); float(c.result[0, 0, 0, 0]), c.flops
    (72.0, 36864.0)
    """
    if op not in WRITTEN:
        raise ValueError(f"ops.call: there is no operator {op!r}; there are {', '.join(WRITTEN)}")
    return _made(WRITTEN[op], args, kwargs)[0]
