"""What a network does, as a list of operations on values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from loopnest.engine.tape import Tensor

Leaf = TypeVar("Leaf")


@dataclass(eq=False)
class Value:
    """An input of the network or a result of an operation."""

    shape: tuple[int, ...]
    dtype: Any


@dataclass(eq=False)
class Operation:
    """One function of the engine: results = function(*args, **kwargs), with Values in the place of tensors
    that
    depend on the inputs; all others are constant."""

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: list[Value]
    layer: str  # for people: where in the network
    activation: str | None = None  # set by passes: the epilogue
    residual: Value | None = None
    behind: Operation | None = None  # the activation as it was written
    constants: dict[int, Any] = field(default_factory=dict)  # numbers as arrays, made once

    def constant_tensors(self) -> list[Tensor]:
        """The tensors among the arguments, which do not depend on the inputs."""
        return list(leaves((self.args, self.kwargs), Tensor))

    def inputs(self) -> Iterator[Value]:
        """The Values among the arguments, and the residual."""
        yield from leaves((self.args, self.kwargs), Value)
        if self.residual is not None:
            yield self.residual


@dataclass(eq=False)
class Graph:
    """Operations in the order in which they run; `outputs` is what the network returned, with Values in
    it."""

    inputs: list[Value]
    operations: list[Operation] = field(default_factory=list)
    outputs: Any = None

    def users(self) -> dict[Value, int]:
        """How often each value is used, being returned included."""
        found: dict[Value, int] = {}
        for operation in self.operations:
            for value in operation.inputs():
                found[value] = found.get(value, 0) + 1
        for value in leaves(self.outputs, Value):
            found[value] = found.get(value, 0) + 1
        return found

    def maker(self) -> dict[Value, Operation]:
        """The operation that each value comes from."""
        return {value: operation for operation in self.operations for value in operation.results}

    def replace(self, old: Value, new: Value) -> None:
        """Puts `new` where `old` is used."""

        def swap(value: Any) -> Any:
            return new if value is old else value

        for operation in self.operations:
            operation.args = mapped(swap, operation.args)
            operation.kwargs = mapped(swap, operation.kwargs)
            operation.residual = swap(operation.residual)
        self.outputs = mapped(swap, self.outputs)


def leaves(data: Any, kind: type[Leaf]) -> Iterator[Leaf]:
    """All that are of this kind in nested tuples, lists and dicts."""
    if isinstance(data, kind):
        yield data
    elif isinstance(data, (tuple, list)):
        for item in data:
            yield from leaves(item, kind)
    elif isinstance(data, dict):
        yield from leaves(tuple(data.values()), kind)


def mapped(function: Callable[[Any], Any], data: Any) -> Any:
    """The same nested tuples, lists and dicts with function(leaf) for every leaf."""
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(mapped(function, item) for item in data))
    if isinstance(data, (tuple, list)):
        return type(data)(mapped(function, item) for item in data)
    if isinstance(data, dict):
        return {key: mapped(function, item) for key, item in data.items()}
    return function(data)
