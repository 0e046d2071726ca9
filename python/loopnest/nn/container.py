"""Sequential, ModuleList and ModuleDict: modules that hold others; ParameterList and ParameterDict."""

from collections.abc import Iterable, Iterator, Mapping
from operator import index
from typing import Any, Self

from loopnest.engine.tape import Tensor
from loopnest.nn.module import Module, _indent
from loopnest.nn.parameter import Parameter


def _position(key: Any, length: int) -> int:
    """A list index from 0 to length - 1, negative ones counted from the end."""
    position = index(key)
    if not -length <= position < length:
        raise IndexError(f"index {position} is out of range for {length} modules")
    return position % length


class _Numbered(Module):
    """Children named "0", "1", ... that can be reached, replaced, inserted and deleted as in a list."""

    def _fill(self, modules: Iterable[Module]) -> None:
        """Replace all children, and number them anew."""
        self._modules.clear()
        for i, module in enumerate(modules):
            self.add_module(str(i), module)

    def _child(self, key: Any) -> str:
        return list(self._modules)[_position(key, len(self))]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(list(self._modules.values()))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            chosen = list(self._modules.items())[key]
            part = type(self)()
            for i, (name, module) in enumerate(chosen):
                part.add_module(name if isinstance(self, Sequential) else str(i), module)
            return part
        return self._modules[self._child(key)]

    def __setitem__(self, key: Any, module: Module) -> None:
        setattr(self, self._child(key), module)

    def __delitem__(self, key: Any) -> None:
        doomed = list(self._modules)[key] if isinstance(key, slice) else [self._child(key)]
        names, kept = list(self._modules), [(n, m) for n, m in self._modules.items() if n not in doomed]
        self._modules.clear()
        # Numbered names close ranks; names that the user gave stay.
        numbered = all(name == str(i) for i, name in enumerate(names))
        for i, (name, module) in enumerate(kept):
            self.add_module(str(i) if numbered else name, module)

    def append(self, module: Module) -> Self:
        """Add a module at the end. Returns self."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add several modules at the end. Returns self."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Put a module before the one at `index`. Returns self."""
        if not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        modules = list(self._modules.values())
        if not -len(modules) <= index <= len(modules):
            raise IndexError(f"index {index} is out of range for {len(modules)} modules")
        modules.insert(index, module)
        self._fill(modules)
        return self

    def pop(self, key: int | slice) -> Any:
        """Take out the module at `key` and return it."""
        module = self[key]
        del self[key]
        return module


class Sequential(_Numbered):
    """A chain: each module gets what the one before returned.

    Args: modules in order, or one dict name -> module.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))
      >>> net(loopnest.tensor(np.ones((2, 1, 8, 8), np.float32))).shape == (2, 10)
      True
      >>> list(net.state_dict())
      ['0.weight', '0.bias', '3.weight', '3.bias']
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            self._fill(args)

    def __add__(self, other: "Sequential") -> "Sequential":
        if not isinstance(other, Sequential):
            raise ValueError(f"Sequential: expected another Sequential to add, got {type(other).__name__}")
        return Sequential(*self, *other)

    def __iadd__(self, other: "Sequential") -> Self:
        if not isinstance(other, Sequential):
            raise ValueError(f"Sequential: expected another Sequential to add, got {type(other).__name__}")
        return self.extend(other)

    def __mul__(self, times: int) -> "Sequential":
        """The same modules, weights and all, `times` times in a row."""
        return Sequential(*list(self) * _at_least_once(times))

    __rmul__ = __mul__

    def __imul__(self, times: int) -> Self:
        return self.extend(list(self) * (_at_least_once(times) - 1))

    def forward(self, input: Any) -> Any:
        """input -> the last module's output; any shapes that the modules take."""
        for module in self._modules.values():
            input = module(input)
        return input


def _at_least_once(times: Any) -> int:
    if not isinstance(times, int):
        raise TypeError(f"Sequential: expected a whole number to multiply by, got {type(times).__name__}")
    if times <= 0:
        raise ValueError(f"Sequential: expected to be multiplied by at least 1, got {times}")
    return times


class ModuleList(_Numbered):
    """A list of modules, whose parameters are found. It has no forward of its own.

    Example:
      >>> from loopnest import nn
      >>> layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
      >>> len(layers), sum(p.numel() for p in layers.parameters())
      (3, 60)
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self._fill(modules or ())

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> "ModuleList":
        return ModuleList([*self, *other])

    def __contains__(self, module: object) -> bool:
        return any(module is child for child in self)

    def _repr_children(self) -> list[str]:
        """As PyTorch: neighbours that look the same share a line, (0-2): 3 x Linear(...)."""
        runs: list[tuple[int, int, str]] = []  # first, last, text
        for i, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][2] == text:
                runs[-1] = (runs[-1][0], i, text)
            else:
                runs.append((i, i, text))
        return [
            f"({first}): {_indent(text)}"
            if first == last
            else f"({first}-{last}): {last - first + 1} x {_indent(text)}"
            for first, last, text in runs
        ]


class ModuleDict(Module):
    """A dict of modules, in the order of insertion, whose parameters are found. It has no forward of its own.

    Example:
      >>> from loopnest import nn
      >>> heads = nn.ModuleDict({"digit": nn.Linear(8, 10), "sign": nn.Linear(8, 2)})
      >>> [name for name, _ in heads.named_parameters()]
      ['digit.weight', 'digit.bias', 'sign.weight', 'sign.bias']
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Take out all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Take out the module under `key` and return it."""
        return self._modules.pop(key)

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def items(self) -> Iterable[tuple[str, Module]]:
        """(name, module) pairs."""
        return self._modules.items()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return self._modules.values()

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add the modules of a dict, or of (name, module) pairs; the same name replaces."""
        for name, module in modules.items() if isinstance(modules, Mapping) else modules:
            self.add_module(name, module)


