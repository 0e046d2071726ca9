"""Module.register_full_backward_hook and ..._pre_hook: a call of forward between gates, where gradients are
told."""

from functools import partial
from typing import Any

from loopnest.differentiable import Function
from loopnest.engine.tape import Tensor, is_grad_enabled

Gradients = list[Tensor | None]


class _Together(Function):
    """The gate of several outputs: what arrives at them goes through one function at once."""

    @staticmethod
    def forward(ctx: Any, told: Any, *outputs: Tensor) -> tuple[Tensor, ...]:
        ctx.told = told
        ctx.set_materialize_grads(False)
        return outputs

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        return (None, *ctx.told(grads))


def watched(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """module.forward(*args, **kwargs); in backward the module's hooks run: those for before when gradients
    arrive at the outputs, the others when those of the arguments that require grad are complete, or at the
    outputs if none does."""
    recorded = is_grad_enabled()
    inputs = [a.view_as(a) if recorded and isinstance(a, Tensor) and a.requires_grad else a for a in args]
    result = module.forward(*inputs, **kwargs)
    outputs = [y for y in ([result] if isinstance(result, Tensor) else result) if isinstance(y, Tensor)]
    gates = [k for k, (a, given) in enumerate(zip(inputs, args, strict=True)) if a is not given]
    grad_input: Gradients = [None] * len(args)
    grad_output: Gradients = [None] * len(outputs)
    before = any(first for _, first in module._backward_hooks.values())

    def told(grads: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
        grad_output[:] = run_pre_hooks(module, grads)
        changed = tuple(grad_output)
        if not gates:
            run_hooks(module, grad_input, grad_output, False)
        return changed

    def leave(k: int, g: Tensor) -> Tensor | None:
        if before:
            return told((g,))[0]
        grad_output[k] = g
        if not gates:
            run_hooks(module, grad_input, grad_output, False)
        return None

    def arrive(k: int, g: Tensor) -> Tensor | None:
        grad_input[k] = g
        if any(grad_input[j] is None for j in gates):
            return None
        new = run_hooks(module, grad_input, grad_output, len(gates) == 1)
        grad_input[:], grad_output[:] = [None] * len(args), [None] * len(outputs)
        return None if new is None else new[k]

    if before and len(outputs) > 1:
        result = _with_outputs(result, _Together.apply(told, *outputs))
    else:
        for k, y in enumerate(outputs):
            if y.requires_grad:
                y.register_hook(partial(leave, k))
    for k in gates:
        inputs[k].register_hook(partial(arrive, k))
    return result


def _with_outputs(result: Any, outputs: tuple[Tensor, ...]) -> Any:
    """The result of forward, with others in place of its Tensors."""
    coming = iter(outputs)
    parts = [next(coming) if isinstance(part, Tensor) else part for part in result]
    return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)


def run_pre_hooks(module: Any, grad_output: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    """What the hooks for before make of grad_output."""
    for hook, first in tuple(module._backward_hooks.values()):
        new = hook(module, grad_output) if first else None
        if new is None:
            continue
        new = new if isinstance(new, tuple) else (new,)
        if len(new) != len(grad_output):
            raise ValueError(
                f"register_full_backward_pre_hook: expected None, or {len(grad_output)} gradients, one for "
                f"each output, got {len(new)} from a hook of {type(module).__name__}"
            )
        grad_output = new
    return grad_output


def run_hooks(
    module: Any, grad_input: Gradients, grad_output: Gradients, replaceable: bool
) -> tuple[Tensor | None, ...] | None:
    """What the hooks make of grad_input, or None if they leave it."""
    now, changed = tuple(grad_input), False
    for hook, first in tuple(module._backward_hooks.values()):
        new = None if first else hook(module, now, tuple(grad_output))
        if new is None:
            continue
        now, changed = new if isinstance(new, tuple) else (new,), True
        if not replaceable or len(now) != len(grad_input):
            raise ValueError(
                f"register_full_backward_hook: expected None, or {len(grad_input)} gradients where one input "
                f"alone requires grad, got {len(now)} from a hook of {type(module).__name__}"
            )
    return now if changed else None
