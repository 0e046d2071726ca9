"""Module: the base of every layer and network. Names, order and state_dict keys are PyTorch's."""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, Self

import numpy as np

from loopnest.engine.tape import Tensor, from_numpy
from loopnest.nn._backward_hooks import watched
from loopnest.nn._check import check_device, float_dtype
from loopnest.nn._hooks import RemovableHandle, add_hook
from loopnest.nn._state import Stateful
from loopnest.nn.parameter import Buffer, Parameter, is_lazy, memory


class Module(Stateful):
    """Base class of all layers and networks: holds parameters, buffers and child modules, found by
    assignment.

    A subclass calls super().__init__() first, assigns Parameters and Modules to attributes, and defines
    forward().

    Attributes:
      training: True after construction and train(), False after eval(). Dropout looks at it.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> class Net(nn.Module):
      ...     def __init__(self):
      ...         super().__init__()
      ...         self.first = nn.Linear(4, 8)
      ...         self.last = nn.Linear(8, 2)
      ...     def forward(self, x):
      ...         return self.last(self.first(x).relu())
      >>> net = Net()
      >>> net(loopnest.tensor(np.ones((5, 4), np.float32))).shape == (5, 2)
      True
      >>> list(net.state_dict())
      ['first.weight', 'first.bias', 'last.weight', 'last.bias']
    """

    training: bool

    def __init__(self) -> None:
        # Straight into __dict__: __setattr__ below would look for these before they are there.
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _non_persistent_buffers_set=set(),
            _modules={},
            _forward_hooks={},
            _forward_pre_hooks={},
            _backward_hooks={},
            _state_dict_pre_hooks={},
            _state_dict_hooks={},
            _load_state_dict_pre_hooks={},
            _load_state_dict_post_hooks={},
        )

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes. Defined by subclasses; call the module itself, so that hooks run."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._forward_hooks and not self._forward_pre_hooks and not self._backward_hooks:
            return self.forward(*args, **kwargs)
        for hook, with_kwargs in tuple(self._forward_pre_hooks.values()):
            if with_kwargs:
                changed = hook(self, args, kwargs)
                args, kwargs = (args, kwargs) if changed is None else changed
            else:
                changed = hook(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
        result = watched(self, args, kwargs) if self._backward_hooks else self.forward(*args, **kwargs)
        for hook, with_kwargs in tuple(self._forward_hooks.values()):
            changed = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
            result = result if changed is None else changed
        return result

    # Attributes. Parameters, buffers and modules live in three dicts. Parameters stand in __dict__ too, where
    # the ordinary look-up finds them: through __getattr__ each would cost a forward pass another 1 us.

    def __getattr__(self, name: str) -> Any:  # only called when the ordinary look-up has failed
        for store in ("_buffers", "_modules"):
            found = self.__dict__.get(store)
            if found is not None and name in found:
                return found[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._require_init("parameters")
            self._forget(name, self._parameters)
            self.register_parameter(name, value)
        elif isinstance(value, Buffer):
            self._require_init("buffer")
            self._forget(name, self._buffers)
            self.register_buffer(name, value, value.persistent)
        elif isinstance(value, Module):
            self._require_init("module")
            self._forget(name, self._modules)
            self._modules[name] = value
        elif name in self.__dict__.get("_parameters", ()):
            self._require_none(name, value, "parameter", "loopnest.nn.Parameter or None")
            self.register_parameter(name, None)
        elif name in self.__dict__.get("_modules", ()):
            self._require_none(name, value, "child module", "loopnest.nn.Module or None")
            self._modules[name] = None
        elif name in self.__dict__.get("_buffers", ()):
            if not isinstance(value, Tensor):
                self._require_none(name, value, "buffer", "loopnest.Tensor or None")
            self._buffers[name] = value
        else:
            super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        for store in (self._parameters, self._buffers, self._modules):
            if name in store:
                del store[name]
                self.__dict__.pop(name, None)
                self._non_persistent_buffers_set.discard(name)
                return
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        names = {*super().__dir__(), *self._parameters, *self._buffers, *self._modules}
        return sorted(name for name in names if name.isidentifier())

    def _require_init(self, what: str) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")

    def _require_none(self, name: str, value: Any, what: str, expected: str) -> None:
        if value is not None:
            raise TypeError(
                f"cannot assign '{type(value).__name__}' object to {what} '{name}' ({expected} required)"
            )

    def _forget(self, name: str, kept: dict[str, Any]) -> None:
        """Take `name` out of all places but one, where a new value keeps the old one's place in the order."""
        for store in (self.__dict__, self._parameters, self._buffers, self._modules):
            if store is not kept:
                store.pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def _require_new_name(self, name: str, what: str, store: Mapping[str, Any]) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string, got {type(name).__name__}")
        if "." in name:
            raise KeyError(f'{what} name can\'t contain ".", got {name!r}')
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string ""')
        if hasattr(self, name) and name not in store:
            raise KeyError(f"attribute '{name}' already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name; None: the name of one that is not there (bias=False)."""
        self._require_new_name(name, "parameter", self.__dict__.get("_parameters", {}))
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{type(param).__name__}' object to parameter '{name}' "
                "(loopnest.nn.Parameter or None required)"
            )
        if param is not None and not param.is_leaf:
            raise ValueError(f"cannot assign non-leaf Tensor to parameter '{name}'")
        self._parameters[name] = self.__dict__[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but not trained. persistent: it is part of state_dict."""
        self._require_new_name(name, "buffer", self.__dict__.get("_buffers", {}))
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{type(tensor).__name__}' object to buffer '{name}' "
                "(loopnest.Tensor or None required)"
            )
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: "Module | None") -> None:
        """Add a child module under a name."""
        self._require_new_name(name, "module", self.__dict__.get("_modules", {}))
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._modules[name] = module

    register_module = add_module

    # Hooks

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args, output) after every forward; a result that is not None replaces the output.

        with_kwargs: the hook is called as hook(module, args, kwargs, output). prepend: before the hooks
        already there. Returns a handle whose remove() takes the hook away.
        """
        return add_hook(self._forward_hooks, hook, prepend, with_kwargs)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args) before every forward; a result that is not None replaces the arguments.

        with_kwargs: called as hook(module, args, kwargs), and replaces both by a pair (args, kwargs).
        """
        return add_hook(self._forward_pre_hooks, hook, prepend, with_kwargs)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_input, grad_output) in every backward, when the gradients of the inputs are
        complete.

        Both are tuples: one entry for each positional argument and each Tensor of the output, None where
        there is no gradient. A result that is not None replaces grad_input, if one input requires grad;
        with several it is a ValueError. Returns a handle whose remove() takes the hook away.

        Example:
          >>> import loopnest
          >>> from loopnest import nn
          >>> layer, seen = nn.Linear(2, 3), []
          >>> handle = layer.register_full_backward_hook(lambda m, gi, go: seen.append(go[0].shape))
          >>> layer(loopnest.ones(4, 2)).sum().backward()
          >>> seen
          [(4, 3)]
        """
        return add_hook(self._backward_hooks, hook, prepend, False)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(module, grad_output) in every backward, before it goes through the module.

        grad_output is a tuple, one entry for each Tensor of the output, None where there is no gradient. A
        result that is not None replaces it: as many gradients, or one alone; ValueError in backward for
        another number. prepend: before the hooks of this kind already there. Returns a handle whose remove()
        takes the hook away.

        Example:
          >>> import loopnest
          >>> from loopnest import nn
          >>> layer = nn.Linear(2, 1)
          >>> handle = layer.register_full_backward_pre_hook(lambda m, grad_output: grad_output[0] * 10)
          >>> layer(loopnest.ones(1, 2)).sum().backward()
          >>> layer.bias.grad.tolist()
          [10.0]
        """
        # In the same dict as the hooks for afterwards: a call of a module without hooks looks at one less.
        return add_hook(self._backward_hooks, hook, prepend, True)

    # Walks

    def named_modules(
        self, memo: "set[Module] | None" = None, prefix: str = "", remove_duplicate: bool = True
    ) -> "Iterator[tuple[str, Module]]":
        """(dotted name, module) of this module ("") and all below it, parents first."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, child in self._modules.items():
            if child is not None:
                yield from child.named_modules(memo, _join(prefix, name), remove_duplicate)

    def modules(self) -> "Iterator[Module]":
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> "Iterator[tuple[str, Module]]":
        """(name, module) of the direct children, each module once."""
        seen: set[Module] = set()
        for name, child in self._modules.items():
            if child is not None and child not in seen:
                seen.add(child)
                yield name, child

    def children(self) -> "Iterator[Module]":
        """The direct children, each once."""
        return (child for _, child in self.named_children())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter); one that several modules share comes once, under its first name."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once: what an optimizer wants."""
        return (param for _, param in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(dotted name, buffer), as named_parameters."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def _named_members(
        self, store: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        named = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for path, module in named:
            for name, member in getattr(module, store).items():
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield _join(path, name), member

    def get_submodule(self, target: str) -> "Module":
        """The module at a dotted path; "" is this one. AttributeError if there is none."""
        module: Module = self
        for name in target.split(".") if target else ():
            found = getattr(module, name, None)
            if not isinstance(found, Module):
                raise AttributeError(
                    f"{type(module).__name__} has no child module '{name}' (looking for '{target}')"
                )
            module = found
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path. AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        found = module._parameters.get(name)
        if found is None:
            raise AttributeError(
                f"{type(module).__name__} has no parameter '{name}' (looking for '{target}')"
            )
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path. AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        found = module._buffers.get(name)
        if found is None:
            raise AttributeError(f"{type(module).__name__} has no buffer '{name}' (looking for '{target}')")
        return found

    def set_submodule(self, target: str, module: "Module", strict: bool = False) -> None:
        """Put a module at a dotted path, in place of the one there or as a new one.

        strict: only in place of one. Raises ValueError for an empty path and for what is no Module,
        AttributeError if there is no parent, if something else has the name, or with strict nothing.

        Example:
          >>> from loopnest import nn
          >>> net = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU()))
          >>> net.set_submodule("1.0", nn.Tanh())
          >>> net[1][0]
          Tanh()
        """
        if not target:
            raise ValueError("set_submodule: expected the dotted path of a module below this one, got ''")
        if not isinstance(module, Module):
            raise ValueError(f"set_submodule: expected a Module, got {type(module).__name__}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        there = hasattr(parent, name)
        if strict and not there:
            raise AttributeError(
                f"{type(parent).__name__} has no child module '{name}' to replace (looking for '{target}')"
            )
        if there and not isinstance(getattr(parent, name), Module):
            raise AttributeError(f"'{name}' of {type(parent).__name__} is not a Module, and is not replaced")
        setattr(parent, name, module)

    # Changes to the whole tree

    def apply(self, fn: "Callable[[Module], Any]") -> Self:
        """Call fn on every module below and then on this one; for initialisation. Returns self."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set `training` in the whole tree. Returns self."""
        if not isinstance(mode, bool):
            raise ValueError(f"training mode is expected to be boolean, got {mode!r}")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Self:
        """The same as train(False): dropout does nothing. Returns self."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Let all parameters ask for gradients, or freeze them. Returns self."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Take away the gradients of all parameters, or fill them with zeros."""
        zero_grads(self.parameters(), set_to_none)

    def to(
        self,
        *args: Any,
        device: Any = None,
        dtype: Any = None,
        non_blocking: bool = False,
        memory_format: Any = None,
    ) -> Self:
        """Change the floating-point dtype of parameters and buffers in place: to("float64"),
        to(dtype=np.float32).

        A device may be given, and must be "cpu". Gradients are dropped when the dtype changes. non_blocking
        and memory_format are taken and ignored: kernels pack weights in an order of their own. Returns self.
        """
        who = f"{type(self).__name__}.to"
        for arg in args:
            if arg is None or str(arg).split(":")[0] in ("cpu", "cuda", "mps", "xpu", "meta"):
                device = arg
            else:
                dtype = arg
        check_device(who, device)
        if dtype is None:
            return self
        target = float_dtype(who, dtype)
        for tensor in chain(self.parameters(), self.buffers()):
            if is_lazy(tensor):
                tensor.recast(target)  # type: ignore[union-attr,attr-defined]
                continue
            data = memory(tensor)
            if data.dtype.kind == "f" and data.dtype != target:
                tensor.grad = None
                tensor.data = from_numpy(data.astype(target))
        return self

    def float(self) -> Self:
        """Parameters and buffers as float32. Returns self."""
        return self.to(dtype=np.float32)

    def double(self) -> Self:
        """Parameters and buffers as float64, for gradient checks. Returns self."""
        return self.to(dtype=np.float64)

    def cpu(self) -> Self:
        """Nothing to do; there so that PyTorch code need not change. Returns self."""
        return self

    # Text

    def extra_repr(self) -> str:
        """What stands in the parentheses of the module's own line; for subclasses."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def _repr_children(self) -> list[str]:
        return [f"({name}): {_indent(repr(child))}" for name, child in self._modules.items()]

    def __repr__(self) -> str:
        extra = self.extra_repr().split("\n") if self.extra_repr() else []
        children = self._repr_children()
        if not children and len(extra) <= 1:
            return f"{self._get_name()}({''.join(extra)})"
        return f"{self._get_name()}(\n  " + "\n  ".join([*extra, *children]) + "\n)"


def zero_grads(tensors: Iterator[Tensor] | list[Tensor], set_to_none: bool) -> None:
    """Drop `.grad` of each tensor, or fill it with zeros and cut it off its history."""
    for tensor in tensors:
        if tensor.grad is None:
            continue
        if set_to_none:
            tensor.grad = None
        else:
            tensor.grad = tensor.grad.detach()
            memory(tensor.grad).fill(0)
            tensor.grad.bump_version()


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _indent(text: str) -> str:
    return text.replace("\n", "\n  ")