class _Parameters(Module):
    """Parameters under names. A Tensor that is none becomes one."""

    def _put(self, name: str, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"{type(self).__name__}: expected a Parameter, got {type(value).__name__}")
        parameter = value if isinstance(value, Parameter) else Parameter(value)
        if name in self._parameters:
            setattr(self, name, parameter)
        else:
            self.register_parameter(name, parameter)

    def __len__(self) -> int:
        return len(self._parameters)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"{type(self).__name__} should not be called.")

    def extra_repr(self) -> str:
        return "\n".join(
            f"  ({name}): {type(p).__name__} containing: [{p.dtype} of size {'x'.join(map(str, p.shape))}]"
            for name, p in self._parameters.items()
        )


class ParameterList(_Parameters):
    """A list of parameters, which the module that holds it finds; as torch.nn.ParameterList.

    Tensors become Parameters. Other values, which PyTorch's keeps too, are refused.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> scales = nn.ParameterList([nn.Parameter(loopnest.ones(2)) for _ in range(3)])
      >>> [name for name, _ in scales.named_parameters()], len(scales[1:])
      (['0', '1', '2'], 2)
    """

    def __init__(self, values: Iterable[Tensor] | None = None) -> None:
        super().__init__()
        self.extend(values if values is not None else ())

    def __getitem__(self, key: Any) -> Any:
        values = list(self)
        if isinstance(key, slice):
            return type(self)(values[key])
        return values[_position(key, len(self))]

    def __setitem__(self, key: int, value: Tensor) -> None:
        self._put(str(_position(key, len(self))), value)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(list(self._parameters.values()))

    def __iadd__(self, values: Iterable[Tensor]) -> Self:
        return self.extend(values)

    def append(self, value: Tensor) -> Self:
        """Add a parameter at the end. Returns self."""
        self._put(str(len(self)), value)
        return self

    def extend(self, values: Iterable[Tensor]) -> Self:
        """Add several parameters at the end. Returns self."""
        if isinstance(values, Tensor) or not isinstance(values, Iterable):
            raise TypeError(f"ParameterList: expected several parameters, got {type(values).__name__}")
        for value in list(values):
            self.append(value)
        return self


class ParameterDict(_Parameters):
    """A dict of parameters, in the order of insertion, which the module that holds it finds; as
    torch.nn.ParameterDict.

    Tensors become Parameters. Other values, which PyTorch's keeps too, are refused.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> scales = nn.ParameterDict({"left": loopnest.ones(2), "right": loopnest.zeros(2)})
      >>> [name for name, _ in scales.named_parameters()], scales["right"].tolist()
      (['left', 'right'], [0.0, 0.0])
    """

    def __init__(self, parameters: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]] | None = None) -> None:
        super().__init__()
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Parameter:
        return self._parameters[key]

    def __setitem__(self, key: str, value: Tensor) -> None:
        self._put(key, value)

    def __delitem__(self, key: str) -> None:
        if key not in self._parameters:
            raise KeyError(key)
        delattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._parameters))

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._parameters))

    def __contains__(self, key: object) -> bool:
        return key in self._parameters

    def __or__(self, other: "ParameterDict") -> "ParameterDict":
        made = self.copy()
        made.update(other)
        return made

    def __ior__(self, other: "ParameterDict") -> Self:
        self.update(other)
        return self

    def get(self, key: str, default: Any = None) -> Any:
        """The parameter under key, or default."""
        return self._parameters.get(key, default)

    def setdefault(self, key: str, default: Any = None) -> Parameter:
        """The parameter under key; default is put there if there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: str) -> Parameter:
        """Take out the parameter under key and return it."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Parameter]:
        """Take out the last (key, parameter) and return both."""
        key = list(self._parameters)[-1]
        return key, self.pop(key)

    def clear(self) -> None:
        """Take out all parameters."""
        for key in self:
            del self[key]

    def copy(self) -> "ParameterDict":
        """Another dict of the same parameters."""
        return ParameterDict(self.items())

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> "ParameterDict":
        """A dict with default under every key."""
        return ParameterDict((key, default) for key in keys)

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._parameters.keys()

    def items(self) -> Iterable[tuple[str, Parameter]]:
        """(name, parameter) pairs."""
        return self._parameters.items()

    def values(self) -> Iterable[Parameter]:
        """The parameters."""
        return self._parameters.values()

    def update(self, parameters: "Mapping[str, Tensor] | ParameterDict | Iterable[Any]") -> None:
        """Add the parameters of a dict, or of (name, parameter) pairs; the same name replaces."""
        dicts = (Mapping, ParameterDict)
        for key, value in parameters.items() if isinstance(parameters, dicts) else list(parameters):
            self[key] = value
