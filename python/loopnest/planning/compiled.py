"""The callable that `loopnest.compile` gives, and its cache of plans."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import loopnest
from loopnest.engine.plan import Program
from loopnest.engine.tape import Tensor, from_numpy
from loopnest.nn.module import Module
from loopnest.planning import passes, record
from loopnest.planning.graph import Value, leaves, mapped
from loopnest.planning.trace import NotPlannable, trace


class CacheInfo(NamedTuple):
    """As functools' cache_info, and the bytes that the plans hold (packed weights that they share, once)."""

    hits: int
    misses: int
    maxsize: int
    currsize: int
    bytes: int


class StepTime(NamedTuple):
    """One step of a plan: the layer, the operator and its rung, shares of the work and of the time."""

    layer: str
    rung: str  # operator/rung; of a step that is not a kernel, what it does: copy, add ...
    milliseconds: float  # the median of all runs
    gflop: float  # 10^9 multiplications and additions; padding is not counted
    megabytes: float  # 10^6 bytes of operands and results

    @property
    def gflops(self) -> float:
        """10^9 operations a second."""
        return 1e3 * self.gflop / self.milliseconds if self.milliseconds else 0.0


class Entry(NamedTuple):
    program: Program
    outputs: Any  # what the network returned, with an _Output in the place of each tensor


