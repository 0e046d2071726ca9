"""Module.register_full_backward_hook: a call of forward between gates, where gradients are told."""

from functools import partial
from typing import Any

from loopnest.engine.tape import Tensor, is_grad_enabled

Gradients = list[Tensor | None]


def watched(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """module.forward(*args, **kwargs); in backward the module's hooks run when the gradients of those
    arguments that require grad are complete, or of the outputs if none does."""
    recorded = is_grad_enabled()
    inputs = [a.view_as(a) if recorded and isinstance(a, Tensor) and a.requires_grad else a for a in args]
    result = module.forward(*inputs, **kwargs)
    outputs = [y for y in ([result] if isinstance(result, Tensor) else result) if isinstance(y, Tensor)]
    gates = [k for k, (a, given) in enumerate(zip(inputs, args, strict=True)) if a is not given]
    grad_input: Gradients = [None] * len(args)
    grad_output: Gradients = [None] * len(outputs)

    def leave(k: int, g: Tensor) -> None:
        grad_output[k] = g
        if not gates:
            run_hooks(module, grad_input, grad_output, False)

    def arrive(k: int, g: Tensor) -> Tensor | None:
        grad_input[k] = g
        if any(grad_input[j] is None for j in gates):
            return None
        new = run_hooks(module, grad_input, grad_output, len(gates) == 1)
        grad_input[:], grad_output[:] = [None] * len(args), [None] * len(outputs)
        return None if new is None else new[k]

    for k, y in enumerate(outputs):
        if y.requires_grad:
            y.register_hook(partial(leave, k))
    for k in gates:
        inputs[k].register_hook(partial(arrive, k))
    return result


def run_hooks(
    module: Any, grad_input: Gradients, grad_output: Gradients, replaceable: bool
) -> tuple[Tensor | None, ...] | None:
    """What the hooks make of grad_input, or None if they leave it."""
    now, changed = tuple(grad_input), False
    for hook, _ in tuple(module._backward_hooks.values()):
        new = hook(module, now, tuple(grad_output))
        if new is None:
            continue
        now, changed = new if isinstance(new, tuple) else (new,), True
        if not replaceable or len(now) != len(grad_input):
            raise ValueError(
                f"register_full_backward_hook: expected None, or {len(grad_input)} gradients where one input "
                f"alone requires grad, got {len(now)} from a hook of {type(module).__name__}"
            )
    return now if changed else None
