"""Parameters computed from others whenever they are looked at; the names of torch.nn.utils.parametrize."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from loopnest.engine.tape import Tensor, no_grad
from loopnest.nn.container import ModuleDict, ModuleList
from loopnest.nn.module import Module
from loopnest.nn.parameter import Parameter, is_lazy

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "type_before_parametrizations",
]

M = TypeVar("M", bound=Module)

_depth = 0  # of `with cached()` blocks
_kept: dict[Module, Tensor] = {}  # what the lists of parametrizations gave within them


@contextmanager
def cached() -> Iterator[None]:
    """Within this block every parametrized tensor is computed once, when it is first looked at, as in
    torch.nn.utils.parametrize.cached: for weights that a forward pass uses several times.

    Example:
      >>> from loopnest import nn
      >>> from loopnest.nn.utils import parametrize
      >>> class Square(nn.Module):
      ...     def forward(self, x):
      ...         return x * x
      >>> layer = parametrize.register_parametrization(nn.Linear(2, 1), "weight", Square())
      >>> with parametrize.cached():
      ...     layer.weight is layer.weight
      True
      >>> layer.weight is layer.weight
      False
    """
    global _depth
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if not _depth:
            _kept.clear()


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, in the order in which they are applied, and what it is made of; as
    torch.nn.utils.parametrize.ParametrizationList. register_parametrization makes it.

    Args:
      modules: the parametrizations, at least one. original: the Parameter or buffer to be made of others.
      unsafe: let shape and dtype change.

    Attributes:
      original: what the first parametrization is given; original0, original1, ... if its right_inverse gives
        several tensors. is_tensor: whether it is one. ntensors: how many there are.

    Raises ValueError for parametrizations that do not fit the tensor, which is then unchanged.

    Example:
      >>> from loopnest import nn
      >>> from loopnest.nn.utils import parametrize
      >>> layer = parametrize.register_parametrization(nn.Linear(2, 1), "weight", nn.Tanh())
      >>> layer.parametrizations.weight
      ParametrizationList(
        (0): Tanh()
      )
      >>> layer.parametrizations.weight.original.shape
      (1, 2)
    """

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not len(modules):
            raise ValueError("ParametrizationList: expected at least one parametrization, got none")
        super().__init__(modules)
        self.unsafe = unsafe
        new: Any = original
        with no_grad():
            for module in reversed(list(self)):
                new = _inverse(module, new)
        self.is_tensor = isinstance(new, Tensor)
        parts = [new] if self.is_tensor else new
        if not isinstance(parts, (tuple, list)) or not all(isinstance(part, Tensor) for part in parts):
            raise ValueError(f"right_inverse: expected a Tensor or a sequence of Tensors, got {new!r}")
        self.ntensors = len(parts)
        if self.is_tensor and new.dtype != original.dtype:
            raise ValueError(f"right_inverse: expected a Tensor of {original.dtype}, got {new.dtype}")
        if not unsafe:
            with no_grad():
                _need_alike("a parametrization", original, self._through(*parts))
        if self.is_tensor:
            _put(original, new)  # the same object as before: an optimizer knows it
            parts = [original]
        elif isinstance(original, Parameter):
            parts = [Parameter(part.detach(), original.requires_grad) for part in parts]
        for name, part in zip(self._names(), parts, strict=True):
            _register(self, name, part)

    def _names(self) -> list[str]:
        return ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]

    def _originals(self) -> list[Tensor]:
        return [getattr(self, name) for name in self._names()]

    def _through(self, *originals: Tensor) -> Any:
        first, *others = self
        x = first(*originals)
        for parametrization in others:
            x = parametrization(x)
        return x

    def forward(self) -> Tensor:
        """The tensor that the module sees, made anew."""
        made: Tensor = self._through(*self._originals())
        return made

    def right_inverse(self, value: Tensor) -> None:
        """Choose the originals so that the parametrizations give `value`: by right_inverse, from the last one
        to the first.

        Raises NotImplementedError (a RuntimeError) if one has none, ValueError if it gives another number of
        tensors than at first, or other dtypes. Nothing is then changed.
        """
        new: Any = value
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise NotImplementedError(
                        f"{type(module).__name__} has no right_inverse, so that its result cannot be "
                        "assigned; assign to the original, or define the method"
                    )
                new = module.right_inverse(new)
        parts = list(new) if isinstance(new, (tuple, list)) and not self.is_tensor else [new]
        originals = self._originals()
        given = [getattr(part, "dtype", type(part).__name__) for part in parts]
        if given != [original.dtype for original in originals]:
            raise ValueError(
                f"right_inverse: expected Tensors of {', '.join(str(o.dtype) for o in originals)}, got "
                f"{', '.join(map(str, given))}"
            )
        for original, part in zip(originals, parts, strict=True):
            _put(original, part)


