"""Runs a Graph on the engine while its kernels are recorded, and makes a Program of two such runs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import loopnest
from loopnest.engine import arena, plan, tape
from loopnest.engine.extent import byte_bounds
from loopnest.engine.tape import Tensor
from loopnest.planning.graph import Graph, Operation, Value, mapped, values_in
from loopnest.planning.passes import LINEAR
from loopnest.planning.trace import VIEWS, NotPlannable, refusal

Array = NDArray[Any]

# Operators whose weights are constant: packed once. (The second operand of a matmul may be a result.)
PACKED = {
    *("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear"),
    *("lstm", "recurrent"),
}


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
            state.recording.constants += [x for x in _tensors(operation.args) if isinstance(x, Tensor)]
    outputs = [state.tensors[value].detach().numpy() for value in values_in(graph.outputs)]
    state.recording.kept.append(outputs)
    return state, outputs


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
    if name in VIEWS:
        return _view(state, operation.function, args, kwargs)
    if name == "cat":
        return _cat(state, *args, **kwargs)
    if name == "stack":
        return _stack(state, *args, **kwargs)
    return operation.function(_laid_out(state, name, args[0]), *args[1:], **kwargs)


def _laid_out(state: Run, name: str, x: Any) -> Any:
    """x in the order that the engine's function wants, copied by a step of ours: else the function would copy
    it itself, outside of kernels."""
    if not isinstance(x, Tensor) or x.dtype not in (np.float32, np.float64):
        return x
    a = x.detach().numpy()
    if (
        "conv" in name or "pool" in name or name in ("batch_norm", "group_norm", "instance_norm")
    ) and a.ndim > 2:
        if name == "conv2d" or a.shape[1] == 1 or a.strides[1] == a.itemsize:
            return x
        out = np.moveaxis(arena.empty((a.shape[0], *a.shape[2:], a.shape[1]), a.dtype), -1, 1)
    elif (
        (name == "linear" and a.ndim == 2)
        or a.flags.c_contiguous
        or (name in ("lstm", "recurrent") and a.strides[-1] == a.itemsize)
    ):
        return x
    elif name in ("linear", "lstm", "recurrent", "layer_norm", "rms_norm", "softmax", "log_softmax"):
        out = arena.empty(a.shape, a.dtype)
    else:
        return x
    state.recording.strided("copy", out, a)
    return tape.from_numpy(out)


def _linear(state: Run, operation: Operation, args: Any, kwargs: Any) -> Any:
    """conv2d or linear with its epilogue in the kernel if the fastest rung has one; otherwise behind it."""
    args = (_laid_out(state, operation.name, args[0]), *args[1:])
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
    dtype = next(x.dtype for x in args if isinstance(x, Tensor))
    arrays = []
    for i, x in enumerate(args):
        if isinstance(x, Tensor):
            arrays.append(x.detach().numpy())
        else:
            arrays.append(operation.constants.setdefault(i, np.asarray(x, dtype)))
            state.recording.constants.append(arrays[-1])
    return state.strided(op, *arrays)


def _view(state: Run, function: Any, args: Any, kwargs: Any) -> Tensor:
    """The same memory in another shape; if the elements are not in that order, copied first."""
    x = args[0]
    y: Tensor = function(*args, **kwargs)
    if not isinstance(y, Tensor) or np.may_share_memory(y.detach().numpy(), x.detach().numpy()):
        return y
    dense = arena.empty(x.shape, x.dtype)
    state.recording.strided("copy", dense, x.detach().numpy())
    again: Tensor = function(tape.from_numpy(dense), *args[1:], **kwargs)
    return again


def _cat(state: Run, tensors: Any, dim: int = 0) -> Tensor:
    """Each part is copied to its place."""
    arrays = [t.detach().numpy() for t in tensors]
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


def _stack(state: Run, tensors: Any, dim: int = 0) -> Tensor:
    """As _cat, with an axis of its own."""
    dim = dim % (tensors[0].ndim + 1)
    return _cat(state, [tape.unsqueeze(t, dim) for t in tensors], dim)


def build(graph: Graph, inputs: list[Array], known: dict[Any, Any]) -> tuple[plan.Program, list[Array]]:
    """The graph's Program for inputs of these sizes, checked against the second recording; its outputs."""
    first, outputs = run(graph, inputs)
    other = [_reversed(a) for a in inputs]
    second, outputs2 = run(graph, other)
    program = plan.build(first.recording, inputs, outputs, second.recording, other, known)
    for y, expected, before in zip(program.run(other), outputs2, outputs, strict=True):
        if not _same(y, expected, before):
            raise NotPlannable(
                "compile: part of the network does its work outside of kernels, and the plan would give "
                "something else; compile its parts one by one to find out which"
            )
    return program, outputs


def _same(y: Array, expected: Array, before: Array) -> bool:
    """Equal but for rounding; `before` is what other inputs gave.

    A kernel that a chain runs on bands of rows may add up in another order than on the whole image (conv2d's
    slide with 16 registers does). That is little beside what other inputs change.
    """
    if y.shape != expected.shape or y.dtype.kind != "f":
        return np.array_equal(y, expected)
    eps = float(np.finfo(y.dtype).eps)
    with np.errstate(invalid="ignore"):
        size, change = (_largest(a) for a in (expected, expected - before))
    return np.allclose(y, expected, rtol=0, atol=64 * eps * size + eps**0.5 * change, equal_nan=True)


def _largest(a: Array) -> float:
    return float(np.abs(a[np.isfinite(a)]).max(initial=0))


def _reversed(a: Array) -> Array:
    """The same numbers in the other order, lying in memory as `a` does."""
    out = np.empty_like(a, order="K", subok=False)
    if out.strides != a.strides:
        low, high = byte_bounds(a)
        offset = a.__array_interface__["data"][0] - low
        out = np.ndarray(a.shape, a.dtype, np.zeros(high - low, np.uint8), offset, a.strides)
    out[...] = a.reshape(-1)[::-1].reshape(a.shape)
    return out
