"""What a plan may do in another way than the layers were written, with the same result up to rounding."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from loopnest.engine import conv, tape
from loopnest.engine.activation import FUNCTIONS
from loopnest.engine.tape import Tensor
from loopnest.planning.graph import Graph, Operation, Value, mapped

LINEAR = ("conv2d", "linear")  # with an epilogue
# Layers whose weight's first axis makes axis 1 of the result, if that has so many axes.
AXES = {"conv1d": 3, "conv2d": 4, "conv3d": 5, "linear": 2}
ACTIVATIONS = ("relu", "relu6", "silu", "sigmoid", "tanh", "gelu")


def optimise(graph: Graph, made: Made) -> None:
    """Batch norm is folded, activations and residual sums move into the layer before them.

    made: constants of this network that were made for other sizes.
    """
    drop_identities(graph)
    fold_batch_norm(graph, made)
    keep_constants(graph, made)
    fuse(graph)


class Made:
    """Constants made of a network's parameters, once for all sizes; and for one size, of other tensors."""

    def __init__(self, owned: set[int]) -> None:
        self.owned = owned  # ids of parameters and buffers, which the network keeps alive
        self._kept: dict[Any, Any] = {}
        self.ours: dict[int, Tensor] = {}

    def get(
        self, what: str, parts: tuple[Any, ...], make: Callable[[], tuple[Tensor, ...]]
    ) -> tuple[Tensor, ...]:
        """make(), or what it gave before for the same parts."""
        key = (what, *map(id, parts))
        if key in self._kept:
            found: tuple[Tensor, ...] = self._kept[key]
            return found
        result = make()
        self.ours |= {id(t): t for t in result}
        if all(part is None or id(part) in self.owned for part in parts):
            self._kept[key] = result
        return result

    def next_size(self) -> None:
        """Forgets what belonged to one size only."""
        kept = {id(t) for result in self._kept.values() for t in result}
        self.ours = {key: t for key, t in self.ours.items() if key in kept}


def argument(operation: Operation, place: int, name: str, default: Any = None) -> Any:
    """A positional or keyword argument."""
    if len(operation.args) > place:
        return operation.args[place]
    return operation.kwargs.get(name, default)


def drop_identities(graph: Graph) -> None:
    """Dropout that is off."""
    for operation in list(graph.operations):
        if operation.name == "dropout" and operation.results:
            training, p = argument(operation, 2, "training", True), argument(operation, 1, "p", 0.5)
            if not training or p == 0:
                graph.operations.remove(operation)
                graph.replace(operation.results[0], operation.args[0])


def fold_batch_norm(graph: Graph, made: Made) -> None:
    """conv -> batch_norm in evaluation: w * scale, b * scale + shift; scale = gamma / sqrt(var + eps).

    Instance norm with given statistics is the same. The layer before must have its outputs as axis 1: those
    of a linear layer are last.
    """
    for operation in list(graph.operations):
        if not _fixed(operation):
            continue
        source = operation.args[0]
        if not isinstance(source, Value):
            continue
        before = graph.maker().get(source)
        foldable = (
            before is not None
            and AXES.get(before.name) == len(source.shape)
            and graph.users()[source] == 1
            and not any(isinstance(argument(before, i, n), Value) for i, n in ((1, "weight"), (2, "bias")))
            and len(before.args) > 1
        )
        mean, var = (argument(operation, i, n) for i, n in ((1, "running_mean"), (2, "running_var")))
        gamma, beta = argument(operation, 3, "weight"), argument(operation, 4, "bias")
        eps = argument(operation, 7, "eps", 1e-5)
        if mean is None or var is None or any(isinstance(part, Value) for part in (mean, var, gamma, beta)):
            continue
        if not foldable or before is None:
            _alone(graph, operation, (mean, var, gamma, beta), eps, made)
            continue
        w, b = before.args[1].detach().numpy(), argument(before, 2, "bias")
        parts = (before.args[1], b, mean, var, gamma, beta)
        folded = made.get("folded", parts, partial(_folded, w, b, mean, var, gamma, beta, eps))
        before.kwargs.pop("bias", None)
        before.args = (before.args[0], *folded, *before.args[3:])
        graph.operations.remove(operation)
        graph.replace(operation.results[0], source)


def _fixed(operation: Operation) -> bool:
    """Is it a norm by statistics that are given?"""
    if operation.name == "batch_norm":
        return not argument(operation, 5, "training", False)
    return operation.name == "instance_norm" and not argument(operation, 5, "use_input_stats", True)


def _scale_shift(mean: Any, var: Any, gamma: Any, beta: Any, eps: float) -> tuple[Any, Any]:
    """Batch norm in evaluation as y = x * scale + shift, for each channel, in float64."""
    scale = 1 / np.sqrt(_double(var) + eps)
    scale = scale if gamma is None else scale * _double(gamma)
    shift = -_double(mean) * scale
    return scale, shift if beta is None else shift + _double(beta)


