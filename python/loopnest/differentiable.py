"""Function: operations with a backward pass of one's own, as torch.autograd.Function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from loopnest.engine import custom
from loopnest.engine.tape import Tensor, is_grad_enabled, no_grad, zeros


class FunctionCtx:
    """What forward leaves for backward. Attributes of one's own may be set, too.

    Attributes:
      needs_input_grad: for each argument of apply, whether it is a Tensor that requires grad.
    """

    needs_input_grad: tuple[bool, ...]

    def __init__(self) -> None:
        self._given: tuple[Tensor | None, ...] = ()
        self._saved: tuple[tuple[Tensor | None, int], ...] = ()
        self._without: set[int] = set()
        self._materialize = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs, outputs or other Tensors; backward finds them in saved_tensors. If one is changed in
        place meanwhile, that is a RuntimeError then, and no wrong gradient."""
        if not all(t is None or isinstance(t, Tensor) for t in tensors):
            kinds = ", ".join(type(t).__name__ for t in tensors)
            raise TypeError(
                f"save_for_backward: expected Tensors or None, got {kinds}; others may be attributes"
            )
        self._given = tensors

    def _keep(self) -> None:
        """Once it is clear that there is a backward. Detached: an output must not keep its own node."""
        self._saved = tuple((None, 0) if t is None else (t.detach(), t._version) for t in self._given)
        self._given = ()

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What save_for_backward was given, without history."""
        for t, version in self._saved:
            if t is not None and t._version != version:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace "
                    f"operation (kept by a Function, shape {t.shape})"
                )
        return tuple(t for t, _ in self._saved)

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """These outputs have no gradient. (Those of whole numbers never have one.)"""
        self._without |= {id(t) for t in outputs}

    def set_materialize_grads(self, value: bool) -> None:
        """False: backward gets None for outputs that have no gradient, not zeros."""
        self._materialize = value

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Not supported: ValueError. Give new Tensors instead of changing inputs."""
        raise ValueError("mark_dirty: a Function cannot change its inputs here; give new Tensors")


class Function:
    """An operation whose backward pass is written by hand. A subclass has two static methods, and is called
    by `apply`.

        forward(ctx, *args)            computes, unseen by the tape; gives a Tensor or a tuple of them
        backward(ctx, *grad_outputs)   gives a gradient, or None, for each of args

    Or forward(*args) without ctx, and setup_context(ctx, inputs, output) behind it. Gradients of gradients
    are not there: backward itself is not recorded. loopnest.compile plans what forward does.

    Example:
      >>> import loopnest
      >>> class Clipped(loopnest.autograd.Function):
      ...     @staticmethod
      ...     def forward(ctx, x, bound):
      ...         ctx.save_for_backward(x)
      ...         ctx.bound = bound
      ...         return x.clamp(-bound, bound)
      ...     @staticmethod
      ...     def backward(ctx, grad):
      ...         return grad * 0.1, None  # a little slope outside, too
      >>> x = loopnest.tensor([0.5, 3.0], requires_grad=True)
      >>> Clipped.apply(x, 1.0).sum().backward()
      >>> x.grad
      tensor([0.1000, 0.1000])
    """

    forward: ClassVar[Callable[..., Any]]
    backward: ClassVar[Callable[..., Any]]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """What is to be kept; only called if a subclass has its own, and forward then gets no ctx."""
        raise NotImplementedError("setup_context is not defined")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """The result of forward, on the tape if an argument requires grad."""
        if not hasattr(cls, "forward") or not hasattr(cls, "backward"):
            raise NotImplementedError(f"{cls.__name__}: expected static methods forward and backward")
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        with no_grad():
            if cls.setup_context is Function.setup_context:
                output = cls.forward(ctx, *args)
            else:
                output = cls.forward(*args)
                cls.setup_context(ctx, args, output)
        if not is_grad_enabled() or not any(ctx.needs_input_grad):
            return output
        ctx._keep()
        single = not isinstance(output, (tuple, list))
        outputs = (output,) if single else tuple(output)
        recorded = _recorded(cls, ctx, args, outputs)
        return recorded[0] if single else type(output)(recorded)


def _recorded(
    cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...], outputs: tuple[Any, ...]
) -> list[Any]:
    """The outputs with their node."""
    places = [i for i, y in enumerate(outputs) if isinstance(y, Tensor)]
    results = tuple(outputs[i] for i in places)
    yes = tuple(y.dtype.kind == "f" and id(y) not in ctx._without for y in results)
    inputs = [(i, a) for i, a in enumerate(args) if isinstance(a, Tensor)]
    shapes = [(y.shape, y.dtype) for y in results]

    def grads(arrived: list[Any]) -> tuple[np.ndarray | None, ...]:
        given: list[Any] = [None] * len(outputs)
        coming = iter(arrived)
        for place, there, (shape, dtype) in zip(places, yes, shapes, strict=True):
            g = next(coming) if there else None
            if g is not None:
                given[place] = Tensor(g)
            elif ctx._materialize:
                given[place] = zeros(shape, dtype=dtype)
        with no_grad():
            found = cls.backward(ctx, *given)
        found = found if isinstance(found, tuple) else (found,)
        if len(found) < len(args) or any(g is not None for g in found[len(args) :]):
            raise RuntimeError(
                f"{cls.__name__}.backward: expected {len(args)} gradients, one for each argument, got "
                f"{len(found)}"
            )
        return tuple(_fitting(cls, i, found[i], x) for i, x in inputs)

    title = f"{cls.__name__}Backward"
    made = custom.recorded_all(title, results, tuple(x for _, x in inputs), grads, yes)
    all_outputs = list(outputs)
    for place, y in zip(places, made, strict=True):
        all_outputs[place] = y
    return all_outputs


def _fitting(cls: type[Function], index: int, g: Any, x: Tensor) -> np.ndarray | None:
    """A gradient as an array of its input's shape and dtype."""
    if g is None or not x.requires_grad:
        return None
    who = f"{cls.__name__}.backward"
    if not isinstance(g, Tensor):
        raise TypeError(f"{who}: expected a Tensor or None at index {index}, got {type(g).__name__}")
    try:
        fits = np.broadcast_shapes(g.shape, x.shape) == g.shape
    except ValueError:
        fits = False
    if not fits:
        raise RuntimeError(
            f"{who} gave an invalid gradient at index {index}: expected shape {x.shape}, got {g.shape}"
        )
    return custom.fitted(custom.numbers(g), x)


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """PyTorch's mark of a backward that is not recorded itself: none is, here; it is given back as it is.

    Example:
      >>> from loopnest.differentiable import once_differentiable
      >>> once_differentiable(abs) is abs
      True
    """
    return backward
