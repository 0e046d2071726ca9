"""Runs a network once and writes down what is done to its inputs.

The inputs are `Traced` tensors. While tracing, every function of the engine that is called from Python (and
every method of a Traced tensor) computes as usual and is written down; the result is Traced again. What
cannot be followed raises NotPlannable with the layer's name: looking at a value (float(x), if x > 0),
changing a tensor in place, or a method that has no function of its own.

A Traced tensor has a shape, but its numbers are sealed (engine/tape.pyx): an engine function that is not
followed, because the network knows it by a name that is not looked at, cannot make a constant of them.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import loopnest
from loopnest.engine import tape
from loopnest.engine.tape import Tensor
from loopnest.nn.module import Module
from loopnest.planning.graph import Graph, Operation, Value, mapped


class NotPlannable(RuntimeError):
    """Part of a network cannot be planned; the text names the layer and says what to do."""


def refusal(layer: str, what: str) -> NotPlannable:
    return NotPlannable(
        f"compile: {what} in {_place(layer)} cannot be planned. Compile the parts before and after it, "
        "and call this one eagerly"
    )


def _place(layer: str) -> str:
    return f"layer {layer!r}" if layer else "the network itself"


class Traced(Tensor):  # type: ignore[misc]
    """A tensor of the trace: it knows which Value it is."""

    value: Value
    tensor: Tensor  # the numbers


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


class _Here(threading.local):
    """The trace of this thread: others may run the same network meanwhile, and are not followed."""

    trace: Trace | None = None


_here = _Here()


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
        traced: Traced = tape._sealed(Traced, tensor, self.sealed)
        traced.value = Value(tensor.shape, tensor.dtype)
        traced.tensor = tensor.detach()
        return traced

    def sealed(self) -> NotPlannable:
        """The error where somebody asks for the numbers of a Traced tensor."""
        if _here.trace is not self:
            return NotPlannable("compile: a tensor of the trace was kept and is used after it")
        return NotPlannable(
            f"compile: {_place(self.layer)} looks at the numbers of a tensor where no plan can follow: in "
            "Python or NumPy, or by a function of loopnest under a name that is not looked at (write it as "
            "loopnest.relu(x), or as a method, x.relu())"
        )

    def call(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Runs a function of the engine and writes it down."""
        known: dict[int, Traced] = {}

        def untraced(leaf: Any) -> Any:
            if not isinstance(leaf, Traced):
                return leaf
            known[id(leaf.tensor)] = leaf
            return leaf.tensor

        result = function(*mapped(untraced, tuple(args)), **mapped(untraced, dict(kwargs)))
        if id(result) in known:  # it gave back what it got
            return known[id(result)]
        results: list[Value] = []

        def out(leaf: Any) -> Any:
            if not isinstance(leaf, Tensor):
                return leaf
            traced = self.wrap(leaf)
            results.append(traced.value)
            return traced

        wrapped = mapped(out, result)
        if not results:  # as loopnest.equal: a number that Python may decide by
            raise refusal(self.layer, f"{name}, whose result is no tensor,")

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
        if _here.trace is None or not _has_traced((args, kwargs)):
            return function(*args, **kwargs)
        return _here.trace.call(name, function, args, kwargs)

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
    "_sealed",
    "_represent",
    "attach",
    "numbers",  # Python is to read them, and nothing could follow
    "recorded",
    "recorded_all",
    "fitted",
    "bag_sums",
}


def _namespaces(model: Any) -> Iterator[dict[str, Any]]:
    """Where names of engine functions are looked for: loopnest's modules, those in which the network's layers
    and functions are written, and the layers' own attributes."""
    layers = list(model.modules()) if isinstance(model, Module) else []
    owners = {kind.__module__ for layer in layers for kind in type(layer).__mro__}
    owners |= {getattr(model, "__module__", None) or "", "loopnest"}
    for name, module in list(sys.modules.items()):
        inside = name.startswith("loopnest") and not name.startswith("loopnest.planning")
        if isinstance(module, ModuleType) and (inside or name in owners):
            yield vars(module)
    for layer in layers:
        yield vars(layer)


@contextmanager
def _followed(model: Any) -> Iterator[None]:
    """While it lasts, the engine's functions are followed, by whatever name modules and layers know them."""
    functions = _engine_functions()
    changed: list[tuple[dict[str, Any], str, Any]] = []
    for names in _namespaces(model):
        for name, value in list(names.items()):
            known = functions.get(id(value))
            if known:
                names[name] = _follow(*known)
                changed.append((names, name, value))
    plain_call = Module.__call__

    def call(self: Module, *args: Any, **kwargs: Any) -> Any:
        trace = _here.trace
        if trace is None:
            return plain_call(self, *args, **kwargs)
        trace.stack.append(trace.names.get(id(self)) or ("" if not trace.stack else trace.layer))
        try:
            return plain_call(self, *args, **kwargs)
        finally:
            trace.stack.pop()

    Module.__call__ = call  # type: ignore[method-assign]
    try:
        yield
    finally:
        Module.__call__ = plain_call  # type: ignore[method-assign]
        for names, name, value in changed:
            names[name] = value


def trace(function: Callable[..., Any], inputs: tuple[Tensor, ...]) -> Graph:
    """The Graph of function(*inputs). `inputs` may hold tuples of tensors (states)."""
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
            _here.trace = state
            try:
                result = function(*traced)
            finally:
                _here.trace = None

        def end(leaf: Any) -> Any:
            if isinstance(leaf, Traced):
                return leaf.value
            if isinstance(leaf, Tensor):
                raise refusal("", "a result that does not depend on the inputs")
            return leaf

        state.graph.outputs = mapped(end, result)
        return state.graph


# ---- the methods of a Traced tensor ----


def _current() -> Trace:
    if _here.trace is None:
        raise NotPlannable("compile: a tensor of the trace was kept and is used after it")
    return _here.trace


def _method(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Traced, *args: Any, **kwargs: Any) -> Any:
        return _current().call(name, function, (self, *args), kwargs)

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

    def method(self: Traced, other: Any, **more: Any) -> Any:
        if more:  # alpha
            raise refusal(_current().layer, f"Tensor.{name} with {', '.join(more)}")
        return _current().call(name, operator, (self, other), {})

    def reflected(self: Traced, other: Any) -> Any:
        return _current().call(name, operator, (other, self), {})

    return lambda back: reflected if back else method


def _reduction(name: str) -> Callable[..., Any]:
    def plain(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        return getattr(Tensor, name)(x, dim, keepdim)

    def method(self: Traced, dim: Any = None, keepdim: bool = False) -> Any:
        return _current().call(name, plain, (self, dim, keepdim), {})

    return method


def _refuse(name: str) -> Callable[..., Any]:
    def refused(self: Traced, *args: Any, **kwargs: Any) -> Any:
        raise refusal(_current().layer, f"Tensor.{name}")

    return refused


def _represent(self: Traced) -> str:
    return f"tensor(of a trace, shape={self.shape}, dtype={self.dtype})"


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
    Traced.T = property(lambda self: self.permute(*range(self.ndim)[::-1]))  # type: ignore[assignment]
    Traced.mT = property(lambda self: self.transpose(-2, -1))  # type: ignore[assignment]
    Traced.__repr__ = _represent  # type: ignore[method-assign,assignment]
    Traced.contiguous = lambda self, memory_format=None: self  # type: ignore[method-assign,assignment]
    keep = {"__len__", "__class__", "__new__", "__init__", "__del__"}
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
