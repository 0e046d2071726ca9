"""Grad mode, the end of backward, and the check of gradients against differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from loopnest.differentiable import Function as Function
from loopnest.engine.tape import (
    Tensor,
    enable_grad,
    is_grad_enabled,
    leaves_behind,
    no_grad,
    queue_callback,
    set_grad_enabled,
    zeros_like,
)

__all__ = [
    "Function",
    "GradcheckError",
    "enable_grad",
    "grad",
    "gradcheck",
    "is_grad_enabled",
    "no_grad",
    "queue_callback",
    "set_grad_enabled",
]


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool = False,
    create_graph: bool = False,
    allow_unused: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the (sum of the) outputs with respect to the inputs; no `.grad` changes.

    Args:
        outputs: Tensors with a graph behind them. inputs: leaves, or Tensors on the way from them.
        grad_outputs: dL/d(output) for each; None is 1, for outputs of one element.
        retain_graph: keep the graph, so that it can be gone through again.
        create_graph: gradients of gradients are not there: True is a ValueError.
        allow_unused: give None for an input that the outputs do not depend on, instead of a RuntimeError.
        materialize_grads: give zeros for it.

    Example:
        >>> import loopnest
        >>> x = loopnest.tensor([1.0, 2.0], requires_grad=True)
        >>> loopnest.autograd.grad((x * x).sum(), x)
        (tensor([2., 4.]),)
    """
    outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if grad_outputs is None or isinstance(grad_outputs, Tensor):
        grad_outputs = (grad_outputs,) * len(outputs)
    if len(grad_outputs) != len(outputs):
        raise ValueError(f"grad: expected {len(outputs)} grad_outputs, got {len(grad_outputs)}")
    if create_graph:
        raise ValueError("grad: gradients of gradients (create_graph=True) are not supported")
    for i, x in enumerate(inputs):
        if not x.requires_grad:
            raise RuntimeError(f"grad: input {i} does not require grad")
    found = _gradients_of(outputs, inputs, grad_outputs, retain_graph)
    for i, (x, g) in enumerate(zip(inputs, found, strict=True)):
        if g is None and materialize_grads:
            found[i] = zeros_like(x)
        elif g is None and not allow_unused:
            raise RuntimeError(
                f"grad: the outputs do not depend on input {i} (of shape {tuple(x.shape)}); pass "
                f"allow_unused=True to get None for it"
            )
    return tuple(found)


def _gradients_of(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    grad_outputs: Sequence[Tensor | None],
    retain_graph: bool,
) -> list[Tensor | None]:
    """By backward(), with every leaf's `.grad` set aside meanwhile; hooks catch what is no leaf."""
    leaves = {id(leaf): leaf for y in outputs for leaf in leaves_behind(y)}
    leaves.update({id(x): x for x in inputs if x.is_leaf})
    before = {key: leaf.grad for key, leaf in leaves.items()}
    caught: dict[int, Tensor] = {}

    def catch(key: int, g: Tensor) -> None:
        caught[key] = caught[key] + g if key in caught else g.clone()

    hooks = [x.register_hook(partial(catch, id(x))) for x in inputs if not x.is_leaf]
    try:
        for leaf in leaves.values():
            leaf.grad = None
        for k, (y, g) in enumerate(zip(outputs, grad_outputs, strict=True)):
            y.backward(g, retain_graph=retain_graph or k + 1 < len(outputs))
        return [x.grad if x.is_leaf else caught.get(id(x)) for x in inputs]
    finally:
        for hook in hooks:
            hook.remove()
        for key, leaf in leaves.items():
            leaf.grad = before[key]


class GradcheckError(RuntimeError):
    """What backward() computed is not what differences say: gradcheck raises it."""


