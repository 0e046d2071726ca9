"""What load_state_dict is going to do: found for the whole tree, with all faults, before anything changes."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from loopnest.engine.tape import Tensor, from_numpy
from loopnest.nn.parameter import Parameter, is_lazy, memory

EXTRA = "_extra_state"  # PyTorch's key of what get_extra_state gives


class StateDictError(ValueError, RuntimeError):
    """A state_dict does not fit its module: a RuntimeError as in PyTorch, a ValueError as elsewhere here."""


class IncompatibleKeys(NamedTuple):
    """What load_state_dict(strict=False) left alone."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class Plan:
    """Which of the given tensors goes where, module by module, parents first, as PyTorch walks.

    Attributes:
      own, given: by dotted name, the module's tensor and what is to go into it.
      keys: what is missing and what nobody expects. faults: other messages, from hooks and of shapes.
      hooked: whether some module has a hook for afterwards, which may yet forgive keys.
    """

    def __init__(self, state_dict: Mapping[str, Any], assign: bool) -> None:
        self.own: dict[str, Tensor] = {}
        self.given: dict[str, Any] = {}
        self.keys = IncompatibleKeys([], [])
        self.faults: list[str] = []
        self.hooked = False
        self._metadata = getattr(state_dict, "_metadata", None) or {}
        self._about = {"assign_to_params_buffers": True} if assign else {}
        # (module, its extra state, None), or (module, None, how many keys were missing and unexpected once
        # the module and all below it were done)
        self._after: list[tuple[Any, Any, tuple[int, int] | None]] = []

    def visit(self, module: Any, state: dict[str, Any], prefix: str = "") -> None:
        """Plan for a module and all below it. state: only what is under its prefix; its hooks may change it,
        and what they change is seen by this module and those below it."""
        metadata = {**self._metadata.get(prefix[:-1], {}), **self._about}
        for hook in tuple(module._load_state_dict_pre_hooks.values()):
            hook(module, state, prefix, metadata, True, *self.keys, self.faults)
        own = dict(module._own_state())
        for name, tensor in own.items():
            key = prefix + name
            if key in state:
                self.own[key], self.given[key] = tensor, state[key]
            else:
                self.keys.missing_keys.append(key)
        self._plan_extra(module, state, prefix + EXTRA)
        self.keys.unexpected_keys.extend(_unexpected(module, own, state, prefix))
        for name, child in module._modules.items():
            if child is not None:
                inner = f"{prefix}{name}."
                self.visit(child, {k: v for k, v in state.items() if k.startswith(inner)}, inner)
        self.hooked = self.hooked or bool(module._load_state_dict_post_hooks)
        self._after.append((module, None, (len(self.keys.missing_keys), len(self.keys.unexpected_keys))))

    def _plan_extra(self, module: Any, state: dict[str, Any], key: str) -> None:
        takes = module._has_own("set_extra_state")
        if takes and key in state:
            self._after.append((module, state[key], None))
        elif takes:
            self.keys.missing_keys.append(key)
        elif key in state:
            self.keys.unexpected_keys.append(key)

    def arrays(self) -> dict[str, np.ndarray]:
        """What is given, as arrays; where shapes differ, that is one more fault."""
        found = {name: _as_array(name, value) for name, value in self.given.items() if not is_lazy(value)}
        for name, value in self.given.items():
            mine = self.own[name]
            if is_lazy(mine):
                continue
            if is_lazy(value):
                self.faults.append(
                    f"{name}: expected shape {tuple(mine.shape)}, got a parameter without a shape"
                )
            elif found[name].shape != tuple(mine.shape):
                self.faults.append(
                    f"size mismatch for {name}: expected shape {tuple(mine.shape)}, got {found[name].shape}"
                )
        return found

    def check(self, who: str, keys: IncompatibleKeys | None) -> None:
        """Raises StateDictError for the faults, and for the keys if any are given."""
        lines = []
        if keys is not None:
            for what, names in (("Missing", keys.missing_keys), ("Unexpected", keys.unexpected_keys)):
                if names:
                    lines.append(f"{what} key(s) in state_dict: " + ", ".join(map(repr, names)))
        lines += self.faults
        if lines:
            raise StateDictError(f"Error(s) in loading state_dict for {who}:\n\t" + "\n\t".join(lines))

    def copy(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Numbers into the module's memory. TypeError, before the first, for a dtype that does not cast."""
        for name, array in arrays.items():
            if not np.can_cast(array.dtype, self.own[name].dtype, "same_kind"):
                raise TypeError(
                    f"{name}: expected an array that casts to {self.own[name].dtype}, got {array.dtype}"
                )
        for name, array in arrays.items():
            mine = self.own[name]
            if is_lazy(mine):
                mine.materialize(array.shape)  # type: ignore[attr-defined]
            np.copyto(memory(mine), array, casting="same_kind")
            mine.bump_version()

    def assign(self, root: Any, arrays: Mapping[str, np.ndarray]) -> None:
        """Put the given tensors in place of the module's own. All are made before the first is put."""
        made: dict[str, Tensor] = {}
        for name, array in arrays.items():
            given, mine = self.given[name], self.own[name]
            tensor = given if isinstance(given, Tensor) else from_numpy(array)
            if isinstance(mine, Parameter) and not isinstance(tensor, Parameter):
                tensor = Parameter(tensor.detach(), requires_grad=mine.requires_grad)
            made[name] = tensor
        for name, tensor in made.items():
            if isinstance(tensor, Parameter):
                tensor.requires_grad_(self.own[name].requires_grad)
            path, _, last = name.rpartition(".")
            setattr(root.get_submodule(path), last, tensor)

    def finish(self) -> IncompatibleKeys:
        """Give extra states to their modules and call the hooks for afterwards, children before parents.

        A hook sees the keys of the modules that PyTorch has loaded by then, and may change the two lists;
        what they are in the end is returned.
        """
        shown, at = IncompatibleKeys([], []), (0, 0)
        for module, extra, counts in self._after:
            if counts is None:
                module.set_extra_state(extra)
                continue
            for seen, every, begin, end in zip(shown, self.keys, at, counts, strict=True):
                seen.extend(every[begin:end])
            at = counts
            for hook in tuple(module._load_state_dict_post_hooks.values()):
                if (answer := hook(module, shown)) is not None:
                    raise TypeError(
                        f"register_load_state_dict_post_hook: expected None from a hook of "
                        f"{type(module).__name__}, got {answer!r}; change the two lists in place"
                    )
        return shown


def _unexpected(module: Any, own: Mapping[str, Any], state: Mapping[str, Any], prefix: str) -> list[str]:
    """Keys that neither this module nor one below it could take."""
    found = []
    for key in state:
        if not key.startswith(prefix) or key == prefix + EXTRA:
            continue
        first, dot, _ = key[len(prefix) :].partition(".")
        if (module._modules.get(first) is None) if dot else (first not in own):
            found.append(key)
    return found


def _as_array(name: str, value: Any) -> np.ndarray:
    # a torch Parameter gives no array by itself
    value = value.detach() if hasattr(value, "detach") else value
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected a Tensor or an array of numbers, got {type(value).__name__}")
    return array
