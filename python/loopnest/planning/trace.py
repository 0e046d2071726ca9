"""Runs a network once and writes down what is done to its inputs.

The inputs are `Traced` tensors. While tracing, every function of the engine that is called from Python (and
every
method of a Traced tensor) computes as usual and is written down; the result is Traced again. What cannot be
followed raises NotPlannable with the layer's name: looking at a value (float(x), if x > 0), changing a
tensor in place, or a method that has no function of its own.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

import loopnest
from loopnest.engine import tape
from loopnest.engine.tape import Tensor
from loopnest.nn.module import Module
from loopnest.planning.graph import Graph, Operation, Value, mapped


class NotPlannable(RuntimeError):
    """Part of a network cannot be planned; the text names the layer and says what to do."""


def refusal(layer: str, what: str) -> NotPlannable:
    where = f"layer {layer!r}" if layer else "the network itself"
    return NotPlannable(
        f"compile: {what} in {where} cannot be planned. Compile the parts before and after it, "
        "and call this one eagerly"
    )


class Traced(Tensor):  # type: ignore[misc]
    """A tensor of the trace: it knows which Value it is."""

    value: Value


# Functions that only look at the same memory in another way, or put it in order.
VIEWS = {
    "reshape",
    "view",
    "flatten",
    "squeeze",
    "unsqueeze",
    "permute",
    "transpose",
    "transpose_all",
    "getitem",
    "chunk",
    "split",
    "unbind",
    "expand",
}

_LOOKS = {
    "shape",
    "ndim",
    "dtype",
    "size",
    "dim",
    "numel",
    "nelement",
    "is_leaf",
    "requires_grad",
    "grad",
    "data_ptr",
}
_lock = threading.RLock()  # one trace at a time: it changes what names in modules stand for
_active: list[Trace] = []


class Trace:
    """What is known while one network runs."""

    def __init__(self, model: Module | None) -> None:
        self.graph = Graph([])
        self.names = {id(m): name for name, m in model.named_modules()} if isinstance(model, Module) else {}
        self.root = type(model).__name__
        self.stack: list[str] = []

    @property
    def layer(self) -> str:
        return self.stack[-1] if self.stack else ""

    def wrap(self, tensor: Tensor) -> Traced:
        """`tensor` as a new Value."""
        traced = tape._rebuild(Traced, tensor.detach().numpy(), False, {})
        traced.value = Value(tensor.shape, tensor.dtype)
        return traced

    def call(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Runs a function of the engine and writes it down."""
        before = list(_active)
        _active.clear()  # what it calls itself is part of it
        try:
            result = function(*args, **kwargs)
        finally:
            _active.extend(before)
        if isinstance(result, Traced):  # it gave back what it got
            return result
        results: list[Value] = []

        def out(leaf: Any) -> Any:
            if isinstance(leaf, Traced) or not isinstance(leaf, Tensor):
                return leaf
            traced = self.wrap(leaf)
            results.append(traced.value)
            return traced

        wrapped = mapped(out, result)

        def plain(leaf: Any) -> Any:
            return leaf.value if isinstance(leaf, Traced) else leaf

        self.graph.operations.append(
            Operation(
                name, function, mapped(plain, tuple(args)), mapped(plain, dict(kwargs)), results, self.layer
            )
        )
        return wrapped


def _has_traced(data: Any) -> bool:
    if isinstance(data, Traced):
        return True
    if isinstance(data, (tuple, list)):
        return any(_has_traced(item) for item in data)
    return isinstance(data, dict) and any(_has_traced(item) for item in data.values())


