"""Hooks of an optimizer: functions called before and after a step, and when its state is told or loaded."""

from collections.abc import Callable
from typing import Any

from loopnest.nn._hooks import RemovableHandle, add_hook

_KINDS = tuple(
    f"_optimizer_{what}_{when}_hooks"
    for what in ("step", "state_dict", "load_state_dict")
    for when in ("pre", "post")
)


class Hooked:
    """What registers hooks, under PyTorch's names, and calls those of a step."""

    _optimizer_step_pre_hooks: dict[int, Callable[..., Any]]
    _optimizer_step_post_hooks: dict[int, Callable[..., Any]]
    _optimizer_state_dict_pre_hooks: dict[int, Callable[..., Any]]
    _optimizer_state_dict_post_hooks: dict[int, Callable[..., Any]]
    _optimizer_load_state_dict_pre_hooks: dict[int, Callable[..., Any]]
    _optimizer_load_state_dict_post_hooks: dict[int, Callable[..., Any]]

    def _begin_hooks(self) -> None:
        vars(self).update({kind: {} for kind in _KINDS})

    # A copy or a pickle of the optimizer has no hooks, as in PyTorch: they are functions of this program.

    def __getstate__(self) -> dict[str, Any]:
        left_out = (*_KINDS, "_step", "step") if "_step" in vars(self) else _KINDS
        return {name: value for name, value in vars(self).items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._begin_hooks()
        vars(self).update(state)

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(optimizer, args, kwargs) before every step.

        args and kwargs are those of `step`, the optimizer itself first in args. A result that is not None
        replaces both, and is to be a pair (args, kwargs); TypeError in the step if it is none.

        Returns a handle whose remove() takes the hook away. Raises TypeError for what cannot be called.

        Example:
          >>> import loopnest
          >>> from loopnest import nn, optim
          >>> sgd, seen = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.1), []
          >>> handle = sgd.register_step_pre_hook(lambda opt, args, kwargs: seen.append(len(args)))
          >>> sgd.step()
          >>> seen
          [1]
        """
        return self._add_step_hook(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(optimizer, args, kwargs) after every step, with what the step was called with; its result
        is not looked at. Returns a handle as register_step_pre_hook does.

        Example:
          >>> from loopnest import nn, optim
          >>> sgd, steps = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.1), []
          >>> with sgd.register_step_post_hook(lambda opt, args, kwargs: steps.append("done")):
          ...     sgd.step()
          >>> sgd.step()
          >>> steps
          ['done']
        """
        return self._add_step_hook(self._optimizer_step_post_hooks, hook)

    def _add_step_hook(self, hooks: dict[int, Any], hook: Callable[..., Any]) -> RemovableHandle:
        handle = add_hook(hooks, hook)
        if "_step" not in vars(self):
            # The first hook puts another `step` before the class's own: an optimizer without hooks steps as
            # fast as ever, and a class that defines a step of its own has hooks all the same.
            vars(self)["_step"] = self.step  # type: ignore[attr-defined]
            vars(self)["step"] = self._step_with_hooks
        return handle

    def _step_with_hooks(self, *args: Any, **kwargs: Any) -> Any:
        args = (self, *args)
        for hook in tuple(self._optimizer_step_pre_hooks.values()):
            changed = hook(self, args, kwargs)
            if changed is None:
                continue
            if not isinstance(changed, tuple) or len(changed) != 2:
                raise TypeError(
                    f"{type(self).__name__}.step: expected None or a pair (args, kwargs) from a hook before "
                    f"the step, got {changed!r}"
                )
            args, kwargs = changed
        result = vars(self)["_step"](*args[1:], **kwargs)
        for hook in tuple(self._optimizer_step_post_hooks.values()):
            hook(self, args, kwargs)
        return result

    def register_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(optimizer) before state_dict() looks at anything. prepend: before the hooks already
        there. Returns a handle as register_step_pre_hook does.

        Example:
          >>> from loopnest import nn, optim
          >>> sgd, seen = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.1), []
          >>> handle = sgd.register_state_dict_pre_hook(lambda opt: seen.append("asked"))
          >>> _ = sgd.state_dict()
          >>> seen
          ['asked']
        """
        return add_hook(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(optimizer, state_dict) with what state_dict() is about to give. The hook may change it;
        a result that is not None is given in its place. prepend and the handle: as
        register_state_dict_pre_hook.

        Example:
          >>> from loopnest import nn, optim
          >>> sgd = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.1)
          >>> handle = sgd.register_state_dict_post_hook(lambda opt, state: {**state, "epoch": 3})
          >>> sgd.state_dict()["epoch"]
          3
        """
        return add_hook(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(optimizer, state_dict) before load_state_dict takes anything over, with a copy of the
        outermost dict. The hook may change it; a result that is not None is loaded in its place. prepend and
        the handle: as register_state_dict_pre_hook.

        Example:
          >>> from loopnest import nn, optim
          >>> sgd = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.1)
          >>> handle = sgd.register_load_state_dict_pre_hook(lambda opt, state: state["optimizer"])
          >>> sgd.load_state_dict({"optimizer": sgd.state_dict()})
        """
        return add_hook(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(optimizer) after load_state_dict has taken everything over. prepend and the handle: as
        register_state_dict_pre_hook.

        Example:
          >>> from loopnest import nn, optim
          >>> sgd, seen = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.1), []
          >>> handle = sgd.register_load_state_dict_post_hook(lambda opt: seen.append("loaded"))
          >>> sgd.load_state_dict(sgd.state_dict())
          >>> seen
          ['loaded']
        """
        return add_hook(self._optimizer_load_state_dict_post_hooks, hook, prepend)
