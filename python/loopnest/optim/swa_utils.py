"""Averages of weights over the steps of a training: torch.optim.swa_utils' names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import numpy as np

from loopnest.engine.tape import Tensor, from_numpy, no_grad
from loopnest.nn.module import Module
from loopnest.nn.parameter import memory


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Tensor, Tensor, Any], Tensor]:
    """average = decay * average + (1 - decay) * weight, for AveragedModel(avg_fn=...).

    Example:
      >>> import loopnest
      >>> from loopnest.optim.swa_utils import get_ema_avg_fn
      >>> get_ema_avg_fn(0.75)(loopnest.tensor([4.0]), loopnest.tensor([8.0]), 1).tolist()
      [5.0]
    """
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"get_ema_avg_fn: expected decay between 0 and 1, got {decay}")

    def average(averaged: Tensor, weight: Tensor, num_averaged: Any) -> Tensor:
        return averaged * decay + weight * (1 - decay)

    return average


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[list[Tensor], list[Tensor], Any], None]:
    """As get_ema_avg_fn for all weights at once, in place, for AveragedModel(multi_avg_fn=...).

    Example:
      >>> import loopnest
      >>> from loopnest.optim.swa_utils import get_ema_multi_avg_fn
      >>> average = loopnest.tensor([4.0])
      >>> get_ema_multi_avg_fn(0.75)([average], [loopnest.tensor([8.0])], 1)
      >>> average.tolist()
      [5.0]
    """
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"get_ema_multi_avg_fn: expected decay between 0 and 1, got {decay}")

    def average(averaged: list[Tensor], weights: list[Tensor], num_averaged: Any) -> None:
        for a, w in zip(averaged, weights, strict=True):
            into = memory(a)
            into += (memory(w) - into) * into.dtype.type(1 - decay)
            a.bump_version()

    return average


class AveragedModel(Module):
    """A copy of a model that holds averages of its weights, as torch.optim.swa_utils.AveragedModel.

    Args:
      model: copied; update_parameters(model) takes its weights into the average.
      device: None or "cpu".
      avg_fn: (average, weight, how many so far) -> new average. multi_avg_fn: the same on lists, in place.
        Neither: the mean of all weights taken in so far.
      use_buffers: average buffers (running statistics) too; otherwise they are copied.

    Example:
      >>> from loopnest import nn
      >>> from loopnest.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
      >>> model = nn.Linear(2, 1)
      >>> ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))
      >>> ema.update_parameters(model)
      >>> sorted(ema.state_dict())
      ['module.bias', 'module.weight', 'n_averaged']
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: str | None = None,
        avg_fn: Callable[[Tensor, Tensor, Any], Tensor] | None = None,
        multi_avg_fn: Callable[[list[Tensor], list[Tensor], Any], None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel: expected avg_fn or multi_avg_fn, got both")
        self.module = deepcopy(model)
        self.register_buffer("n_averaged", from_numpy(np.zeros((), np.int64)))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def _tensors(self, model: Module) -> list[Tensor]:
        return [*model.parameters(), *(model.buffers() if self.use_buffers else ())]

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the model's weights into the average. The first call copies them."""
        mine, theirs = self._tensors(self.module), self._tensors(model)
        count = int(self.n_averaged)
        floats = [(a, w) for a, w in zip(mine, theirs, strict=True) if count and a.dtype.kind == "f"]
        for a, w in zip(mine, theirs, strict=True):
            if count == 0 or a.dtype.kind != "f":
                a.copy_(w.detach())
        if self.multi_avg_fn is not None and floats:
            self.multi_avg_fn([a for a, _ in floats], [w for _, w in floats], count)
        else:
            for a, w in floats:
                average = self.avg_fn or (lambda a, w, n: a + (w - a) / (n + 1))
                a.copy_(average(a.detach(), w.detach(), count))
        if not self.use_buffers:
            for a, w in zip(self.module.buffers(), model.buffers(), strict=True):
                a.copy_(w.detach())
        self.n_averaged += 1


@no_grad()
def update_bn(loader: Iterable[Any], model: Module) -> None:
    """Compute the running statistics of batch norms anew for averaged weights, by one pass over the inputs.

    loader: batches; of a tuple or list the first is the input. Momentum is the plain mean over the batches.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> from loopnest.optim.swa_utils import update_bn
      >>> update_bn([loopnest.ones(4, 2)], nn.Linear(2, 1))  # a model without batch norms is left alone
    """
    norms = [m for m in model.modules() if hasattr(m, "running_mean") and hasattr(m, "reset_running_stats")]
    if not norms:
        return
    before, training = [m.momentum for m in norms], model.training
    for m in norms:
        m.reset_running_stats()
        m.momentum = None
    model.train()
    for batch in loader:
        model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    for m, momentum in zip(norms, before, strict=True):
        m.momentum = momentum
    model.train(training)
