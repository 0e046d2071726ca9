"""Sequential, ModuleList and ModuleDict: modules that hold others."""

from collections.abc import Iterable, Iterator, Mapping
from operator import index
from typing import Any, Self

from loopnest.nn.module import Module, _indent


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

    def forward(self, input: Any) -> Any:
        """input -> the last module's output; any shapes that the modules take."""
        for module in self._modules.values():
            input = module(input)
        return input


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
