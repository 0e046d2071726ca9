"""Optimizer: groups of parameters with their options, and a state per parameter."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from copy import deepcopy
from itertools import chain
from typing import Any

import numpy as np

from loopnest.engine.step import update
from loopnest.engine.tape import Tensor, enable_grad, from_numpy
from loopnest.nn._check import flag, number
from loopnest.nn.module import zero_grads
from loopnest.nn.parameter import memory
from loopnest.optim.hooks import Hooked

# Arguments of PyTorch's optimizers that choose between implementations of the same formula: taken and
# ignored.
IMPLEMENTATION = ("foreach", "fused", "capturable", "differentiable")


class Optimizer(Hooked):
    """Base of the optimizers.

    A subclass names the kernel of its step, `_kernel`, and defines `_begin` and `_numbers`; or, for a formula
    that has no kernel, it defines `_update(group, state, value, grad)` on NumPy arrays.

    Args:
      params: Tensors, (name, Tensor) pairs, or dicts {"params": ..., "lr": ...} with options of their own.
      defaults: options of groups that do not set them.

    Attributes:
      param_groups: list of dicts: "params" and the options; a schedule changes `group["lr"]` here.
      state: what the formula remembers, a dict per parameter (NumPy arrays and numbers).
    """

    _kernel = ""
    param_groups: list[dict[str, Any]]
    state: defaultdict[Tensor, dict[str, Any]]

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        who = type(self).__name__
        if isinstance(params, Tensor):
            raise TypeError(f"{who}: expected params to be an iterable of Tensors or dicts, got one Tensor")
        self._begin_hooks()
        self.defaults = defaults
        self.state = defaultdict(dict)
        self.param_groups = []
        groups = list(params)
        if not groups:
            raise ValueError(f"{who}: optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Train more parameters: {"params": Tensors, and options that differ from the defaults}."""
        who = type(self).__name__
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(
                f"{who}: expected a parameter group to be a dict with 'params', got {param_group!r}"
            )
        given = param_group["params"]
        if isinstance(given, (set, frozenset)):
            raise TypeError(f"{who}: expected parameters in an order, got a set")
        params = [given] if isinstance(given, Tensor) else list(given)
        params = [p[1] if isinstance(p, tuple) and len(p) == 2 else p for p in params]
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(f"{who}: expected parameters to be Tensors, got {type(param).__name__}")
            if not param.is_leaf:
                raise ValueError(f"{who}: can't optimize a non-leaf Tensor of shape {tuple(param.shape)}")
        ids = [id(p) for p in params]
        known = {id(p) for group in self.param_groups for p in group["params"]}
        if len(set(ids)) != len(ids) or known & set(ids):
            raise ValueError(f"{who}: some parameters appear twice, in one parameter group or in two")
        group = {**self.defaults, **param_group, "params": params}
        self._check_options(group)
        self.param_groups.append(group)

    def _check_options(self, group: dict[str, Any]) -> None:
        """Raises ValueError or TypeError for an option that the formula cannot take."""
        self._number(group, "lr")
        self._number(group, "weight_decay")
        flag(type(self).__name__, "maximize", group["maximize"])

    def _number(self, group: dict[str, Any], name: str) -> None:
        number(type(self).__name__, name, group[name], lambda v: v >= 0.0, ">= 0")

    def _pair(self, group: dict[str, Any], name: str) -> None:
        if not isinstance(group[name], (tuple, list)) or len(group[name]) != 2:
            who = type(self).__name__
            raise TypeError(f"{who}: expected {name} to be 2 numbers, got {group[name]!r}")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Take away the gradients of all parameters, or fill them with zeros."""
        zero_grads([p for group in self.param_groups for p in group["params"]], set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient, in its own memory.

        closure: called first with gradients on, to compute the loss anew; its result is returned.
        Raises ValueError for a gradient of another shape than its parameter.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = self._ready(group)
            if self._kernel:
                self._step_together(group, params)
            else:
                for param in params:
                    self._step_alone(group, param)
        return loss

    def _ready(self, group: dict[str, Any]) -> list[Tensor]:
        """The parameters that have a gradient; ValueError for one of another shape."""
        params = [p for p in group["params"] if p.grad is not None]
        for param in params:
            if param.grad.shape != param.shape:
                raise ValueError(
                    f"{type(self).__name__}: expected a gradient of shape {param.shape}, as its parameter's, "
                    f"got {param.grad.shape}"
                )
        return params

    def _step_together(self, group: dict[str, Any], params: list[Tensor]) -> None:
        """One call of the kernel for all parameters that are at the same point (`_begin` says at which)."""
        calls: dict[Any, tuple[list[Tensor], list[Any]]] = {}
        for param in params:
            state = self.state[param]
            point, arrays = self._begin(group, state, param)
            together, kept = calls.setdefault((param.dtype, point), ([], []))
            together.append(param)
            kept.append(arrays)
            if not state:
                del self.state[param]  # this formula remembers nothing
        for (_, point), (together, kept) in calls.items():
            update(self._kernel, together, kept, self._numbers(group, point))

    def _begin(
        self, group: dict[str, Any], state: dict[str, Any], param: Tensor
    ) -> tuple[Any, tuple[np.ndarray | None, ...]]:
        """Counts the step, makes what is missing in the state, and returns the point that the numbers depend
        on (such as the step's number) and the kernel's arrays s0, s1, s2."""
        raise NotImplementedError

    def _numbers(self, group: dict[str, Any], point: Any) -> dict[str, Any]:
        """The kernel's numbers, for parameters at one point."""
        raise NotImplementedError

    def _step_alone(self, group: dict[str, Any], param: Tensor) -> None:
        state = self.state[param]
        self._update(group, state, memory(param), memory(param.grad))
        param.bump_version()
        if not state:
            del self.state[param]

    def _update(
        self, group: dict[str, Any], state: dict[str, Any], value: np.ndarray, grad: np.ndarray
    ) -> None:
        raise NotImplementedError(f"{type(self).__name__} defines no _update")

    # State

    def state_dict(self) -> dict[str, Any]:
        """{"state": {number of the parameter: its state}, "param_groups": [...]}, laid out as PyTorch's.

        Parameters are numbered in the order of the groups; arrays are Tensors that share the optimizer's
        memory.
        """
        for hook in tuple(self._optimizer_state_dict_pre_hooks.values()):
            hook(self)
        state = self._state()
        for hook in tuple(self._optimizer_state_dict_post_hooks.values()):
            changed = hook(self, state)
            state = state if changed is None else changed
        return state

    def _state(self) -> dict[str, Any]:
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for param in group["params"]:
                numbers.setdefault(id(param), len(numbers))
            groups.append({**group, "params": [numbers[id(p)] for p in group["params"]]})
        state = {
            numbers[id(param)]: {
                k: from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in kept.items()
            }
            for param, kept in self.state.items()
        }
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over options and state, copied, from state_dict() of this class or of PyTorch's.

        Raises ValueError if the groups or the shapes differ; the optimizer is then unchanged.
        """
        state = dict(state_dict)
        for hook in tuple(self._optimizer_load_state_dict_pre_hooks.values()):
            changed = hook(self, state)
            state = state if changed is None else changed
        self._load(state)
        for hook in tuple(self._optimizer_load_state_dict_post_hooks.values()):
            hook(self)

    def _load(self, state_dict: Mapping[str, Any]) -> None:
        who = type(self).__name__
        groups = [dict(group) for group in state_dict["param_groups"]]
        sizes = [len(group["params"]) for group in groups]
        own = [len(group["params"]) for group in self.param_groups]
        if sizes != own:
            raise ValueError(f"{who}: expected parameter groups of {own} parameters, got {sizes}")
        numbers, known = (chain(*(g["params"] for g in each)) for each in (groups, self.param_groups))
        params = dict(zip(numbers, known, strict=True))
        state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        for key, kept in state_dict["state"].items():
            if key not in params:
                raise ValueError(f"{who}: state of a parameter {key!r} that is in no group")
            param = params[key]
            state[param] = {
                name: _kept(who, name, value, param, self._state_shape(name, param))
                for name, value in kept.items()
            }
        merged = []
        for mine, theirs in zip(self.param_groups, groups, strict=True):
            options = {k: deepcopy(v) for k, v in theirs.items() if k != "params" and k not in IMPLEMENTATION}
            merged.append({**mine, **options, "params": mine["params"]})
        for group in merged:
            self._check_options(group)
        self.param_groups, self.state = merged, state

    def _state_shape(self, name: str, param: Tensor) -> tuple[int, ...]:
        """The shape of an array in a parameter's state: the parameter's, if a formula has no other."""
        return param.shape

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])


def zeros(param: Tensor) -> np.ndarray:
    """A state that begins at 0, of the parameter's shape and dtype."""
    return np.zeros(param.shape, param.dtype)


def _kept(who: str, name: str, value: Any, param: Tensor, shape: tuple[int, ...]) -> Any:
    """One entry of a loaded state: a number (PyTorch keeps it as a tensor), or an array of param's dtype."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    array = np.asarray(value)
    if name == "step":
        return int(array)
    if name in ("mu_product", "eta", "mu"):
        return float(array)
    if array.shape != tuple(shape):
        raise ValueError(
            f"{who}: expected {name} of shape {tuple(shape)} for a parameter of shape {tuple(param.shape)}, "
            f"got {array.shape}"
        )
    return np.array(array, memory(param).dtype, order="C")