def gradcheck(
    fn: Callable[..., Tensor | Sequence[Tensor]],
    inputs: Tensor | Sequence[Tensor],
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Compares the gradients of fn by backward() with central differences, as torch.autograd.gradcheck.

    `.grad` of the inputs, and of all else that fn uses, is afterwards what it was before.

    For every output y[j] and every element x[i] of every input that requires grad:
        |dy[j]/dx[i] - (y[j](x[i] + eps) - y[j](x[i] - eps)) / (2 eps)| <= atol + rtol * |difference|

    Args:
        fn: takes the inputs, returns a Tensor or several.
        inputs: Tensors; those that require grad must be float64 (differences in float32 say too little).
        eps: step of the differences. atol, rtol: the bound above.
        raise_exception: raise GradcheckError instead of returning False.

    Example:
        >>> import numpy as np, loopnest
        >>> from loopnest.engine.tape import tensor, tanh
        >>> gradcheck(tanh, tensor(np.linspace(-1, 1, 5), requires_grad=True))
        True
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    places = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not places:
        raise ValueError("gradcheck: expected at least one input that requires grad")
    for i in places:
        if inputs[i].dtype != np.float64:
            raise ValueError(f"gradcheck: expected inputs of float64, input {i} is {inputs[i].dtype}")
        if not inputs[i].is_leaf:
            raise ValueError(f"gradcheck: expected leaf tensors, input {i} has a grad_fn")

    def outputs() -> list[Tensor]:
        out = fn(*inputs)
        out = [out] if isinstance(out, Tensor) else list(out)
        return [y for y in out if isinstance(y, Tensor) and y.dtype.kind == "f"]

    analytic = _by_backward(outputs, inputs, places)
    numeric = _by_differences(outputs, inputs, places, eps)
    for (j, i), difference in numeric.items():
        error = np.abs(analytic[j, i] - difference)
        bad = ~(error <= atol + rtol * np.abs(difference))  # so that NaN is bad
        if bad.any():
            if not raise_exception:
                return False
            raise GradcheckError(
                f"gradient of output {j} by input {i} (rows: output, columns: input) differs by up to "
                f"{error.max():.3g}\nbackward:\n{analytic[j, i]}\ndifferences:\n{difference}"
            )
    return True


Jacobians = dict[tuple[int, int], np.ndarray]


def _by_backward(
    outputs: Callable[[], list[Tensor]], inputs: Sequence[Tensor], places: list[int]
) -> Jacobians:
    """(output, input) -> (elements of the output, of the input), by one backward for each row."""
    jacobians: Jacobians = {}
    ys = outputs()
    leaves = [inputs[i] for i in places]
    leaves += [leaf for y in ys for leaf in leaves_behind(y)]  # each possibly several times
    before = [leaf.grad for leaf in leaves]
    try:
        for j, y in enumerate(ys):
            rows: list[list[np.ndarray]] = []
            for k in range(y.numel() if y.requires_grad else 0):
                for leaf in leaves:
                    leaf.grad = None
                one = np.zeros(y.numel())
                one[k] = 1
                y.backward(Tensor(one.reshape(y.shape)), retain_graph=True)
                rows.append([_grad(inputs[i]) for i in places])
            for column, i in enumerate(places):
                found = np.array([r[column] for r in rows])
                jacobians[j, i] = found if rows else np.zeros((y.numel(), inputs[i].numel()))
    finally:
        for leaf, grad in zip(leaves, before, strict=True):
            leaf.grad = grad
    return jacobians


def _grad(x: Tensor) -> np.ndarray:
    """`.grad` as a row; zeros if nothing arrived."""
    return np.zeros(x.numel()) if x.grad is None else x.grad.numpy().reshape(-1).copy()


def _by_differences(
    outputs: Callable[[], list[Tensor]], inputs: Sequence[Tensor], places: list[int], eps: float
) -> Jacobians:
    columns: dict[tuple[int, int], list[np.ndarray]] = {}
    count = 0
    with no_grad():
        count = len(outputs())
        for i in places:
            x = inputs[i].data.numpy()
            for index in np.ndindex(x.shape):
                middle = x[index]
                x[index] = middle + eps
                above = [y.detach().numpy().copy() for y in outputs()]
                x[index] = middle - eps
                below = [y.detach().numpy().copy() for y in outputs()]
                x[index] = middle
                for j in range(count):
                    columns.setdefault((j, i), []).append(((above[j] - below[j]) / (2 * eps)).reshape(-1))
    return {key: np.stack(value, 1) for key, value in columns.items()}
