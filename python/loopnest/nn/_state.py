"""A module's state: told as a dict and taken from one, with what hooks and extra states make of it."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from loopnest.engine.tape import Tensor
from loopnest.nn._hooks import RemovableHandle, add_hook
from loopnest.nn._loading import EXTRA, IncompatibleKeys, Plan


class Stateful:
    """state_dict and load_state_dict of Module, and what takes part in them."""

    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]
    _non_persistent_buffers_set: set[str]
    _state_dict_pre_hooks: dict[int, Callable[..., Any]]
    _state_dict_hooks: dict[int, Callable[..., Any]]
    _load_state_dict_pre_hooks: dict[int, Callable[..., Any]]
    _load_state_dict_post_hooks: dict[int, Callable[..., Any]]
    _version = 1  # told to hooks, as in PyTorch: a class whose state has changed counts it up

    def _own_state(self) -> Iterator[tuple[str, Tensor]]:
        """The module's own part of state_dict, in its order: parameters, then persistent buffers."""
        for name, tensor in self._parameters.items():
            if tensor is not None:
                yield name, tensor
        for name, tensor in self._buffers.items():
            if tensor is not None and name not in self._non_persistent_buffers_set:
                yield name, tensor

    def _has_own(self, method: str) -> bool:
        """Does a subclass define what is here only a place for it?"""
        return getattr(type(self), method) is not getattr(Stateful, method)

    def state_dict(
        self, *, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """All parameters and persistent buffers under their dotted names, as PyTorch names them.

        The tensors share the module's memory: a later training step changes them. keep_vars: give the
        Parameters themselves instead of detached tensors. What get_extra_state gives, if a module defines it,
        is there as `_extra_state`.
        """
        state: dict[str, Any] = OrderedDict() if destination is None else destination
        if destination is None:
            state._metadata = OrderedDict()  # type: ignore[attr-defined]  # where PyTorch keeps versions
        metadata = {"version": self._version}
        if hasattr(state, "_metadata"):
            state._metadata[prefix[:-1]] = metadata
        for hook in tuple(self._state_dict_pre_hooks.values()):
            hook(self, prefix, keep_vars)
        for name, tensor in self._own_state():
            state[prefix + name] = tensor if keep_vars else tensor.detach()
        if self._has_own("get_extra_state"):
            state[prefix + EXTRA] = self.get_extra_state()
        for name, child in self._modules.items():
            if child is not None:
                child.state_dict(destination=state, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in tuple(self._state_dict_hooks.values()):
            if (answer := hook(self, state, prefix, metadata)) is not None:
                raise TypeError(
                    f"register_state_dict_post_hook: expected None from a hook of {type(self).__name__}, got "
                    f"{type(answer).__name__}; change the state_dict in place"
                )
        return state

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy tensors into the module's own memory, by name.

        Args:
          state_dict: name -> Tensor, NumPy array, or anything NumPy can read (a torch tensor on the CPU).
            Values are cast to the parameter's dtype; an integer parameter takes no floats.
          strict: also raise for names that are missing or not expected; otherwise they are only returned.
          assign: put the tensors themselves in place of the module's, with their dtype and memory; whether
            they ask for gradients stays the module's choice. Make the optimizer afterwards.

        A parameter of a lazy layer takes the shape of what it is given.

        Returns IncompatibleKeys(missing_keys, unexpected_keys).

        Raises StateDictError (a ValueError) naming every missing, unexpected and misshapen tensor, both
        shapes given; TypeError for what is no array of numbers. The module is then unchanged; only where
        modules have hooks for afterwards, which may forgive names, wrong names are told when all the others
        have been loaded.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"expected state_dict to be dict-like, got {type(state_dict).__name__}")
        plan, who = Plan(state_dict, assign), type(self).__name__
        plan.visit(self, dict(state_dict))
        arrays = plan.arrays()
        plan.check(who, plan.keys if strict and not plan.hooked else None)
        if assign:
            plan.assign(self, arrays)
        else:
            plan.copy(arrays)
        keys = plan.finish()
        plan.check(who, keys if strict else None)
        return keys

    # What takes part in it

    def get_extra_state(self) -> Any:
        """What state_dict holds of this module beside tensors, under `_extra_state`; for subclasses, which
        then define set_extra_state as well. NotImplementedError if one does not.

        Example:
          >>> from loopnest import nn
          >>> class Counter(nn.Module):
          ...     count = 3
          ...     def get_extra_state(self):
          ...         return self.count
          ...     def set_extra_state(self, state):
          ...         self.count = state
          >>> Counter().state_dict()["_extra_state"]
          3
        """
        raise NotImplementedError(f"{type(self).__name__} defines no get_extra_state")

    def set_extra_state(self, state: Any) -> None:
        """Take over what get_extra_state gave: load_state_dict calls it; for subclasses.

        Example:
          >>> from loopnest import nn
          >>> class Counter(nn.Module):
          ...     def set_extra_state(self, state):
          ...         self.count = state
          >>> counter = Counter()
          >>> counter.load_state_dict({"_extra_state": 5})
          <All keys matched successfully>
          >>> counter.count
          5
        """
        raise NotImplementedError(f"{type(self).__name__} defines no set_extra_state")

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, prefix, keep_vars) before this module's part of a state_dict is made; prefix is
        "" or the module's name with a dot behind it. Returns a handle whose remove() takes the hook away.

        Example:
          >>> from loopnest import nn
          >>> layer, seen = nn.Linear(2, 3), []
          >>> handle = layer.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append(prefix))
          >>> _ = nn.Sequential(layer).state_dict()
          >>> seen
          ['0.']
        """
        return add_hook(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, local_metadata) when this module's part of a state_dict, and
        that of all modules below it, is made.

        state_dict is the whole one, which the hook may change; it must return None, or state_dict() raises
        TypeError. local_metadata: {"version": ...}. Returns a handle whose remove() takes the hook away.

        Example:
          >>> from loopnest import nn
          >>> layer = nn.Linear(2, 3)
          >>> def without_bias(module, state_dict, prefix, local_metadata):
          ...     del state_dict[prefix + "bias"]
          >>> handle = layer.register_state_dict_post_hook(without_bias)
          >>> list(nn.Sequential(layer).state_dict())
          ['0.weight']
        """
        return add_hook(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
        error_msgs) before this module looks for its tensors in a state_dict.

        state_dict holds what is under the module's prefix; what the hook changes there is seen by this module
        and those below it alone. It may add to the three lists: each message in error_msgs, as each wrong
        name, makes load_state_dict raise StateDictError. strict is always True, as in PyTorch. Returns a
        handle whose remove() takes the hook away.

        The hooks of all modules run before anything is loaded, so that a fault leaves the whole tree as it
        was; PyTorch loads each module behind its own hooks.

        Example:
          >>> import numpy as np
          >>> from loopnest import nn
          >>> layer = nn.Linear(2, 1, bias=False)
          >>> def renamed(module, state_dict, prefix, *_):
          ...     state_dict[prefix + "weight"] = state_dict.pop(prefix + "w")
          >>> handle = layer.register_load_state_dict_pre_hook(renamed)
          >>> nn.Sequential(layer).load_state_dict({"0.w": np.ones((1, 2))}, strict=False).missing_keys
          []
          >>> layer.weight.tolist()
          [[1.0, 1.0]]
        """
        return add_hook(self._load_state_dict_pre_hooks, hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, incompatible_keys) when this module and all below it are loaded.

        incompatible_keys has the lists missing_keys and unexpected_keys; what the hook takes out of them is
        forgiven. It must return None, or load_state_dict raises TypeError. Returns a handle whose remove()
        takes the hook away.

        Example:
          >>> from loopnest import nn
          >>> layer = nn.Linear(2, 1)
          >>> handle = layer.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
          >>> layer.load_state_dict({})
          <All keys matched successfully>
        """
        return add_hook(self._load_state_dict_post_hooks, hook)