class CompiledModule:
    """A network as a plan: called like the network, computes the same, without gradients.

    Made by `loopnest.compile`. A plan belongs to one size (and order in memory) of the inputs; others are
    made when they come, and the least recently used are forgotten when there are more than `maxsize`.
    """

    def __init__(self, model: Callable[..., Any], maxsize: int) -> None:
        self._model = model
        self._plans: OrderedDict[Any, Entry] = OrderedDict()
        self._packs: dict[Any, list[Any]] = {}
        self._made = self._nothing_made()
        self._last: Entry | None = None  # the plan that was used last
        self._hits = self._misses = 0
        self._maxsize = maxsize
        self._lock = threading.RLock()

    def __call__(self, *inputs: Any) -> Any:
        """As the network; tensors (and tuples of tensors) in, new tensors out."""
        last = self._last
        if last is not None:
            found = last.program.call(inputs)
            if found is not None:
                self._hits += 1
                return _filled(last.outputs, found)
        arrays = _arrays(inputs)
        key = tuple([(a.shape, a.strides, a.dtype.num) for a in arrays]), _structure(inputs)
        entry = self._plans.get(key)
        if entry is None:
            if any(a.size == 0 for a in arrays):  # there is nothing to plan
                return self._eager(inputs)
            entry = self._make(key, inputs, arrays)
        else:
            self._hits += 1
            self._plans.move_to_end(key)
        self._last = entry
        results = [from_numpy(y) for y in entry.program.run(arrays)]
        return _filled(entry.outputs, results)

    def _eager(self, inputs: Any) -> Any:
        """What the network itself returns; a result that is an input, or a view of one, as a copy."""
        with loopnest.no_grad():
            return mapped(
                lambda leaf: leaf.detach().clone() if isinstance(leaf, Tensor) else leaf,
                self._model(*inputs),
            )

    def _results(self, inputs: Any, arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """The network's results, one by one, for these arrays in the place of its inputs."""
        given = iter([from_numpy(a) for a in record.own(arrays)])
        placed = mapped(lambda leaf: next(given) if isinstance(leaf, Tensor) else leaf, inputs)
        return [t.numpy() for t in leaves(self._eager(placed), Tensor)]

    def _make(self, key: Any, inputs: tuple[Any, ...], arrays: list[NDArray[Any]]) -> Entry:
        with self._lock:
            self._misses += 1
            if isinstance(self._model, Module) and any(m.training for m in self._model.modules()):
                raise NotPlannable("compile: the network is in training mode; call its eval() first")
            graph = trace(self._model, inputs)
            passes.optimise(graph, self._made)
            mine, other = record.own(arrays), record.others(arrays)
            program, outputs = record.build(graph, mine, other, self._packs)
            record.check(program, other, self._results(inputs, other), outputs)
            count = itertools.count()
            structure = mapped(
                lambda leaf: _Output(next(count)) if isinstance(leaf, Value) else leaf, graph.outputs
            )
            entry = self._plans[key] = Entry(program, structure)
            while len(self._plans) > self._maxsize:
                self._plans.popitem(last=False)
            self._forget_packs()
            self._made.next_size()
            return entry

    def _nothing_made(self) -> passes.Made:
        model = self._model
        owned = [*model.parameters(), *model.buffers()] if isinstance(model, Module) else []
        return passes.Made({id(t) for t in owned})

    def _forget_packs(self) -> None:
        """Packed weights that no plan uses any more."""
        used = {id(pack) for entry in self._plans.values() for pack in entry.program.packs}
        for key, packs in list(self._packs.items()):
            left = [pack for pack in packs if id(pack) in used]
            if left:
                self._packs[key] = left
            else:
                del self._packs[key]

    def cache_info(self) -> CacheInfo:
        """hits, misses, maxsize, currsize and bytes."""
        packs = {id(p): p.bytes for e in self._plans.values() for p in e.program.packs}
        size = sum(packs.values()) + sum(e.program.arena_bytes for e in self._plans.values())
        return CacheInfo(self._hits, self._misses, self._maxsize, len(self._plans), size)

    def cache_clear(self) -> None:
        """Forgets all plans: the next call looks at the network's parameters anew."""
        with self._lock:
            self._plans.clear()
            self._last = None
            self._packs.clear()
            self._made = self._nothing_made()

    refresh = cache_clear

    def describe(self) -> list[tuple[str, str]]:
        """(layer, operator/rung) of each step of the plan that was used last."""
        if not self._plans:
            return []
        return list(next(reversed(self._plans.values())).program.description)

    def profile(self, *inputs: Any, repeats: int = 10) -> list[StepTime]:
        """How long each step of the plan for these inputs takes, in the plan's order. Steps that run as one,
        over bands of rows, come as one, with their layers and rungs joined by " + ".

        The whole plan runs `repeats` times, so each step finds the caches as it does in use. Sorted by
        milliseconds the list shows what to look at; gflops beside `loopnest bench conv` or
        machine.peak shows which steps are far from what is possible.

        Example:
          >>> import numpy as np, loopnest
          >>> from loopnest import nn
          >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()).eval()
          >>> x = loopnest.tensor(np.ones((1, 3, 6, 6), np.float32))
          >>> [(step.layer, step.rung.split("/")[0]) for step in loopnest.compile(net).profile(x)]
          [('0', 'conv2d')]
        """
        if repeats < 1:
            raise ValueError(f"profile: expected repeats of at least 1, got {repeats}")
        arrays = _arrays(inputs)
        if any(a.size == 0 for a in arrays):
            raise ValueError(
                "profile: expected inputs with numbers: without any the network itself runs, no plan"
            )
        self(*inputs)
        assert self._last is not None
        program = self._last.program
        seconds = np.median([program.time(arrays) for _ in range(repeats)], axis=0)
        names, work = program.description, np.array(program.work()).reshape(-1, 2)
        found, at = [], 0
        for count in program.chains():
            part = slice(at, at + count)
            layer, rung = (" + ".join(texts) for texts in zip(*names[part], strict=True))
            flops, size = work[part].sum(axis=0)
            found.append(
                StepTime(layer, rung, 1e3 * float(seconds[part].sum()), float(flops / 1e9), float(size / 1e6))
            )
            at += count
        return found

    def __repr__(self) -> str:
        return f"CompiledModule({self._model!r})"


@dataclass(frozen=True)
class _Output:
    number: int


def _filled(outputs: Any, found: list[Tensor]) -> Any:
    """The results in the nested tuples in which the network returned them."""
    if isinstance(outputs, _Output):
        return found[outputs.number]
    return mapped(lambda leaf: found[leaf.number] if isinstance(leaf, _Output) else leaf, outputs)


def _arrays(inputs: Any) -> list[NDArray[Any]]:
    found: list[NDArray[Any]] = []
    for item in inputs:
        if isinstance(item, Tensor):
            array = item.detach().numpy()
            found.append(array if array.flags.aligned else array.copy())
        elif isinstance(item, (tuple, list)):
            found += _arrays(item)
        elif item is not None:
            raise TypeError(
                f"compiled network: expected tensors, or tuples of them, got {type(item).__name__}"
            )
    return found


def _structure(inputs: Any) -> Any:
    return tuple([_structure(i) if isinstance(i, (tuple, list)) else i is None for i in inputs])


def compile(model: Callable[..., Any], *example_inputs: Any, maxsize: int = 16) -> CompiledModule:
    """A network, or one layer, recurrent ones included, as a plan that runs without Python between its
    layers.

    Weights are packed once; batch norm is folded into the layer before it; activations and residual sums
    are done by the layer before them, where its fastest kernel can; results in between share one piece of
    memory. What comes back is called like the network and gives new tensors, without gradients.

    A plan holds copies of the parameters in the kernels' order. After a change of the network's parameters
    call `refresh()` (or cache_clear()); until then the plan computes with the old ones.

    Args:
      model: a Module in evaluation mode, or any function of tensors.
      example_inputs: tensors (or tuples of them) of the first size to be planned. Other
        sizes are planned when they come. None at all: nothing is planned yet.
      maxsize: how many sizes are remembered; see `cache_info()`.

    Raises NotPlannable (a RuntimeError) with the layer's name for what cannot be planned: nothing falls
    back to another way silently.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(),
      ...                     nn.Linear(8 * 36, 4)).eval()
      >>> x = loopnest.tensor(np.ones((1, 3, 6, 6), np.float32))
      >>> fast = loopnest.compile(net, x)
      >>> bool(np.allclose(fast(x), net(x).detach(), atol=1e-5)), fast.cache_info().currsize
      (True, 1)
    """
    if maxsize < 1:
        raise ValueError(f"compile: expected maxsize of at least 1, got {maxsize}")
    compiled = CompiledModule(model, maxsize)
    if example_inputs:
        with loopnest.no_grad():
            compiled(*example_inputs)
    return compiled