def _follow(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of the engine, followed where it is given a Traced tensor."""

    def followed(*args: Any, **kwargs: Any) -> Any:
        if not _active or not _has_traced((args, kwargs)):
            return function(*args, **kwargs)
        return _active[-1].call(name, function, args, kwargs)

    followed.__name__ = name
    return followed


def _engine_functions() -> dict[int, tuple[str, Any]]:
    """id -> (name, function) of everything that engine modules offer to Python."""
    found = {}
    for module_name, module in list(sys.modules.items()):
        if not module_name.startswith("loopnest.engine.") or module_name.endswith((".plan", ".arena")):
            continue
        for name, value in vars(module).items():
            kind = type(value).__name__
            if (
                kind in ("cython_function_or_method", "builtin_function_or_method")
                and name not in _UNFOLLOWED
            ):
                found[id(value)] = (getattr(value, "__name__", name), value)
    return found


_UNFOLLOWED = {
    "is_grad_enabled",
    "set_grad_enabled",
    "default_generator",
    "manual_seed",
    "_rebuild",
    "_represent",
    "attach",
}


@contextmanager
def _followed(model: Any) -> Iterator[None]:
    """While it lasts, the engine's functions are followed, by whatever name a module knows them."""
    functions = _engine_functions()
    owners = {"loopnest"} | {
        type(m).__module__ for m in (model.modules() if isinstance(model, Module) else ())
    }
    changed: list[tuple[ModuleType, str, Any]] = []
    for module_name, module in list(sys.modules.items()):
        if not isinstance(module, ModuleType) or not (
            (module_name.startswith("loopnest") and not module_name.startswith("loopnest.planning"))
            or module_name in owners
        ):
            continue
        for name, value in list(vars(module).items()):
            known = functions.get(id(value))
            if known:
                setattr(module, name, _follow(*known))
                changed.append((module, name, value))
    plain_call = Module.__call__

    def call(self: Module, *args: Any, **kwargs: Any) -> Any:
        if not _active:
            return plain_call(self, *args, **kwargs)
        trace = _active[-1]
        trace.stack.append(trace.names.get(id(self)) or ("" if not trace.stack else trace.layer))
        try:
            return plain_call(self, *args, **kwargs)
        finally:
            if trace.stack:
                trace.stack.pop()

    Module.__call__ = call  # type: ignore[method-assign]
    try:
        yield
    finally:
        Module.__call__ = plain_call  # type: ignore[method-assign]
        for module, name, value in changed:
            setattr(module, name, value)


def trace(function: Callable[..., Any], inputs: tuple[Tensor, ...]) -> tuple[Graph, Any]:
    """(the Graph of function(*inputs), what it returned). `inputs` may hold tuples of tensors (states)."""
    with _lock:
        state = Trace(function if isinstance(function, Module) else None)

        def start(leaf: Any) -> Any:
            if not isinstance(leaf, Tensor):
                return leaf
            traced = state.wrap(leaf)
            state.graph.inputs.append(traced.value)
            return traced

        traced = mapped(start, tuple(inputs))
        with _followed(function), loopnest.no_grad():
            _active.append(state)
            try:
                result = function(*traced)
            finally:
                _active.clear()

        def end(leaf: Any) -> Any:
            if isinstance(leaf, Traced):
                return leaf.value
            return leaf

        state.graph.outputs = mapped(end, result)
        return state.graph, mapped(lambda leaf: leaf.detach() if isinstance(leaf, Tensor) else leaf, result)


# ---- the methods of a Traced tensor ----


def _current() -> Trace:
    if not _active:
        raise NotPlannable("compile: a tensor of the trace was kept and is used after it")
    return _active[-1]


def _method(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Traced, *args: Any, **kwargs: Any) -> Any:
        if not _active:
            return getattr(Tensor, name)(self, *args, **kwargs)
        return _active[-1].call(name, function, (self, *args), kwargs)

    return method


def _packed_sizes(sizes: tuple[Any, ...]) -> Any:
    return sizes[0] if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes


def _binary(name: str) -> Callable[..., Any]:
    operator: Callable[[Any, Any], Any] = {
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "div": lambda a, b: a / b,
    }[name]

    def plain(a: Any, b: Any) -> Any:
        return operator(_untraced(a), _untraced(b))

    def method(self: Traced, other: Any) -> Any:
        return _current().call(name, plain, (self, other), {})

    def reflected(self: Traced, other: Any) -> Any:
        return _current().call(name, plain, (other, self), {})

    return lambda back: reflected if back else method


def _untraced(x: Any) -> Any:
    return tape.from_numpy(np.asarray(x)) if isinstance(x, Traced) else x


def _reduction(name: str) -> Callable[..., Any]:
    def plain(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        return getattr(Tensor, name)(x, dim, keepdim)

    def method(self: Traced, dim: Any = None, keepdim: bool = False) -> Any:
        return _current().call(name, plain, (self, dim, keepdim), {})

    return method


def _refuse(name: str) -> Callable[..., Any]:
    def refused(self: Traced, *args: Any, **kwargs: Any) -> Any:
        if not _active:
            return getattr(Tensor, name)(self, *args, **kwargs)
        raise refusal(_active[-1].layer, f"Tensor.{name}")

    return refused


def _equip() -> None:
    """Gives Traced its methods: followed, or refused; only those that look at the shape stay as they are."""
    sizes = {"reshape": tape.reshape, "view": tape.reshape, "permute": tape.permute, "expand": tape.expand}
    for name, function in sizes.items():

        def of_sizes(self: Traced, *given: Any, _name: str = name, _function: Any = function) -> Any:
            return _current().call(_name, _function, (self, _packed_sizes(given)), {})

        setattr(Traced, name, of_sizes)
    for name in ("add", "sub", "mul", "div"):
        make = _binary(name)
        dunder = {"div": "truediv"}.get(name, name)
        setattr(Traced, f"__{dunder}__", make(False))
        setattr(Traced, f"__r{dunder}__", make(True))
        setattr(Traced, f"__i{dunder}__", make(False))
        setattr(Traced, name, make(False))
    for name in ("sum", "mean", "amax", "amin"):
        setattr(Traced, name, _reduction(name))
    Traced.__getitem__ = lambda self, index: _current().call(  # type: ignore[method-assign,assignment]
        "getitem", lambda x, index: Tensor.__getitem__(x, index), (self, index), {}
    )
    Traced.contiguous = lambda self: self  # type: ignore[method-assign]
    keep = {"__repr__", "__len__", "__class__", "__new__", "__init__", "__del__"}
    for name in dir(Tensor):
        if name in Traced.__dict__ or name in keep or name in _LOOKS or not callable(getattr(Tensor, name)):
            continue
        followed: Any = getattr(tape, name, None)
        if type(followed).__name__ in ("cython_function_or_method", "builtin_function_or_method"):
            setattr(Traced, name, _method(name, followed))
        elif not name.startswith("_") or name in _NUMERIC:
            setattr(Traced, name, _refuse(name))


_NUMERIC = {
    *(
        "__array__",
        "__array_ufunc__",
        "__getitem__",
        "__setitem__",
        "__bool__",
        "__float__",
        "__int__",
        "__iter__",
        "__pow__",
        "__rpow__",
    ),
    *("__neg__", "__matmul__", "__rmatmul__", "__abs__", "__lt__", "__le__", "__gt__", "__ge__", "__ipow__"),
}
_equip()