def _inverse(module: Module, value: Any) -> Any:
    """What a parametrization makes `value` of; without a right_inverse that is `value` itself."""
    if not hasattr(module, "right_inverse"):
        return value
    try:
        return module.right_inverse(value)
    except NotImplementedError:
        return value


def _put(original: Tensor, new: Tensor) -> None:
    """Other numbers, and another shape perhaps, for the same tensor."""
    if new is original:
        return
    original.data = new.detach().clone()
    original.bump_version()


def _register(module: Module, name: str, tensor: Tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _need_alike(what: str, expected: Tensor, got: Any) -> None:
    if not isinstance(got, Tensor):
        raise ValueError(f"register_parametrization: expected a Tensor from {what}, got {got!r}")
    if (got.shape, got.dtype) != (expected.shape, expected.dtype):
        raise ValueError(
            f"register_parametrization: expected {tuple(expected.shape)} of {expected.dtype} from {what}, as "
            f"the tensor is, got {tuple(got.shape)} of {got.dtype}; pass unsafe=True if that is meant"
        )


# The module's class becomes one with a property for every tensor that is parametrized. Such a class belongs
# to a set of names and never changes, so that copies of a module can share it.


@cache
def _with_properties(kind: type, names: frozenset[str]) -> type:
    return type(f"Parametrized{kind.__name__}", (kind,), {name: _property(name) for name in names})


def _property(name: str) -> property:
    def get(module: Any) -> Tensor:
        made = module.parametrizations[name]
        if not _depth:
            return made()  # type: ignore[no-any-return]
        if made not in _kept:
            _kept[made] = made()
        return _kept[made]

    def put(module: Any, value: Tensor) -> None:
        module.parametrizations[name].right_inverse(value)

    return property(get, put)


def _set_class(module: Any, kind: type) -> None:
    """Make `module` one of `kind`, with a property for each of its parametrized tensors."""
    names = frozenset(module.parametrizations) if is_parametrized(module) else frozenset()
    module.__class__ = _with_properties(kind, names) if names else kind


def register_parametrization(
    module: M, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> M:
    """Have a parameter or buffer be what `parametrization` makes of it, whenever it is looked at; as
    torch.nn.utils.parametrize.register_parametrization.

    The parameter that is trained is then module.parametrizations.<tensor_name>.original; a further
    parametrization takes what the ones before give. If `parametrization` has a method right_inverse, that
    says what the original is to begin with; one that gives several tensors makes original0, original1, ...,
    which forward then takes as its arguments, and which are new parameters for the optimizer. With it the
    tensor can be assigned to.

    Args:
      parametrization: a Module, forward: Tensor -> Tensor of the same shape and dtype. It takes over whether
        the module is training.
      unsafe: do not try it out; shape and dtype may change.

    Returns the module, now of a subclass of its class. Raises ValueError if it has no such tensor, or if the
    parametrization gives something else than the tensor's shape and dtype.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> from loopnest.nn.utils import parametrize
      >>> class Symmetric(nn.Module):
      ...     def forward(self, x):
      ...         return x.triu() + x.triu(1).t()
      ...     def right_inverse(self, x):
      ...         return x.triu()
      >>> layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
      >>> layer.weight = loopnest.tensor([[1.0, 2.0], [2.0, 3.0]])
      >>> layer.weight.tolist()
      [[1.0, 2.0], [2.0, 3.0]]
      >>> list(layer.state_dict())
      ['bias', 'parametrizations.weight.original']
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        made: Any = module.parametrizations[tensor_name]
        if not unsafe:
            with no_grad():
                before = made()
                after = parametrization(before)
                _need_alike("a parametrization", before, after)
                _need_alike("right_inverse", before, _inverse(parametrization, after))
        made.append(parametrization)
        made.unsafe = made.unsafe or unsafe
        return module
    original = module._parameters.get(tensor_name, module._buffers.get(tensor_name))
    if original is None or is_lazy(original):
        raise ValueError(
            f"register_parametrization: expected the name of a parameter or buffer, which has its shape, of "
            f"{type(module).__name__}, got {tensor_name!r}"
        )
    made = ParametrizationList([parametrization], original, unsafe)
    delattr(module, tensor_name)
    kind = type_before_parametrizations(module)
    if not is_parametrized(module):
        module.parametrizations = ModuleDict()
    module.parametrizations[tensor_name] = made
    module.parametrizations.train(module.training)  # these, too: loopnest.compile asks every module
    _set_class(module, kind)
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Is this tensor of the module parametrized; None: is any? As torch.nn.utils.parametrize.is_parametrized.

    Example:
      >>> from loopnest import nn
      >>> from loopnest.nn.utils import parametrize
      >>> layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", nn.Tanh())
      >>> parametrize.is_parametrized(layer, "weight"), parametrize.is_parametrized(layer, "bias")
      (True, False)
    """
    found = module._modules.get("parametrizations")
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def type_before_parametrizations(module: Module) -> type:
    """The class of a module as it is without parametrizations.

    Example:
      >>> from loopnest import nn
      >>> from loopnest.nn.utils import parametrize
      >>> layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", nn.Tanh())
      >>> type(layer).__name__, parametrize.type_before_parametrizations(layer).__name__
      ('ParametrizedLinear', 'Linear')
    """
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def remove_parametrizations(module: M, tensor_name: str, leave_parametrized: bool = True) -> M:
    """Make a tensor an ordinary parameter or buffer again; as
    torch.nn.utils.parametrize.remove_parametrizations.

    Args:
      leave_parametrized: with its value of now; False: with that of the original, which must be one tensor.

    An original that is one tensor becomes the parameter itself, so that an optimizer goes on with it.

    Returns the module, of its own class again when nothing else is parametrized. Raises ValueError if the
    tensor is not parametrized, or if leave_parametrized is False and it is made of several.

    Example:
      >>> from loopnest import nn
      >>> from loopnest.nn.utils import parametrize
      >>> layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", nn.Tanh())
      >>> list(parametrize.remove_parametrizations(layer, "weight").state_dict())
      ['bias', 'weight']
      >>> type(layer).__name__
      'Linear'
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(
            f"remove_parametrizations: expected the name of a parametrized tensor of "
            f"{type(module).__name__}, got {tensor_name!r}"
        )
    kind = type_before_parametrizations(module)
    every: Any = module.parametrizations
    made = every[tensor_name]
    if not made.is_tensor and not leave_parametrized:
        raise ValueError(
            f"remove_parametrizations: '{tensor_name}' is made of {made.ntensors} tensors, none of which "
            "could stand for it; pass leave_parametrized=True"
        )
    originals = made._originals()
    restored = originals[0]
    if leave_parametrized:
        with no_grad():
            value = made().detach()
        if made.is_tensor:
            _put(restored, value)
        elif isinstance(restored, Parameter):
            restored = Parameter(value, any(original.requires_grad for original in originals))
        else:
            restored = value
    del every[tensor_name]
    if not len(every):
        del module.parametrizations
    _set_class(module, kind)
    _register(module, tensor_name, restored)
    return module
