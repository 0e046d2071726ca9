"""A system's model twice: ours and PyTorch's, with the same weights, data and step.

`parity` asks whether both say the same, `race` which is faster. What is alike in both libraries is written
once: a function of a model and a batch serves either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

import loopnest
from loopnest import nn, optim
from loopnest.bench.timing import Times, interleave, python_repeat
from loopnest.machine import Peak

Batch = tuple[Any, ...]
Loss = Callable[[Any, Batch], Any]


@dataclass(frozen=True)
class Twin:
    """One row: a model and how it is trained.

    Attributes:
      name: of the model within its system.
      asked: how many times as fast as PyTorch a step should be; None where nobody asks.
      ours, theirs: functions that make the model; parameters have the same names in both.
      batches: NumPy arrays and plain values, as the system's loader gives them; steps walk through them.
      scores: what is compared of the outputs, a function of either model and a batch.
      our_loss, their_loss: (model, batch) to the loss of one step.
      optimizer, settings: a name in optim, and its arguments.
      clip_norm, clip_value: as in the system.
    """

    name: str
    asked: float | None
    ours: Callable[[], nn.Module]
    theirs: Callable[[], torch.nn.Module]
    batches: Sequence[Batch]
    our_loss: Loss
    their_loss: Loss
    scores: Callable[[Any, Batch], Any] = lambda model, batch: model(batch[0])
    optimizer: str = "Adam"
    settings: Mapping[str, float] = field(default_factory=lambda: {"lr": 1e-3})
    clip_norm: float | None = None
    clip_value: float | None = None


def cut(arrays: Sequence[np.ndarray], size: int, count: int | None = None, start: int = 0) -> list[Batch]:
    """Batches of `size` rows of every array, from row `start`; `count` of them, or None: to the end."""
    end = len(arrays[0]) if count is None else start + count * size
    return [tuple(part[k : k + size] for part in arrays) for k in range(start, end, size)]


def as_ours(batch: Batch) -> Batch:
    return tuple(loopnest.tensor(part) if isinstance(part, np.ndarray) else part for part in batch)


def as_theirs(batch: Batch, dtype: torch.dtype = torch.float32) -> Batch:
    def convert(part: Any) -> Any:
        if not isinstance(part, np.ndarray):
            return part
        made = torch.from_numpy(np.ascontiguousarray(part))
        return made.to(dtype) if made.is_floating_point() else made

    return tuple(convert(part) for part in batch)


def pair(twin: Twin) -> tuple[nn.Module, torch.nn.Module]:
    """Both models with our weights."""
    loopnest.manual_seed(0)
    ours, theirs = twin.ours(), twin.theirs()
    theirs.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in ours.state_dict().items()})
    return ours, theirs


def still(model: Any, norms: tuple[type, ...]) -> Any:
    """Without chance: dropout is off, but batch norms stay as in training."""
    model.eval()
    for part in model.modules():
        if isinstance(part, norms):
            part.train()
    return model


@dataclass(frozen=True)
class Difference:
    """How far a result of ours is from PyTorch's in float64, and what is allowed."""

    what: str
    dtype: str
    far: float
    allowed: float


ROUNDINGS = 16384  # how many roundings of its largest number a result may be off


def parity(twin: Twin) -> list[Difference]:
    """Scores, loss and every gradient against PyTorch in float64, from the same weights.

    Ours in float64 shows that both compute the same: 16384 roundings of 2^-53 are 2e-12 of the largest
    number. Ours in float32, on the fast rungs, may be off by as many of 2^-24, 1e-3: a sum of n products errs
    by up to n roundings, n is up to 73,728 here (the U-Net), by Winograd some more, and where an activation
    is within rounding of zero ReLU decides by chance. Small gradients are sums of larger numbers: a hundredth
    of the largest gradient is their least size here. Those that are zero but for rounding (of a bias before
    a batch norm, which takes it away again) may be off by the root of a rounding of the largest.
    """
    ours, theirs = pair(twin)
    torch_norms = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)
    batch = twin.batches[0]
    exact = results(
        twin, still(theirs.double(), torch_norms), twin.their_loss, as_theirs(batch, torch.float64)
    )
    largest = max(float(np.abs(a).max()) for name, a in exact.items() if name not in ("scores", "loss"))
    out = []
    for dtype, unit in ((np.float32, 2.0**-24), (np.float64, 2.0**-53)):
        model = still(ours if dtype is np.float32 else ours.double(), NORMS)
        mine = results(twin, model, twin.our_loss, as_ours(typed(batch, dtype)))
        for what, true in exact.items():
            size = float(np.abs(true).max())
            nothing = size < 2.0**-30 * largest
            may = unit**0.5 * largest if nothing else ROUNDINGS * unit * max(size, 0.01 * largest)
            far = float(np.abs(mine[what].astype(np.float64) - true).max())
            out.append(Difference(what, np.dtype(dtype).name, far, may))
    return out


NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def typed(batch: Batch, dtype: type) -> Batch:
    """The batch with its floating-point arrays in `dtype`."""
    return tuple(
        part.astype(dtype) if isinstance(part, np.ndarray) and part.dtype.kind == "f" else part
        for part in batch
    )


def results(twin: Twin, model: Any, loss_of: Loss, batch: Batch) -> dict[str, np.ndarray]:
    scores = twin.scores(model, batch).detach().numpy()
    model.zero_grad()
    loss = loss_of(model, batch)
    loss.backward()
    grads = {name: p.grad.numpy() for name, p in model.named_parameters() if p.grad is not None}
    return {"scores": scores, "loss": loss.detach().numpy()} | grads


def our_step(twin: Twin, model: nn.Module) -> Callable[[], None]:
    """The step that loopnest.train.Trainer does."""
    model.train()
    optimizer = getattr(optim, twin.optimizer)(model.parameters(), **twin.settings)
    batches = [as_ours(batch) for batch in twin.batches]
    at = 0

    def step() -> None:
        nonlocal at
        optimizer.zero_grad()
        loss = twin.our_loss(model, batches[at % len(batches)])
        if not math.isfinite(loss.item()):
            raise ValueError(f"{twin.name}: the loss is {loss.item()}")
        loss.backward()
        if twin.clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), twin.clip_norm)
        if twin.clip_value is not None:
            nn.utils.clip_grad_value_(model.parameters(), twin.clip_value)
        optimizer.step()
        at += 1

    return step


def their_step(twin: Twin, model: torch.nn.Module, fused: bool, last: bool) -> Callable[[], None]:
    """The same step by PyTorch; `fused`: its optimizer as one kernel; `last`: channels-last weights and
    images."""
    model.train()
    batches = [as_theirs(batch) for batch in twin.batches]
    if last:
        for axes, layout in ((4, torch.channels_last), (5, torch.channels_last_3d)):
            for p in model.parameters():
                if p.ndim == axes:
                    p.data = p.data.contiguous(memory_format=layout)
            wanted = has_convolution(model, axes - 2)
            batches = [tuple(laid(part, axes, layout) if wanted else part for part in b) for b in batches]
    more = {"fused": True} if fused else {}
    optimizer = getattr(torch.optim, twin.optimizer)(model.parameters(), **twin.settings, **more)
    at = 0

    def step() -> None:
        nonlocal at
        optimizer.zero_grad()
        loss = twin.their_loss(model, batches[at % len(batches)])
        loss.item()
        loss.backward()
        if twin.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), twin.clip_norm)
        if twin.clip_value is not None:
            torch.nn.utils.clip_grad_value_(model.parameters(), twin.clip_value)
        optimizer.step()
        at += 1

    return step


def laid(part: Any, axes: int, layout: torch.memory_format) -> Any:
    image = isinstance(part, torch.Tensor) and part.ndim == axes and part.is_floating_point()
    return part.contiguous(memory_format=layout) if image else part


def has_convolution(model: torch.nn.Module, axes: int) -> bool:
    kind = {2: torch.nn.Conv2d, 3: torch.nn.Conv3d}[axes]
    return any(isinstance(part, kind) for part in model.modules())


def race(twin: Twin, seconds: float, steps: int | None = None) -> dict[str, Times]:
    """Training steps by turns: ours, and PyTorch's in every configuration, of which those that are clearly
    not its best drop out. With `steps` each does just so many, three turns of as many as fit."""
    ours, theirs = pair(twin)
    candidates = {"loopnest": our_step(twin, ours)}
    images = has_convolution(theirs, 2) or has_convolution(theirs, 3)
    for last in (False, True) if images else (False,):
        for fused in (False, True):
            name = "torch" + (" channels-last" if last else "") + (" fused" if fused else "")
            candidates[name] = their_step(twin, pair(twin)[1], fused, last)
    for step in candidates.values():
        for _ in range(len(twin.batches)):  # every shape once
            step()

    def hopeless(medians: dict[str, float]) -> set[str]:
        best = min(t for name, t in medians.items() if name != "loopnest")
        return {name for name, t in medians.items() if name != "loopnest" and t > 1.1 * best}

    if steps is None:
        repeats = {name: python_repeat(step) for name, step in candidates.items()}
        return interleave(repeats, Peak(loopnest.machine.isas()[-1]), seconds, hopeless=hopeless)
    runs: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(steps):
        for name, step in candidates.items():
            runs[name] += python_repeat(step)(1)
    return {name: Times(min(t), float(np.median(t)), [], t) for name, t in runs.items()}


def best_rival(found: dict[str, Times]) -> str:
    """PyTorch's configuration with the least median."""
    return min((name for name in found if name != "loopnest"), key=lambda name: found[name].median)
