"""Runs a Graph on the engine while its kernels are recorded, and makes a Program of two such runs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import loopnest
from loopnest.engine import arena, plan, tape
from loopnest.engine.extent import byte_bounds
from loopnest.engine.tape import Tensor
from loopnest.planning.graph import Graph, Operation, Value, leaves, mapped
from loopnest.planning.passes import LINEAR
from loopnest.planning.trace import NotPlannable, refusal

Array = NDArray[Any]

# Operators whose weights are constant: packed once. (The second operand of a matmul may be a result.)
PACKED = {
    *("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear"),
    *("lstm", "recurrent"),
}

# Convolutions that read other layouts in place, but take up to twice as long for it, where a copy takes
# little; and the axes of a batch.
WANT_CHANNELS_LAST = {"conv1d": 3, "conv3d": 5}


class Run:
    """One run of a graph: which tensor each value is."""

    def __init__(self, inputs: list[Array]) -> None:
        self.inputs = inputs
        self.recording = plan.Recording()
        self.tensors: dict[Value, Tensor] = {}

    def of(self, data: Any) -> Any:
        """Values as their tensors."""
        return mapped(lambda leaf: self.tensors[leaf] if isinstance(leaf, Value) else leaf, data)

    def new(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """A block for a result, channels-last for images."""
        found: Array = arena.empty(shape, dtype, channels_last=len(shape) == 4)
        return found

    def strided(
        self, op: str, a: Array, b: Array | None = None, shape: tuple[int, ...] | None = None
    ) -> Tensor:
        """A step of ours: a copied, or with b added and so on."""
        shape = np.broadcast_shapes(a.shape, b.shape) if shape is None and b is not None else shape or a.shape
        out = self.new(shape, a.dtype)
        self.recording.strided(op, out, a, b)
        return tape.from_numpy(out)

    def known(self, tensor: Tensor) -> bool:
        return self.recording.knows(tensor.detach().numpy(), self.inputs)


def run(graph: Graph, inputs: list[Array]) -> tuple[Run, list[Array]]:
    """The graph's outputs (one for each Value among them), everything recorded."""
    state = Run(inputs)
    for value, array in zip(graph.inputs, inputs, strict=True):
        state.tensors[value] = tape.from_numpy(array)
    with loopnest.no_grad():
        for operation in graph.operations:
            with state.recording:
                state.recording.layer = operation.layer or operation.name
                results = _operation(state, operation)
            state.recording.note(operation.name in PACKED)
            tensors = [t for t in _tensors(results) if isinstance(t, Tensor)]
            if len(tensors) != len(operation.results):
                raise refusal(operation.layer, operation.name)
            for value, tensor in zip(operation.results, tensors, strict=True):
                if not state.known(tensor):
                    raise refusal(operation.layer, operation.name)
                state.tensors[value] = tensor
            state.recording.kept += tensors
            state.recording.constants += operation.constant_tensors()
        with state.recording:
            state.recording.layer = "result"
            outputs = [_given(state, state.tensors[value]) for value in leaves(graph.outputs, Value)]
        state.recording.note()
    state.recording.kept.append(outputs)
    return state, outputs


def _given(state: Run, tensor: Tensor) -> Array:
    """A result for the caller: new memory, also if it is an input, or a view of one."""
    y: Array = tensor.detach().numpy()
    if not any(np.may_share_memory(y, x) for x in state.inputs):
        return y
    out: Array = arena.empty(y.shape, y.dtype)
    state.recording.strided("copy", out, y)
    return out


def _tensors(data: Any) -> list[Any]:
    if isinstance(data, (tuple, list)):
        return [leaf for item in data for leaf in _tensors(item)]
    return [data]


def _operation(state: Run, operation: Operation) -> Any:
    """Results of one operation: by the engine's own function where that runs nothing but kernels, otherwise
    by
    steps of ours."""
    name, args, kwargs = operation.name, state.of(operation.args), state.of(operation.kwargs)
    if name in LINEAR:
        return _linear(state, operation, args, kwargs)
    if name in ("add", "sub", "mul", "div"):
        return _binary(state, operation, name, args)
    if name == "cat":
        return _cat(state, operation, *args, **kwargs)
    if name == "stack":
        return _stack(state, operation, *args, **kwargs)
    if name in WANT_CHANNELS_LAST:
        args = (_channels_last(state, args[0], WANT_CHANNELS_LAST[name]), *args[1:])
    return operation.function(*args, **kwargs)


def _channels_last(state: Run, x: Tensor, axes: int) -> Tensor:
    """A batch of that many axes with its channels side by side; others as they are."""
    a = x.detach().numpy()
    if a.ndim != axes or a.shape[1] == 1 or a.strides[1] == a.itemsize or a.dtype.kind != "f":
        return x
    out = np.moveaxis(arena.empty((a.shape[0], *a.shape[2:], a.shape[1]), a.dtype), -1, 1)
    state.recording.strided("copy", out, a)
    return tape.from_numpy(out)


def _linear(state: Run, operation: Operation, args: Any, kwargs: Any) -> Any:
    """conv2d or linear with its epilogue in the kernel if the fastest rung has one; otherwise behind it."""
    y = operation.function(*args, **kwargs)
    if operation.activation is None and operation.residual is None:
        return y
    residual = None if operation.residual is None else state.tensors[operation.residual].detach().numpy()
    if state.recording.epilogue(operation.activation, residual, y.detach().numpy()):
        return y
    return _behind(state, operation, y)


