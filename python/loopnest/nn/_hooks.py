"""Where hooks of modules and optimizers are kept, and the handle that takes one away again."""

from collections.abc import Callable
from typing import Any, Self


class RemovableHandle:
    """Takes a hook away again: by remove(), or at the end of a `with` block."""

    _count = 0

    def __init__(self, hooks: dict[int, Any]) -> None:
        self._hooks = hooks
        self.id = RemovableHandle._count
        RemovableHandle._count += 1

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def add_hook(
    hooks: dict[int, Any], hook: Callable[..., Any], prepend: bool = False, *about: Any
) -> RemovableHandle:
    """Keep a hook behind those already there, or before them; with more `about` it, as (hook, *about)."""
    if not callable(hook):
        raise TypeError(f"expected hook to be callable, got {hook!r}")
    handle = RemovableHandle(hooks)
    before = list(hooks.items()) if prepend else []
    for key, _ in before:
        del hooks[key]
    hooks[handle.id] = (hook, *about) if about else hook
    hooks.update(before)
    return handle