def _folded(w: Any, b: Any, mean: Any, var: Any, gamma: Any, beta: Any, eps: float) -> tuple[Tensor, Tensor]:
    """(weight, bias) of a layer with its batch norm in them; computed in float64."""
    scale, shift = _scale_shift(mean, var, gamma, beta, eps)
    if b is not None:
        shift = shift + _double(b) * scale
    folded = w.astype(np.float64) * scale.reshape(-1, *[1] * (w.ndim - 1))
    return _tensor(folded.astype(w.dtype)), _tensor(shift.astype(w.dtype))


def _alone(graph: Graph, operation: Operation, parts: Any, eps: float, made: Made) -> None:
    """Batch norm with nothing to be folded into: of images a depthwise 1x1 convolution, with its epilogue;
    otherwise x * scale + shift."""
    x, y = operation.args[0], operation.results[0]
    images = len(x.shape) == 4

    def make() -> tuple[Tensor, ...]:
        mean, var, gamma, beta = parts
        scale, shift = (a.astype(x.dtype) for a in _scale_shift(mean, var, gamma, beta, eps))
        rest = (1,) * (len(x.shape) - 2)
        scale = scale.reshape(-1, 1, 1, 1) if images else scale.reshape(-1, *rest)
        return _tensor(scale), _tensor(shift if images else shift.reshape(-1, *rest))

    scale, shift = made.get(f"scale and shift of {len(x.shape)} axes", parts, make)
    at = graph.operations.index(operation)
    if images:
        new = [
            Operation("conv2d", conv.conv2d, (x, scale, shift, 1, 0, 1, x.shape[1]), {}, [y], operation.layer)
        ]
    else:
        middle = Value(x.shape, x.dtype)
        new = [
            Operation("mul", np.multiply, (x, scale), {}, [middle], operation.layer),
            Operation("add", np.add, (middle, shift), {}, [y], operation.layer),
        ]
    graph.operations[at : at + 1] = new


def keep_constants(graph: Graph, made: Made) -> None:
    """Copies of all parameters, so that a plan does not change with the network until it is refreshed."""

    def keep(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor) or id(leaf) in made.ours:
            return leaf
        return made.get("copy", (leaf,), lambda: (_tensor(np.array(leaf.detach().numpy(), order="C")),))[0]

    for operation in graph.operations:
        operation.args = mapped(keep, operation.args)
        operation.kwargs = mapped(keep, operation.kwargs)


def fuse(graph: Graph) -> None:
    """add and activation behind a convolution or linear layer become its epilogue. Of two layers that are
    added,
    the later one takes the other as its residual, which is there by then."""
    changed = True
    while changed:
        changed = False
        users, maker = graph.users(), graph.maker()
        order = {operation: i for i, operation in enumerate(graph.operations)}
        for operation in list(graph.operations):
            fused = _sum(operation, users, maker, order) or _activation(operation, users, maker)
            if fused:
                graph.operations.remove(operation)
                graph.replace(operation.results[0], fused.results[0])
                changed = True
                break


def _sum(
    operation: Operation, users: dict[Value, int], maker: dict[Value, Operation], order: dict[Operation, int]
) -> Operation | None:
    if operation.name != "add" or len(operation.args) != 2:
        return None
    a, b = operation.args
    if not (isinstance(a, Value) and isinstance(b, Value)) or a is b:
        return None
    if a.shape != b.shape or a.dtype != b.dtype:
        return None

    def free(value: Value) -> bool:
        made = maker.get(value)
        return (
            made is not None
            and made.name in LINEAR
            and users[value] == 1
            and made.activation is None
            and made.residual is None
        )

    def when(value: Value) -> int:
        return order[maker[value]] if value in maker else -1

    later, other = (a, b) if when(a) > when(b) else (b, a)
    if not free(later):
        return None
    maker[later].residual = other
    return maker[later]


def _activation(
    operation: Operation, users: dict[Value, int], maker: dict[Value, Operation]
) -> Operation | None:
    kind = activation_of(operation)
    if kind is None:
        return None
    made = maker.get(operation.args[0])
    if made is None or made.name not in LINEAR or users[operation.args[0]] != 1 or made.activation:
        return None
    made.activation, made.behind = kind, operation
    return made


def activation_of(operation: Operation) -> str | None:
    """Which activation an operation is, None if it is none that an epilogue knows."""
    if operation.name in ACTIVATIONS and len(operation.args) == 1:
        return operation.name
    if operation.name == "activation":
        kind, parameters = FUNCTIONS[operation.args[1]], tuple(operation.args[2:])
        kind = "relu6" if (kind, parameters) == ("hardtanh", (0.0, 6.0)) else kind
        return kind if kind in ACTIVATIONS else None
    if operation.name == "clamp":
        low, high = argument(operation, 1, "min"), argument(operation, 2, "max")
        if low == 0 and high in (6, None):
            return "relu6" if high == 6 else "relu"
    return None


def _double(tensor: Any) -> Any:
    return (tensor.detach().numpy() if isinstance(tensor, Tensor) else np.asarray(tensor)).astype(np.float64)


def _tensor(array: Any) -> Tensor:
    made: Callable[[Any], Tensor] = tape.from_numpy
    return made(np.ascontiguousarray(array))