def _behind(state: Run, operation: Operation, y: Tensor) -> Tensor:
    """residual and activation as steps of their own."""
    if operation.residual is not None:
        y = _binary(state, operation, "add", (y, state.tensors[operation.residual]))
    if operation.behind is not None:
        y = operation.behind.function(y, *operation.behind.args[1:], **operation.behind.kwargs)
    return y


def _binary(state: Run, operation: Operation, op: str, args: Any) -> Tensor:
    """a op b; a number among them is made an array once, so that it has one address."""
    dtype = operation.results[0].dtype
    arrays = []
    for i, x in enumerate(args):
        if isinstance(x, Tensor):
            arrays.append(x.detach().numpy())
        else:
            if i not in operation.constants:
                operation.constants[i] = np.array(x, dtype)
            arrays.append(operation.constants[i])
            state.recording.constants.append(arrays[-1])
    if any(a.dtype != dtype for a in arrays) or dtype.kind != "f":
        raise refusal(operation.layer, f"{op} of {' and '.join(str(a.dtype) for a in arrays)}")
    return state.strided(op, *arrays)


def _cat(state: Run, operation: Operation, tensors: Any, dim: int = 0) -> Tensor:
    """Each part is copied to its place."""
    arrays = [t.detach().numpy() for t in tensors]
    if len({a.dtype for a in arrays}) > 1:
        raise refusal(operation.layer, f"{operation.name} of several dtypes")
    dim = dim % arrays[0].ndim
    shape = list(arrays[0].shape)
    shape[dim] = sum(a.shape[dim] for a in arrays)
    out, at = state.new(tuple(shape), arrays[0].dtype), 0
    for a in arrays:
        part = out[(slice(None),) * dim + (slice(at, at + a.shape[dim]),)]
        state.recording.strided("copy", part, a)
        at += a.shape[dim]
    state.recording.kept += arrays
    return tape.from_numpy(out)


def _stack(state: Run, operation: Operation, tensors: Any, dim: int = 0) -> Tensor:
    """As _cat, with an axis of its own."""
    dim = dim % (tensors[0].ndim + 1)
    return _cat(state, operation, [tape.unsqueeze(t, dim) for t in tensors], dim)


def build(
    graph: Graph, inputs: list[Array], other: list[Array], known: dict[Any, Any]
) -> tuple[plan.Program, list[Array]]:
    """The graph's Program for inputs of these sizes, and its outputs for them. `other` lie as `inputs` do,
    with other numbers."""
    first, outputs = run(graph, inputs)
    second, _ = run(graph, other)
    return plan.build(first.recording, inputs, outputs, second.recording, other, known), outputs


def check(program: plan.Program, inputs: list[Array], expected: list[Array], before: list[Array]) -> None:
    """Raises NotPlannable unless the program gives what the network does: `expected` for these inputs.

    before: what it gave for others. Memory between the steps is spoilt first: nothing may be left
    from earlier work that no step writes.
    """
    for y, right, was in zip(program.run(inputs, True), expected, before, strict=True):
        if not _same(y, right, was):
            raise NotPlannable(
                "compile: the plan would give something else than the network: part of it does its work "
                "outside of kernels, or its results depend on more than its inputs; compile its parts one by "
                "one to find out which"
            )


def _same(y: Array, expected: Array, before: Array) -> bool:
    """Equal but for rounding; `before` is what other inputs gave.

    A plan rounds otherwise than the network: batch norm is in the weights, and a kernel that a chain runs on
    bands of rows may add up in another order. That is little beside what other inputs change. Where it
    decides (which of two elements is the largest) one number in a thousand may differ.
    """
    if y.shape != expected.shape or y.dtype != expected.dtype:
        return False
    if y.dtype.kind != "f":
        return bool(np.count_nonzero(y != expected) <= y.size // 1000)
    eps = float(np.finfo(y.dtype).eps)
    with np.errstate(invalid="ignore"):
        size, change = (_largest(a) for a in (expected, expected - before))
        close = np.isclose(y, expected, rtol=0, atol=64 * eps * size + eps**0.5 * change, equal_nan=True)
    return bool(np.count_nonzero(~close) <= y.size // 1000)


def _largest(a: Array) -> float:
    return float(np.abs(a[np.isfinite(a)]).max(initial=0))


def others(inputs: list[Array]) -> list[Array]:
    """Arrays of their own that lie in memory as `inputs` do, with other numbers of the same kind: whole
    numbers in another order; floats of the same signs, and none of them 0."""
    rng = np.random.default_rng(0)
    found = []
    for a in inputs:
        numbers = a.reshape(-1)[::-1].reshape(a.shape)
        if a.dtype.kind == "f":
            factor = rng.uniform(0.5, 1.0, a.shape).astype(a.dtype)
            numbers = np.where(numbers == 0, factor, numbers * factor)
        found.append(_placed(numbers, a))
    return found


def own(inputs: list[Array]) -> list[Array]:
    """Copies that lie in memory as `inputs` do, but share none: an input may be given twice."""
    return [_placed(a, a) for a in inputs]


def _placed(numbers: Array, like: Array) -> Array:
    """The numbers in new memory, as `like` lies."""
    out = np.empty_like(like, order="K", subok=False)
    if out.strides != like.strides:
        low, high = byte_bounds(like)
        offset = like.__array_interface__["data"][0] - low
        out = np.ndarray(like.shape, like.dtype, np.zeros(high - low, np.uint8), offset, like.strides)
    out[...] = numbers
    return out
